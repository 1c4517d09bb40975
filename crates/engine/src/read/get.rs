//! Get: one object by name.

use crate::engine::Engine;
use crate::resource::{ObjectRef, ServedResource};
use crate::spans;
use crate::write::failure::store_failed;
use pintle_object::field::quote;
use pintle_object::{Cause, Details, Reason, Status};
use pintle_object::{Query, parse_uint};
use pintle_store::{Object, Revision};
use pintle_traces::is_recorded;
use std::sync::Arc;
use std::time::Duration;

/// The time that a read waits for a revision that has not been reached yet.
const REACH_MAX: Duration = Duration::from_secs(3);

/// The `Retry-After` of such a read that waited in vain.
pub(crate) const READ_AGAIN_SECONDS: u32 = 1;

impl Engine {
    pub async fn get(&self, target: &ObjectRef<'_>, query: &Query) -> Result<Arc<Object>, Status> {
        let served = target.served;
        let version = query.text("resourceVersion");
        let _span = is_recorded().then(|| spans::get(&target.key(), version));
        self.reach_for(version, read_version(version)?).await?;
        target.check_name()?;
        let missing = || Status::not_found(&served.group_resource(), target.name);
        let collection = served.collection().ok_or_else(missing)?;
        let found = self.store.get(collection, &target.key()).ok_or_else(missing)?;
        self.check_readable(served, &found)?;
        match version {
            "" => self.converted_anew(served, found).await,
            _ => self.converted(served, found).await,
        }
    }

    /// The size of the stored object in bytes, as it is visible now; zero when there is none.
    pub fn stored_bytes(&self, served: &ServedResource, namespace: &str, name: &str) -> usize {
        let object = served
            .collection()
            .and_then(|collection| self.store.get(collection, &served.key(namespace, name)));
        object.map_or(0, |object| object.value.len())
    }

    /// The number of stored objects of a resource, in all namespaces.
    pub fn stored_count(&self, served: &ServedResource) -> usize {
        served.collection().map_or(0, |collection| self.store.snapshot(collection).len())
    }

    /// Waits until the cache is as recent as a read wants it: the latest state, when it names no version.
    pub(crate) async fn reach_for(&self, text: &str, version: u64) -> Result<(), Status> {
        match version {
            0 if text.is_empty() => self.store.wait_for_latest().await.map_err(store_failed),
            0 => Ok(()),
            // Boxed, so that reads of the latest state, which are many, need no room for it.
            version => Box::pin(self.wait_for(version)).await,
        }
    }

    /// Waits until the store has reached a revision; 504 if it does not in time.
    pub(crate) async fn wait_for(&self, version: u64) -> Result<(), Status> {
        if self.store.wait_for_revision(Revision(version), REACH_MAX).await {
            return Ok(());
        }
        let current = self.store.revision().0;
        Err(too_large(version, current, READ_AGAIN_SECONDS))
    }

    /// Refuses a revision of the future at once: an exact read of the past does not wait for it.
    pub(crate) async fn has_been(&self, version: u64) -> Result<(), Status> {
        if version > self.store.revision().0 {
            self.store.wait_for_latest().await.map_err(store_failed)?;
        }
        let current = self.store.revision().0;
        if version > current { Err(too_large(version, current, 0)) } else { Ok(()) }
    }
}

/// A resource version of a read; the empty text is zero. The error is a plain 500, as upstream's.
pub(crate) fn read_version(text: &str) -> Result<u64, Status> {
    if text.is_empty() {
        return Ok(0);
    }
    parse_uint(text).map_err(|why| {
        let message = format!("resourceVersion: Invalid value: {}: {why}", quote(text));
        Status::new(500, Reason::Unknown, message)
    })
}

pub(crate) fn too_large(version: u64, current: u64, retry_after_seconds: u32) -> Status {
    let message = format!("Timeout: Too large resource version: {version}, current: {current}");
    let cause = Cause {
        reason: "ResourceVersionTooLarge".into(),
        message: "Too large resource version".into(),
        ..Cause::default()
    };
    Status::new(504, Reason::Timeout, message).with_details(Details {
        causes: vec![cause],
        retry_after_seconds,
        ..Details::default()
    })
}
