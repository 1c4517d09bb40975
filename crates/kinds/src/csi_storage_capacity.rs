//! CSIStorageCapacity.

use super::{Context, Strategy, cells};
use crate::validation::{NameRule, check, meta, node_labels};
use pintle_object::quantity::Quantity;
use pintle_object::{FieldErrors, Path, Value, content};

pub struct CsiStorageCapacity;

impl Strategy for CsiStorageCapacity {
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}

    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context<'_>) {}

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        own_fields(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        self.validate(new, errors);
        meta::validate_update_strict(new, old, errors);
        for field in ["nodeTopology", "storageClassName"] {
            check::immutable(new.get(field), old.get(field), &Path::root(field), errors);
        }
    }

    fn warnings(&self, new: &Value, _old: Option<&Value>, out: &mut Vec<String>) {
        let Some(topology) = check::present(new, &["nodeTopology"]) else { return };
        let path = Path::root("nodeTopology");
        node_labels::warn_selector(topology, &path, out);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![
            cells::name(object),
            cells::text(object, &["storageClassName"]),
            cells::text_or(object, &["capacity"], cells::UNSET),
            cells::age(object, now_seconds),
        ]
    }
}

fn own_fields(object: &Value, errors: &mut FieldErrors) {
    let class = object.str_at(&["storageClassName"]);
    let path = Path::root("storageClassName");
    check::invalid_all(content::dns1123_subdomain(class), class, &path, errors);
    if let Some(topology) = check::present(object, &["nodeTopology"]) {
        pintle_object::selector::validate_label_selector(
            topology,
            &Path::root("nodeTopology"),
            false,
            errors,
        );
    }
    for field in ["capacity", "maximumVolumeSize"] {
        let text = object.str_at(&[field]);
        if Quantity::parse(text).is_ok_and(|quantity| quantity.sign() < 0) {
            errors.invalid(&Path::root(field), text, "must be greater than or equal to 0");
        }
    }
}
