//! Admission webhooks: servers of the cluster that may change or refuse requests
//! (`apiserver/pkg/admission/plugin/webhook` upstream).  `source` keeps the `accessor`s of all configurations. Their
//! `predicates` and `match_conditions` are matched with a request. For each that matches, `call` posts a `review` of
//! the objects in the matched version (`versioned`) and reads the `response`. `mutate` calls one after the other and
//! applies their patches (`patched`), `validate` calls all at a time.

mod accessor;
pub mod call;
pub mod match_conditions;
pub mod mutate;
pub mod patched;
pub mod predicates;
mod response;
mod review;
mod source;
pub mod validate;
pub mod versioned;

pub use mutate::MutatingAdmissionWebhook;
pub use validate::ValidatingAdmissionWebhook;

use crate::request::Request;
use crate::settings::Setup;
use pintle_object::config_file::{Fields, Form, Kind};
use pintle_outbound::Hooks;

const FIELDS: Fields = &[("kubeConfigFile", Form::Text), ("staticManifestsDir", Form::Text)];

/// The section of both plugins in an AdmissionConfiguration.
pub const KINDS: &[Kind] = &[
    Kind {
        group: "apiserver.config.k8s.io",
        versions: &["v1"],
        name: "WebhookAdmissionConfiguration",
        fields: FIELDS,
    },
    Kind {
        group: "apiserver.config.k8s.io",
        versions: &["v1alpha1"],
        name: "WebhookAdmission",
        fields: FIELDS,
    },
];

/// The clients of a plugin's webhooks.
fn hooks(setup: &Setup<'_>) -> Result<Hooks, String> {
    let section = setup.section;
    let manifests = section.str_at(&["staticManifestsDir"]);
    if !manifests.is_empty() {
        return Err(format!(
            "static webhook manifests dir {manifests:?} configured but ManifestBasedAdmissionControlConfig feature \
             gate is not enabled"
        ));
    }
    setup.outward.hooks(section.str_at(&["kubeConfigFile"]))
}

/// Whether a request goes to no webhook: writes of the configuration of admission, so that mistakes in it can be
/// corrected, and writes of the server's own.
fn is_exempt(request: &Request<'_>) -> bool {
    const KINDS: [&str; 6] = [
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
    ];
    let kind = request.kind_in(request.attributes.target.served);
    kind.group == crate::view::GROUP && KINDS.contains(&kind.kind.as_ref()) || request.is_own()
}
