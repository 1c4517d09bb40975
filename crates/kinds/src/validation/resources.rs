//! Names and amounts of compute, storage and counted resources.

use super::check::invalid_all;
use pintle_object::content;
use pintle_object::quantity::Quantity;
use pintle_object::{FieldErrors, Path, Value};

const NOT_NEGATIVE: &str = "must be greater than or equal to 0";
const NOT_INTEGER: &str = "must be an integer";
const HUGE_PAGES: &str = "hugepages-";
const REQUESTS: &str = "requests.";

/// Resources that quotas know besides those of storage classes and huge pages.
const QUOTA: [&str; 19] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];

/// Resources that are counted.
const COUNTED: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// A quantity in the tree; it was parsed when the body was decoded.
pub fn quantity(value: &Value) -> Quantity {
    value.as_str().and_then(|text| Quantity::parse(text).ok()).unwrap_or_else(|| Quantity::from_int(0))
}

/// A name that is qualified by a domain or one of Kubernetes' own.
pub fn resource_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let messages = content::label_key(name);
    if !messages.is_empty() {
        invalid_all(messages, name, path, errors);
    } else if !name.contains('/') && !is_standard(name) {
        errors.invalid(path, name, "must be a standard resource type or fully qualified");
    }
}

/// A resource name in containers' requests and limits.
pub fn container_resource_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    resource_name(name, path, errors);
    if !name.contains('/') {
        if !is_standard_for_containers(name) {
            errors.invalid(path, name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.invalid(path, name, "doesn't follow extended resource name standard");
    }
}

/// A resource name in quotas.
pub fn quota_resource_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    resource_name(name, path, errors);
    if !name.contains('/') && !is_standard_for_quota(name) {
        errors.invalid(path, name, "must be a standard resource for quota");
    }
}

/// An amount is not negative, and whole where the resource is counted.
pub fn resource_amount(name: &str, value: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    non_negative(value, path, errors);
    if is_integer(name) && !quantity(value).is_whole() {
        errors.invalid(path, value, NOT_INTEGER);
    }
}

pub fn non_negative(value: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if quantity(value).sign() < 0 {
        errors.invalid(path, value, NOT_NEGATIVE);
    }
}

pub fn positive(value: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if quantity(value).sign() <= 0 {
        errors.invalid(path, value, "must be greater than zero");
    }
}

pub fn is_standard(name: &str) -> bool {
    name == "storage" || QUOTA.contains(&name) || is_huge_pages_for_quota(name)
}

pub fn is_standard_for_quota(name: &str) -> bool {
    QUOTA.contains(&name) || is_huge_pages_for_quota(name) || name.contains(".storageclass.storage.k8s.io/")
}

pub fn is_standard_for_containers(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage") || is_huge_pages(name)
}

pub fn is_huge_pages(name: &str) -> bool {
    name.starts_with(HUGE_PAGES)
}

/// Whether a limit may exceed the request.
pub fn is_overcommit_allowed(name: &str) -> bool {
    is_native(name) && !is_huge_pages(name)
}

pub fn is_integer(name: &str) -> bool {
    COUNTED.contains(&name) || is_extended(name)
}

/// Whether a resource belongs to Kubernetes.
pub fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether a resource belongs to someone else, and a quota could name its requests.
pub fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with(REQUESTS)
        && content::label_key(&format!("{REQUESTS}{name}")).is_empty()
}

fn is_huge_pages_for_quota(name: &str) -> bool {
    is_huge_pages(name) || name.strip_prefix(REQUESTS).is_some_and(is_huge_pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_belong_to_kubernetes_or_a_domain() {
        let cases: [(&str, &[&str]); 4] = [
            ("cpu", &[]),
            ("example.com/gpu", &[]),
            (
                "gpu",
                &[
                    "r: Invalid value: \"gpu\": must be a standard resource type or fully qualified",
                    "r: Invalid value: \"gpu\": must be a standard resource for containers",
                ],
            ),
            (
                "requests.example.com/gpu",
                &[
                    "r: Invalid value: \"requests.example.com/gpu\": doesn't follow extended resource name standard",
                ],
            ),
        ];
        for (name, expected) in cases {
            let mut errors = FieldErrors::new();
            container_resource_name(name, &Path::root("r"), &mut errors);
            let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
            assert_eq!(shown, expected, "{name}");
        }
    }
}
