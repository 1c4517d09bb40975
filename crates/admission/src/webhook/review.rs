//! AdmissionReviews: the requests to webhooks, in the versions v1 and v1beta1, field by field in the order of their
//! types.

use super::versioned::VersionedAttributes;
use crate::cel::options;
use crate::request::Request;
use crate::webhook::predicates::Matched;
use pintle_object::user::User;
use pintle_object::{GroupVersionKind, Value, json};
use pintle_schema::Resource;

/// A version of AdmissionReview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewVersion {
    V1,
    V1beta1,
}

impl ReviewVersion {
    /// The first version of a webhook's list that this server speaks.
    pub fn first_known(versions: &[Value]) -> Option<ReviewVersion> {
        versions.iter().find_map(|version| match version.as_str()? {
            "v1" => Some(ReviewVersion::V1),
            "v1beta1" => Some(ReviewVersion::V1beta1),
            _ => None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            ReviewVersion::V1 => "v1",
            ReviewVersion::V1beta1 => "v1beta1",
        }
    }

    pub fn api_version(self) -> &'static str {
        match self {
            ReviewVersion::V1 => "admission.k8s.io/v1",
            ReviewVersion::V1beta1 => "admission.k8s.io/v1beta1",
        }
    }
}

/// The review of a request, as JSON; the name of the request comes from `object`.
pub fn review(
    version: ReviewVersion,
    uid: &str,
    (request, object): (&Request<'_>, &Value),
    versioned: &VersionedAttributes,
    matched: &Matched,
) -> Vec<u8> {
    let target = request.attributes.target;
    let mut out = ReviewDocument(Vec::with_capacity(4096));
    out.raw("{\"kind\":\"AdmissionReview\",\"apiVersion\":\"");
    out.raw(version.api_version());
    out.raw("\",\"request\":{\"uid\":");
    out.text(uid);
    let served = matched.served(request);
    out.kind("kind", &versioned.kind);
    out.resource("resource", &served.resource);
    out.unless_empty("subResource", target.subresource);
    out.kind("requestKind", &request.kind_in(target.served));
    out.resource("requestResource", &target.served.resource);
    out.unless_empty("requestSubResource", target.subresource);
    out.unless_empty("name", request.admission_name(object));
    out.unless_empty("namespace", request.admission_namespace(object));
    out.raw(",\"operation\":\"");
    out.raw(request.attributes.operation.as_str());
    out.raw("\",\"userInfo\":");
    out.user(request.attributes.user);
    for (field, shown) in [("object", &versioned.object), ("oldObject", &versioned.old)] {
        out.field(field);
        match shown.is_null() {
            true => out.raw("null"),
            false => request.view.write_shown(served, target.subresource, shown, &mut out.0),
        }
    }
    out.raw(if request.attributes.dry_run { ",\"dryRun\":true" } else { ",\"dryRun\":false" });
    out.field("options");
    out.options(&options(request));
    out.raw("}}");
    out.0
}

/// JSON under way.
struct ReviewDocument(Vec<u8>);

/// The fields of the options of all operations, in the order of their types.
const OPTIONS: [&str; 9] = [
    "kind",
    "apiVersion",
    "gracePeriodSeconds",
    "preconditions",
    "orphanDependents",
    "propagationPolicy",
    "dryRun",
    "fieldManager",
    "fieldValidation",
];

impl ReviewDocument {
    fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn text(&mut self, text: &str) {
        json::write::write_string(&mut self.0, text);
    }

    /// `,"name":`
    fn field(&mut self, name: &str) {
        self.raw(",\"");
        self.raw(name);
        self.raw("\":");
    }

    fn unless_empty(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.field(name);
            self.text(text);
        }
    }

    fn triple(&mut self, name: &str, parts: [(&str, &str); 3]) {
        self.field(name);
        for (place, (key, text)) in parts.into_iter().enumerate() {
            self.raw(if place == 0 { "{\"" } else { ",\"" });
            self.raw(key);
            self.raw("\":");
            self.text(text);
        }
        self.raw("}");
    }

    fn kind(&mut self, name: &str, kind: &GroupVersionKind) {
        self.triple(name, [("group", &kind.group), ("version", &kind.version), ("kind", &kind.kind)]);
    }

    fn resource(&mut self, name: &str, of: &Resource) {
        self.triple(name, [("group", &of.group), ("version", &of.version), ("resource", &of.plural)]);
    }

    fn texts(&mut self, texts: &[String]) {
        self.raw("[");
        for (place, text) in texts.iter().enumerate() {
            if place > 0 {
                self.raw(",");
            }
            self.text(text);
        }
        self.raw("]");
    }

    fn user(&mut self, user: &User) {
        self.raw("{");
        let start = self.0.len();
        self.unless_empty("username", &user.name);
        self.unless_empty("uid", &user.uid);
        if !user.groups.is_empty() {
            self.field("groups");
            self.texts(&user.groups);
        }
        if !user.extra.is_empty() {
            self.field("extra");
            for (place, (key, values)) in user.extra.iter().enumerate() {
                self.raw(if place == 0 { "{" } else { "," });
                self.text(key);
                self.raw(":");
                self.texts(values);
            }
            self.raw("}");
        }
        // The first field has no comma before it.
        if self.0.get(start) == Some(&b',') {
            self.0.remove(start);
        }
        self.raw("}");
    }

    fn options(&mut self, options: &Value) {
        if options.is_null() {
            return self.raw("null");
        }
        let known = OPTIONS.iter().filter_map(|name| Some((*name, options.get(name)?)));
        for (place, (name, value)) in known.enumerate() {
            self.raw(if place == 0 { "{\"" } else { ",\"" });
            self.raw(name);
            self.raw("\":");
            match name {
                "preconditions" => self.preconditions(value),
                _ => json::write_value(&mut self.0, value),
            }
        }
        self.raw("}");
    }

    fn preconditions(&mut self, of: &Value) {
        let known = ["uid", "resourceVersion"].into_iter().filter_map(|name| Some((name, of.get(name)?)));
        self.raw("{");
        for (place, (name, value)) in known.enumerate() {
            self.raw(if place == 0 { "\"" } else { ",\"" });
            self.raw(name);
            self.raw("\":");
            json::write_value(&mut self.0, value);
        }
        self.raw("}");
    }
}
