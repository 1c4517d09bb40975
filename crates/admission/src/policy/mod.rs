//! Admission policies of the cluster: matching of policies and bindings to a request, and their evaluation.

pub mod authorize;
mod matching;
pub mod mutating;
mod mutator;
mod params;
mod reinvocation;
mod source;
pub mod validating;
mod validator;

pub use reinvocation::Reinvocation;

use crate::request::Request;
use crate::view::GROUP;

/// Resources without policies: the configuration of admission, so that mistakes in policies can be corrected, and
/// reviews that admission itself depends on.
fn is_exempt(request: &Request<'_>) -> bool {
    let resource = &request.attributes.target.served.resource;
    let plurals: &[&str] = match resource.group.as_ref() {
        GROUP => &[
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
        ],
        "authentication.k8s.io" => &["selfsubjectreviews", "tokenreviews"],
        "authorization.k8s.io" => &[
            "localsubjectaccessreviews",
            "selfsubjectaccessreviews",
            "selfsubjectrulesreviews",
            "subjectaccessreviews",
        ],
        _ => &[],
    };
    plurals.contains(&resource.plural.as_ref())
}
