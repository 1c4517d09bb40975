//! Bounds of the data of a device, which expressions of selectors look at: those of resource.k8s.io.

use crate::decl::{Decl, Keys, Property, Shape};

const DRIVER_LEN_MAX: u64 = 63;
const VALUE_LEN_MAX: u64 = 64;
const ATTRIBUTES_MAX: u64 = 32;

static DOMAIN: Decl = sized(Shape::Text, 63);
static ID: Decl = sized(Shape::Text, 32);

const fn sized(shape: Shape, elements_max: u64) -> Decl {
    Decl { shape, elements_max, size_min: 2, nullable: false }
}

/// Maps by domain of maps by name.
fn by_domain(value: Decl, are_fields: bool) -> Decl {
    let names = Keys { decl: &ID, are_fields };
    let inner = sized(Shape::Map(Box::new(value), names), ATTRIBUTES_MAX);
    let domains = Keys { decl: &DOMAIN, are_fields: false };
    sized(Shape::Map(Box::new(inner), domains), ATTRIBUTES_MAX)
}

impl Decl {
    /// The declaration of `device`.
    #[must_use]
    pub fn device() -> Decl {
        let property = |name: &str, decl| Property {
            escaped: Some(name.to_owned()),
            name: name.to_owned(),
            decl,
            is_exposed: true,
        };
        let properties = vec![
            property("driver", sized(Shape::Text, DRIVER_LEN_MAX)),
            property("attributes", by_domain(sized(Shape::Any, VALUE_LEN_MAX), true)),
            property("capacity", by_domain(sized(Shape::Any, 0), false)),
            property("allowMultipleAllocations", sized(Shape::Bool, 1)),
        ];
        sized(Shape::object(properties), 0)
    }
}
