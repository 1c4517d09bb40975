//! VolumeAttachment.

use super::{Context, Strategy, cells, csi_driver, keep, keep_metadata, persistent_volume};
use crate::validation::internal::{self, Form, Shape};
use crate::validation::{NameRule, check, meta};
use pintle_object::{FieldErrors, Map, Path, Value, content};

pub struct VolumeAttachment;

const SPEC: Path<'static> = Path::root("spec");
/// The fields of a spec, in the order of upstream's error texts.
const ATTACHMENT: Shape = &[
    ("Attacher", "attacher", Form::Text),
    (
        "Source",
        "source",
        Form::Struct(&[
            ("PersistentVolumeName", "persistentVolumeName", Form::Nullable),
            ("InlineVolumeSpec", "inlineVolumeSpec", Form::Nullable),
        ]),
    ),
    ("NodeName", "nodeName", Form::Text),
];
const ERROR_BYTES_MAX: usize = 1024;
const METADATA_BYTES_MAX: usize = 256 * 1024;

impl Strategy for VolumeAttachment {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.set(&["status"], [("attached", false)].into_iter().collect::<Map>());
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "status");
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        keep_metadata(new, old);
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        spec(object, errors);
        status(object, errors);
        let attacher = object.str_at(&["spec", "attacher"]);
        if !attacher.is_empty() {
            csi_driver::driver_name(attacher, &SPEC.child("attacher"), errors);
        }
        volume_name(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(new, NameRule::Subdomain, errors);
        spec(new, errors);
        status(new, errors);
        volume_name(new, errors);
        if let (Some(new), Some(old)) = (new.get("spec"), old.get("spec"))
            && new != old
        {
            errors.invalid(&SPEC, internal::shown(new, ATTACHMENT), check::IMMUTABLE);
        }
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        self.validate_update(new, old, errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        vec![
            cells::name(object),
            cells::text(object, &["spec", "attacher"]),
            cells::text(object, &["spec", "source", "persistentVolumeName"]),
            cells::text(object, &["spec", "nodeName"]),
            Value::from(object.bool_at(&["status", "attached"])),
            cells::age(object, now_seconds),
        ]
    }
}

fn spec(object: &Value, errors: &mut FieldErrors) {
    if object.str_at(&["spec", "attacher"]).is_empty() {
        errors.required(&SPEC.child("attacher"), "");
    }
    let source = SPEC.child("source");
    let inline = check::present(object, &["spec", "source", "inlineVolumeSpec"]);
    let name = check::present(object, &["spec", "source", "persistentVolumeName"]).and_then(Value::as_str);
    match (inline, name) {
        (None, None) => {
            errors.required(&source, "must specify exactly one of inlineVolumeSpec and persistentVolumeName");
        }
        (Some(_), Some(_)) => {
            let why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
            errors.forbidden(&source, why);
        }
        (None, Some("")) => {
            errors.required(
                &source.child("persistentVolumeName"),
                "must specify non empty persistentVolumeName",
            );
        }
        (Some(inline), None) => {
            persistent_volume::inline_spec(inline, &source.child("inlineVolumeSpec"), errors);
        }
        _ => {}
    }
    let node = object.str_at(&["spec", "nodeName"]);
    check::invalid_all(content::dns1123_subdomain(node), node, &SPEC.child("nodeName"), errors);
}

fn status(object: &Value, errors: &mut FieldErrors) {
    let path = Path::root("status");
    if let Some(metadata) = object.map_at(&["status", "attachmentMetadata"]) {
        let path = path.child("attachmentMetadata");
        let mut bytes = 0;
        for (key, value) in metadata.iter() {
            if key.is_empty() {
                errors.invalid(&path, key, "must not be empty");
            }
            bytes += key.len() + value.as_str().map_or(0, str::len);
        }
        if bytes > METADATA_BYTES_MAX {
            errors.too_long(&path, METADATA_BYTES_MAX);
        }
    }
    for field in ["attachError", "detachError"] {
        if let Some(error) = check::present(object, &["status", field]) {
            volume_error(error, &path.child(field), errors);
        }
    }
}

fn volume_error(error: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if error.str_at(&["message"]).len() > ERROR_BYTES_MAX {
        errors.too_long(&path.child("message"), ERROR_BYTES_MAX);
    }
    check::non_negative_field(error, "errorCode", path, errors);
}

fn volume_name(object: &Value, errors: &mut FieldErrors) {
    let path = ["spec", "source", "persistentVolumeName"];
    if let Some(name) = check::present(object, &path).and_then(Value::as_str) {
        let path = SPEC.child("source");
        check::invalid_all(
            content::dns1123_subdomain(name),
            name,
            &path.child("persistentVolumeName"),
            errors,
        );
    }
}
