//! Managed fields of the scale subresource: the entries of the object that own its replicas, shown as entries of a
//! Scale, and back.

use super::entries::{Entry, Managed};
use crate::fields::{Element, FieldSet};

const SCALE_VERSION: &str = "autoscaling/v1";

/// The managers of an object's replicas as managers of its Scale.
///
/// `replicas` are the path of the replicas in the object: `["spec", "replicas"]`. Entries whose version is not one
/// of `api_versions` are left out.
pub fn scale_managers_to_scale(parent: &Managed, api_versions: &[&str], replicas: &[&str]) -> Managed {
    let path = elements(replicas);
    let owners = parent
        .entries
        .iter()
        .filter(|entry| api_versions.contains(&entry.api_version.as_str()) && entry.fields.has(&path));
    let shown =
        owners.map(|entry| Entry { api_version: SCALE_VERSION.into(), fields: in_scale(), ..entry.clone() });
    Managed { entries: shown.collect() }
}

/// Brings the managers of a written Scale back into those of its object.
///
/// An owner of the replicas that is no manager of the Scale any more has lost them; a new manager of the Scale
/// gets an entry in `api_version`, the version that the request addressed the object in. As upstream has it, an
/// updater is never found again among the managers of the Scale, for its version tells it apart: its replicas move
/// to an entry of their own.
pub fn scale_managers_to_parent(
    parent: &Managed,
    scale: Managed,
    api_versions: &[&str],
    api_version: &str,
    replicas: &[&str],
) -> Managed {
    let path = elements(replicas);
    let mut own = FieldSet::new();
    own.insert(&path);
    let mut scale = scale.entries;
    let mut out = Managed::default();
    for entry in parent.entries.iter().filter(|entry| api_versions.contains(&entry.api_version.as_str())) {
        let mut entry = entry.clone();
        if entry.fields.has(&path) {
            match scale.iter().position(|known| known.is_same_manager(&entry)) {
                Some(place) => drop(scale.remove(place)),
                None => entry.fields.subtract(&own),
            }
        }
        if !entry.fields.is_empty() {
            out.entries.push(entry);
        }
    }
    let replicas_of_scale = [Element::field("spec"), Element::field("replicas")];
    for entry in scale.into_iter().filter(|entry| entry.fields.has(&replicas_of_scale)) {
        out.entries.push(Entry { api_version: api_version.into(), fields: own.clone(), time: None, ..entry });
    }
    out
}

fn elements(path: &[&str]) -> Vec<Element> {
    path.iter().map(|name| Element::field(name)).collect()
}

fn in_scale() -> FieldSet {
    FieldSet::of_fields(["spec.replicas"])
}
