//! The seam between stored objects and the version of a request, where conversion may wait and fail.
//!
//! Everything that reads or encodes objects is synchronous and sees them in the version of their served resource. What a
//! webhook has to convert is converted before that, one object or a batch, and from then on has the form
//! `k8s:converted:{JSON}`, which is never stored. It is kept with the stored object, per version and generation of the
//! definition, so that a watch by a hundred clients converts once.

use crate::custom::codec::{converted_form, is_in_version};
use crate::custom::conversion::{BATCH_BYTES_MAX, BATCH_OBJECTS_MAX};
use crate::custom::webhook::ConversionWebhook;
use crate::engine::Engine;
use crate::resource::ServedResource;
use crate::storage::attrs;
use crate::storage::unreadable::is_undecodable;
use bytes::Bytes;
use pintle_object::{Status, Value, json};
use pintle_store::{Attrs, Object};
use std::sync::Arc;

impl Engine {
    /// A stored object as the synchronous readers of `served` take it.
    pub async fn converted(
        &self,
        served: &ServedResource,
        object: Arc<Object>,
    ) -> Result<Arc<Object>, Status> {
        if webhook_for(served, &object).is_none() {
            return Ok(object);
        }
        match kept(served, &object) {
            Some(kept) => Ok(kept),
            None => Box::pin(self.convert_one(served, object, true)).await,
        }
    }

    /// The same without cached conversions: a read of the latest state calls the webhook, as upstream's does.
    pub(crate) async fn converted_anew(
        &self,
        served: &ServedResource,
        object: Arc<Object>,
    ) -> Result<Arc<Object>, Status> {
        if webhook_for(served, &object).is_none() {
            return Ok(object);
        }
        Box::pin(self.convert_one(served, object, false)).await
    }

    /// Converts an object that is not in the store, for the synchronous readers.
    pub(crate) async fn converted_alone(
        &self,
        served: &ServedResource,
        object: Arc<Object>,
    ) -> Result<Arc<Object>, Status> {
        if webhook_for(served, &object).is_none() {
            return Ok(object);
        }
        let converted = Box::pin(self.convert_batch(served, std::slice::from_ref(&object))).await?.pop();
        let converted = converted.ok_or_else(|| Status::internal("a conversion answered nothing"))?;
        Ok(as_converted(&object, converted))
    }

    /// Calls the webhook, once for all that need the same object at the same time.
    async fn convert_one(
        &self,
        served: &ServedResource,
        object: Arc<Object>,
        takes_kept: bool,
    ) -> Result<Arc<Object>, Status> {
        let Some(webhook) = webhook_for(served, &object) else { return Ok(object) };
        let conversion = webhook.conversion(&object.key, object.mod_revision);
        let convert = || async {
            // Another's conversion may have ended since this one looked.
            if takes_kept && let Some(kept) = kept(served, &object) {
                return Ok(kept.value.clone());
            }
            let batch = std::slice::from_ref(&object);
            let converted = self.convert_batch(served, batch).await?.into_iter().next();
            let converted = converted.ok_or_else(|| Status::internal("a conversion answered nothing"))?;
            keep(served, &object, converted.clone());
            Ok(converted)
        };
        let result = conversion.get_or_init(convert).await.clone();
        webhook.end(&object.key, object.mod_revision);
        Ok(as_converted(&object, result?))
    }

