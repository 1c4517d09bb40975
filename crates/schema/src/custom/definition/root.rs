//! The root of a schema whose objects have a status of their own.

use super::internal;
use pintle_object::field::Shown;
use pintle_object::{FieldErrors, Path, Value};

/// Chosen so that taking `properties["status"]` out of the schema loses nothing.
const ALLOWED: [&str; 22] = [
    "Description",
    "Type",
    "Format",
    "Title",
    "Maximum",
    "ExclusiveMaximum",
    "Minimum",
    "ExclusiveMinimum",
    "MaxLength",
    "MinLength",
    "Pattern",
    "MaxItems",
    "MinItems",
    "UniqueItems",
    "MultipleOf",
    "Required",
    "Items",
    "Properties",
    "ExternalDocs",
    "Example",
    "XPreserveUnknownFields",
    "XValidations",
];

/// The first field that may not be there.
pub(super) fn check(props: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    for name in internal::set_fields(props) {
        let ty = props.str_at(&["type"]);
        if name == "Type" && ty != "object" {
            let why = "only \"object\" is allowed as the type at the root of the schema if the status subresource \
                       is enabled";
            errors.invalid(&path.child("openAPIV3Schema.type"), ty, why);
            return;
        }
        if !ALLOWED.contains(&name) {
            let allowed = ALLOWED.join(" ");
            let why = format!(
                "only [{allowed}] fields are allowed at the root of the schema if the status subresource is enabled"
            );
            errors.invalid(&path.child("openAPIV3Schema"), Shown(internal::props(props)), &why);
            return;
        }
    }
}
