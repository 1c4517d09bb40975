//! What is stored of admission and not enforced yet, which nobody shall rely on without being told.

use crate::policy::GROUP;
use crate::request::Request;
use crate::view::View;
use pintle_engine::Engine;
use pintle_object::Value;

/// Resources whose objects are stored without effect, and their kinds.
const UNENFORCED: [(&str, &str); 2] = [
    ("mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
    ("validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
];
const WHY: &str = "is stored, but this server does not call admission webhooks yet: what a webhook with the \
                        failure policy Fail is about is refused, and the others have no effect";

/// What a client is told that writes one of these; of webhooks none of which counts, that they are not called is
/// nothing that their failure policy does not allow.
pub fn warn(request: &Request<'_>, object: &Value, plural: &str) {
    let is_write = request.is_create() || request.is_update();
    // A rehearsal stores nothing.
    if !is_write || request.attributes.dry_run || !request.is_object(GROUP, plural) {
        return;
    }
    let webhooks = object.list_at(&["webhooks"]);
    if !webhooks.is_empty() && webhooks.iter().all(|one| one.str_at(&["failurePolicy"]) == "Ignore") {
        return;
    }
    let found = UNENFORCED.iter().find(|(known, _)| *known == plural);
    if let Some((_, kind)) = found {
        request.notes.warn(line(kind, request.known_name(object)));
    }
}

/// A line for each stored object that is not enforced, for the log of a start.
#[must_use]
pub fn unenforced(engine: &Engine) -> Vec<String> {
    let mut lines = Vec::new();
    for (plural, kind) in UNENFORCED {
        let Some(stored) = View::new(engine).configurations(plural) else { continue };
        lines.extend(stored.objects().map(|object| line(kind, &object.attrs.name)));
    }
    lines
}

fn line(kind: &str, name: &str) -> String {
    format!("{kind} \"{name}\" {WHY}")
}
