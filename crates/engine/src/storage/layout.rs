//! The built-in resources as they are served: which of them share a collection, and the codec of each.

use crate::resource::{Backing, ServedResource};
use crate::storage::builtin::BuiltinCodec;
use pintle_object::{GroupVersionKind, Verb};
use pintle_schema::Builtin;
use pintle_schema::decode::Pick;
use pintle_store::CollectionId;
use std::sync::Arc;

/// The resources of the tables. Updatable ones are stored; collections are numbered in the order of their prefixes.
pub(crate) fn layout(api: &Arc<Builtin>) -> Vec<ServedResource> {
    let mut served: Vec<ServedResource> = Vec::new();
    let mut prefixes: Vec<String> = Vec::new();
    for resource in &api.resources.all {
        let storage = GroupVersionKind::new(
            resource.storage_group.as_ref(),
            resource.storage_version.as_ref(),
            resource.kind.as_ref(),
        );
        let mut sharing = served.iter().filter(|known| known.resource.key_prefix == resource.key_prefix);
        let owner = sharing.next();
        let fields = owner.map_or(&resource.selectable, |owner| &owner.fields).clone();
        let form = owner.map_or(0, |_| 1 + sharing.count());
        let storage_ty = api.kind(&storage).unwrap_or(resource.ty);
        let mut one = ServedResource {
            backing: Backing::Virtual,
            selected: Pick::new(&api.schema, storage_ty, fields.iter().map(|field| field.path.as_slice())),
            fields,
            form,
            strategy: pintle_kinds::OwnStrategy::Builtin(pintle_kinds::strategy(
                &storage.group,
                &storage.kind,
            )),
            codec: Box::new(BuiltinCodec { api: api.clone() }),
            custom: None,
            facts: pintle_kinds::facts(&storage.group, &storage.kind),
            storage_ty,
            storage,
            resource: resource.clone(),
        };
        if resource.verbs.has(&Verb::Update) {
            let prefix = one.prefix("");
            let place = prefixes.iter().position(|known| *known == prefix).unwrap_or(prefixes.len());
            if place == prefixes.len() {
                prefixes.push(prefix);
            }
            one.backing = Backing::Stored(CollectionId(place as u32));
        }
        served.push(one);
    }
    served
}