    /// The objects of a list as the synchronous readers of `served` take them, in the same order.
    pub async fn converted_all(
        &self,
        served: &ServedResource,
        mut objects: Vec<Arc<Object>>,
    ) -> Result<Vec<Arc<Object>>, Status> {
        if !served.has_conversion_webhook() {
            return Ok(objects);
        }
        let (mut batch, mut places, mut bytes) = (Vec::new(), Vec::new(), 0);
        for place in 0..=objects.len() {
            let is_full = batch.len() == BATCH_OBJECTS_MAX || bytes >= BATCH_BYTES_MAX;
            if is_full || place == objects.len() {
                let converted = self.convert_batch(served, &batch).await?;
                for ((place, object), bytes) in places.drain(..).zip(batch.drain(..)).zip(converted) {
                    let slot: Option<&mut Arc<Object>> = objects.get_mut(place);
                    slot.into_iter().for_each(|slot| *slot = keep(served, &object, bytes.clone()));
                }
                bytes = 0;
            }
            let Some(object) = objects.get_mut(place) else { break };
            if webhook_for(served, object).is_none() {
                continue;
            }
            match kept(served, object) {
                Some(kept) => *object = kept,
                None => {
                    bytes += object.value.len();
                    batch.push(object.clone());
                    places.push(place);
                }
            }
        }
        Ok(objects)
    }

    /// Has a webhook convert stored objects that are in other versions than `served`. They may be in several.
    async fn convert_batch(
        &self,
        served: &ServedResource,
        objects: &[Arc<Object>],
    ) -> Result<Vec<Bytes>, Status> {
        let to = served.api_version();
        let mut trees = Vec::with_capacity(objects.len());
        for object in objects {
            trees.push(served.codec.as_stored(served, &object.value)?);
        }
        let converted = Box::pin(self.convert_by_webhook(served, &trees, &to)).await?;
        Ok(converted.iter().map(converted_form).collect())
    }

    /// The bytes to store and the attributes of an object in the version of the request, without fields that are not
    /// stored.
    pub(crate) async fn encode_stored(
        &self,
        served: &ServedResource,
        tree: &mut Value,
    ) -> Result<(Bytes, Attrs), Status> {
        tree.remove(&["metadata", "resourceVersion"]);
        if !served.has_conversion_webhook() || !served.is_converted() {
            let value = served.codec.to_stored(served, tree);
            return Ok((value, attrs::of_tree(&self.api.schema, served, tree)));
        }
        served.set_kind(tree);
        let to = served.storage.group_version().to_string();
        let converted = Box::pin(self.convert_by_webhook(served, std::slice::from_ref(tree), &to)).await?;
        let stored = converted.into_iter().next().unwrap_or_default();
        Ok((Bytes::from(json::to_string(&stored)), attrs::of_tree(&self.api.schema, served, &stored)))
    }

    /// The same without managed fields, which an object that is too large can give up. A conversion that fails now changes
    /// nothing: the object stays too large.
    pub(crate) async fn encode_lean(
        &self,
        served: &ServedResource,
        tree: &mut Value,
    ) -> Option<(Bytes, Attrs)> {
        tree.remove(&["metadata", "managedFields"])?;
        self.encode_stored(served, tree).await.ok()
    }
}

/// The webhook that must convert an object before `served` can read it.
fn webhook_for<'a>(served: &'a ServedResource, object: &Object) -> Option<&'a ConversionWebhook> {
    let webhook = served.codec.webhook()?;
    let is_readable = is_undecodable(object) || is_in_version(served, &object.value);
    (!is_readable).then_some(webhook)
}

/// The beginning of kept conversions: the complement of the tag that encodings of objects begin with.
fn tag(served: &ServedResource) -> Vec<u8> {
    served.codec.encoding_tag().iter().map(|byte| !byte).collect()
}

fn kept(served: &ServedResource, object: &Object) -> Option<Arc<Object>> {
    let tag = tag(served);
    let kept = object.cached_encoding(served.form).filter(|kept| kept.starts_with(&tag))?;
    Some(as_converted(object, kept.slice(tag.len()..)))
}

/// Keeps the conversion of an object with it.
fn keep(served: &ServedResource, object: &Object, converted: Bytes) -> Arc<Object> {
    object.keep_encoding(served.form, Bytes::from([&tag(served)[..], &converted].concat()));
    as_converted(object, converted)
}

fn as_converted(object: &Object, value: Bytes) -> Arc<Object> {
    let (key, attrs) = (object.key.clone(), object.attrs.clone());
    Arc::new(Object::new(key, object.create_revision, object.mod_revision, value, attrs))
}
