//! Keeps the number of update managers bounded: the oldest are put together, one bucket per version.

use super::entries::{Entry, Managed, ManagedOperation};

/// Upstream's bound, which keeps objects that many clients write from growing.
const UPDATE_MANAGERS_MAX: usize = 10;
const BUCKET_NAME: &str = "ancient-changes";

/// Merges the oldest update managers until at most `UPDATE_MANAGERS_MAX` are left, where versions allow.
///
/// The first manager seen of a version becomes the bucket once a second one of that version goes.
pub(super) fn cap(managed: &mut Managed) {
    let is_update = |entry: &&Entry| entry.operation == ManagedOperation::Update;
    let mut count = managed.entries.iter().filter(is_update).count();
    if count <= UPDATE_MANAGERS_MAX {
        return;
    }
    let mut updaters: Vec<Entry> = managed.entries.iter().filter(is_update).cloned().collect();
    updaters.sort_by_cached_key(|entry| (entry.seconds(), entry.identifier()));
    let mut firsts: Vec<Entry> = Vec::new();
    for entry in updaters {
        if count <= UPDATE_MANAGERS_MAX {
            return;
        }
        let Some(first) = firsts.iter().find(|first| first.api_version == entry.api_version) else {
            firsts.push(entry);
            continue;
        };
        let bucket = Entry {
            manager: BUCKET_NAME.into(),
            operation: ManagedOperation::Update,
            api_version: entry.api_version.clone(),
            subresource: "".into(),
            time: entry.time.clone(),
            fields: Default::default(),
        };
        let held = managed.take(&bucket).or_else(|| managed.take(first));
        let mut fields = held.map(|held| held.fields).unwrap_or_default();
        managed.take(&entry);
        fields.absorb(entry.fields);
        managed.put(Entry { fields, ..bucket });
        count -= 1;
    }
}
