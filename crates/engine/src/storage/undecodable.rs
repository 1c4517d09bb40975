//! Stored values that cannot be read: encrypted by another server, corrupt, or of another kind.
//!
//! The store gives them empty attributes, which no object has. A get, a list or a write that meets one is refused in
//! upstream's words; nothing is left out in silence.

use crate::engine::Engine;
use crate::resource::ServedResource;
use crate::storage::unreadable::{check_object, is_undecodable, unreadable};
use pintle_object::field::quote;
use pintle_object::{Cause, Details, Reason, Status};
use pintle_store::Object;
use std::sync::Arc;

/// The number of unreadable values that the refusal of a list names.
const CAUSES_MAX: usize = 100;
const NO_METADATA: &str = "the stored value has no metadata";
/// The `Retry-After` of lists and watches that need an object which cannot be read.
const RETRY_AFTER_SECONDS: u32 = 2;

/// The error of a value that cannot be read where it may be deleted all the same: upstream's of its store.
fn corrupt(object: &Object, key: &str, why: &Status) -> String {
    let (kind, revision) = match object.read_error() {
        Some(_) => ("data from the storage is not transformable", 0),
        None => ("object not decodable", object.mod_revision.0),
    };
    let why = why.bare_message();
    format!(
        "StorageError: corrupt object, Code: 7, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {kind} \
         revision={revision}: {why}"
    )
}

impl Engine {
    /// Refuses an object that cannot be shown because its stored value cannot be read.
    pub(crate) fn check_readable(&self, served: &ServedResource, object: &Object) -> Result<(), Status> {
        if !is_undecodable(object) {
            return Ok(());
        }
        let why =
            check_object(&served.storage, object).and_then(|()| self.storage_tree(served, object).map(drop));
        let why = why.err().unwrap_or_else(|| unreadable(NO_METADATA));
        if !self.deletes_unreadable {
            return Err(why);
        }
        let key = object.key.as_str().strip_prefix("/registry").unwrap_or(object.key.as_str());
        Err(Status::internal(corrupt(object, key, &why)))
    }

    /// The refusal of a list with unreadable objects, which names them.
    fn corrupt_list(&self, served: &ServedResource) -> Status {
        let collection = served.collection().map(|collection| self.store.snapshot(collection));
        let prefix = served.prefix("");
        let all = collection.iter().flat_map(|snapshot| snapshot.range(&prefix, None));
        let mut found = all.filter(|object| is_undecodable(object));
        let cause = |object: &Arc<Object>| {
            let why = check_object(&served.storage, object)
                .and_then(|()| self.storage_tree(served, object).map(drop));
            let why = why.err().unwrap_or_else(|| unreadable(NO_METADATA));
            Cause {
                reason: String::from("UnexpectedServerResponse"),
                message: corrupt(object, object.key.as_str(), &why),
                field: object.key.to_string(),
            }
        };
        let mut causes: Vec<Cause> = found.by_ref().take(CAUSES_MAX).map(cause).collect();
        if found.next().is_some() {
            let (reason, message) =
                ("FieldValueTooMany".into(), "too many errors, the list is truncated".into());
            causes.push(Cause { reason, message, field: String::new() });
        }
        let resource = served.group_resource();
        let message = format!("failed to read one or more {resource} from the storage");
        let (group, kind) = (resource.group.to_string(), resource.resource.to_string());
        let details = Details { name: "list".into(), group, kind, causes, ..Details::default() };
        Status::new(500, Reason::StoreReadError, message).with_details(details)
    }

    /// The same for a list that meets the object.
    pub(crate) fn check_listable(&self, served: &ServedResource, object: &Object) -> Result<(), Status> {
        self.check_readable(served, object).map_err(|status| {
            tracing::error!("the value at {} cannot be read: {}", object.key, status.message);
            if self.deletes_unreadable {
                return self.corrupt_list(served);
            }
            match object.read_error() {
                Some(error) => Status::internal(format!(
                    "unable to transform key {}: {error}",
                    quote(object.key.as_str())
                )),
                None => status,
            }
        })
    }

    /// 429 for reads that upstream answers from its cache, which cannot fill while a value is unreadable.
    pub(crate) fn check_cacheable(&self, served: &ServedResource) -> Result<(), Status> {
        let Some(key) = self.undecodable(served) else { return Ok(()) };
        let Some(object) = served.collection().and_then(|collection| self.store.get(collection, &key)) else {
            return Ok(());
        };
        let Err(why) = self.check_listable(served, &object) else { return Ok(()) };
        let why = why.bare_message();
        let package = served.resource.group.split('.').next().filter(|first| !first.is_empty());
        let kind = match served.is_typed() {
            true => format!("{}.{}", package.unwrap_or("core"), served.storage.kind),
            false => String::from("unstructured.Unstructured"),
        };
        let message = format!("storage is (re)initializing: failed to list *{kind}: {why}");
        Err(Status::too_many_requests(message, RETRY_AFTER_SECONDS))
    }

    /// The key of a value of a resource that cannot be read.
    fn undecodable(&self, served: &ServedResource) -> Option<String> {
        let collection = served.collection().filter(|collection| self.store.has_undecodable(*collection))?;
        let snapshot = self.store.snapshot(collection);
        let prefix = served.prefix("");
        let mut objects = snapshot.range(&prefix, None);
        objects.find(|object| is_undecodable(object)).map(|object| object.key.to_string())
    }

    /// Whether all values of all served resources can be read.
    pub fn is_readable(&self) -> bool {
        let table = self.table();
        let mut collections = table.served().iter().filter_map(|served| served.collection());
        !collections.any(|collection| self.store.has_undecodable(collection))
    }

    /// Retries values that could not be decrypted. Returns the number of those that still cannot.
    pub async fn retry_unreadable(&self) -> usize {
        let mut left = 0;
        for served in self.table().served() {
            let Some(collection) = served.collection() else { continue };
            left += self.store.retry_unreadable(collection, served.as_ref()).await;
        }
        left
    }

    /// Names the values that cannot be read in the log.
    pub fn log_undecodable(&self) {
        for served in self.table().served() {
            let Some(key) = self.undecodable(served) else { continue };
            let found = served.collection().and_then(|collection| self.store.get(collection, &key));
            // The refusal says it.
            let _ = found.map(|object| self.check_listable(served, &object));
        }
    }
}
