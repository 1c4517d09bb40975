//! Content negotiation: the formats and representations that a client accepts, against those that an endpoint offers.

use crate::accept::{Clause, clauses};
use crate::request::Request;
use hyper::header;
use pintle_engine::ObjectRef;
pub use pintle_object::Format;
use pintle_object::{Details, Reason, Status};

/// The representation of an object that a client asks for: whole, as a table, or its metadata only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptedView {
    Object,
    Table,
    Partial,
    PartialList,
}

/// The form that a client and we agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    pub format: Format,
    pub view: AcceptedView,
    /// `v1` or `v1beta1` of meta.k8s.io, for a view that is not the object.
    pub version: &'static str,
    pub pretty: bool,
}

impl Accept {
    pub fn plain(format: Format) -> Accept {
        Accept { format, view: AcceptedView::Object, version: "v1", pretty: false }
    }

    /// The same format for a Status or another object that has no other view.
    pub fn of_status(self) -> Accept {
        Accept { pretty: self.pretty, ..Accept::plain(self.format) }
    }
}

/// The representations that an endpoint offers besides JSON and YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Whether its objects are offered in protobuf. Otherwise protobuf is accepted for their metadata only.
    pub protobuf: bool,
    /// Their metadata alone.
    pub partial: bool,
    pub table: bool,
}

impl Offer {
    /// Of a Status and of discovery.
    pub const PLAIN: Offer = Offer { protobuf: true, partial: false, table: false };

    pub fn of(target: &ObjectRef<'_>) -> Offer {
        let served = target.served;
        Offer {
            protobuf: served.is_typed(),
            partial: true,
            table: served.resource.has_table(target.subresource),
        }
    }
}

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The media types that routes produce: they decide which requests a route takes, and are listed in its 406.
pub const OBJECTS: &[&str] = &[JSON, YAML, PROTOBUF];
pub const EVENTS: &[&str] = &[
    JSON,
    YAML,
    PROTOBUF,
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];
pub const LOG: &[&str] = &["text/plain", JSON, YAML, PROTOBUF];
pub const JSON_ALONE: &[&str] = &[JSON];

/// The format of an answer about a target, negotiated before the request is worked on.
pub fn resource(request: &Request, target: &ObjectRef<'_>) -> Result<Accept, Status> {
    choose(request, Offer::of(target)).ok_or_else(not_accepted)
}

/// The format of a Status or of discovery; none when no accepted type fits.
pub fn plain(request: &Request) -> Option<Accept> {
    choose(request, Offer::PLAIN)
}

/// The format of aggregated discovery, where it is accepted, and whether it is for this server alone (`nopeer`).
pub fn aggregated_discovery(request: &Request) -> Option<(Accept, bool)> {
    const WANTED: [(&str, &str); 3] =
        [("g", "apidiscovery.k8s.io"), ("v", "v2"), ("as", "APIGroupDiscoveryList")];
    let is_wanted = |clause: &&Clause<'_>| {
        WANTED.iter().all(|(name, value)| clause.parameter(name) == Some(*value))
            && clause.parameter("sv").is_none_or(str::is_empty)
    };
    let header = request.header(header::ACCEPT);
    let clauses = clauses(&header);
    let mut chosen = clauses.iter().filter(is_wanted).find_map(|clause| {
        let formats = Format::ALL.into_iter().filter(|format| clause.fits(format.media_type()));
        let format = formats.into_iter().find(|format| can_stream(clause, *format))?;
        let accept = Accept { pretty: clause.parameter("pretty") == Some("1"), ..Accept::plain(format) };
        Some((accept, clause.parameter("profile") == Some("nopeer")))
    })?;
    chosen.0.pretty |= wants_pretty(request);
    Some(chosen)
}

/// Whether a format has the stream that a clause asks for, if it does.
fn can_stream(clause: &Clause<'_>, format: Format) -> bool {
    match clause.parameter("stream").unwrap_or("") {
        "" => true,
        "watch" => format.is_streamed(),
        _ => false,
    }
}

fn choose(request: &Request, offer: Offer) -> Option<Accept> {
    let header = request.header(header::ACCEPT);
    let mut chosen = match header.as_ref() {
        "" | "application/json" => Accept::plain(Format::Json),
        header => clauses(header).iter().find_map(|clause| accept(clause, offer))?,
    };
    chosen.pretty |= wants_pretty(request);
    Some(chosen)
}

/// The first format of an endpoint that a clause fits, with all that the clause says besides.
fn accept(clause: &Clause<'_>, offer: Offer) -> Option<Accept> {
    let formats = Format::ALL.into_iter().filter(|format| clause.fits(format.media_type()));
    formats.into_iter().find_map(|format| accept_in(clause, format, offer))
}

fn accept_in(clause: &Clause<'_>, format: Format, offer: Offer) -> Option<Accept> {
    let parameter = |name: &str| clause.parameter(name).unwrap_or("");
    if !can_stream(clause, format) {
        return None;
    }
    // The version of the server's own kinds, where there are such.
    match parameter("sv") {
        "" => {}
        "v1" if offer.partial => {}
        _ => return None,
    }
    let plain = Accept { pretty: parameter("pretty") == "1", ..Accept::plain(format) };
    if ["as", "g", "v"].iter().all(|name| clause.parameter(name).is_none()) {
        return (format != Format::Protobuf || offer.protobuf).then_some(plain);
    }
    let version = match (parameter("g"), parameter("v")) {
        ("meta.k8s.io", "v1") => "v1",
        ("meta.k8s.io", "v1beta1") => "v1beta1",
        _ => return None,
    };
    let view = match parameter("as") {
        "Table" if offer.table && format != Format::Protobuf => AcceptedView::Table,
        "PartialObjectMetadata" if offer.partial => AcceptedView::Partial,
        "PartialObjectMetadataList" if offer.partial => AcceptedView::PartialList,
        _ => return None,
    };
    Some(Accept { view, version, ..plain })
}

/// The router's own check, which knows names of media types and nothing of their parameters.
pub fn check_route(request: &Request, produced: &[&str]) -> Result<(), Status> {
    let header = request.header(header::ACCEPT);
    let name = |part: &str| part.split(';').next().unwrap_or("").trim_matches(' ').to_string();
    let fits = |part: &str| {
        let name = name(part);
        name == "*/*" || produced.contains(&name.as_str())
    };
    if header.is_empty() || header.split(',').any(fits) {
        return Ok(());
    }
    let message = format!("406: Not Acceptable\n\nAvailable representations: {}", produced.join(", "));
    Err(Status::new(406, Reason::NotAcceptable, message).with_details(Details::default()))
}

/// The router's check of a request's content type, where it takes only some: requests that may come without a body may
/// come without a type.
pub fn check_consumed(request: &Request, consumed: &[&str]) -> Result<(), Status> {
    let header = request.header(header::CONTENT_TYPE);
    let fits = |part: &str| consumed.contains(&part.split(';').next().unwrap_or("").trim_matches(' '));
    let may_lack = matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "DELETE" | "TRACE");
    if (header.is_empty() && may_lack) || header.split(',').any(fits) {
        return Ok(());
    }
    let message = "415: Unsupported Media Type";
    Err(Status::new(415, Reason::UnsupportedMediaType, message).with_details(Details::default()))
}

pub fn not_accepted() -> Status {
    only(OBJECTS)
}

/// The refusal of a watch in a form that has no frames.
pub fn not_streamed() -> Status {
    only(EVENTS.get(OBJECTS.len()..).unwrap_or(EVENTS))
}

fn only(media_types: &[&str]) -> Status {
    let message = format!("only the following media types are accepted: {}", media_types.join(", "));
    Status::new(406, Reason::NotAcceptable, message)
}

/// By the `pretty` parameter, or because a person is likely to read the answer.
fn wants_pretty(request: &Request) -> bool {
    match request.query.text("pretty") {
        "" => {
            let agent = request.user_agent();
            ["curl", "Wget", "Mozilla/5.0"].iter().any(|tool| agent.starts_with(tool))
        }
        value => matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT_IN: Offer = Offer { protobuf: true, partial: true, table: true };
    const CUSTOM: Offer = Offer { protobuf: false, ..BUILT_IN };
    const REVIEW: Offer = Offer { table: false, ..BUILT_IN };

    /// Checks the answer of each kind of endpoint: built-in, custom, without a table, and of a Status.
    fn check(header: &str, expected: [&str; 4]) {
        let shown = |offer| {
            let found = clauses(header).iter().find_map(|clause| accept(clause, offer));
            found.map_or("406".into(), |found| match found.view {
                AcceptedView::Object => format!("{:?}", found.format),
                view => format!("{:?} {view:?} {}", found.format, found.version),
            })
        };
        assert_eq!([BUILT_IN, CUSTOM, REVIEW, Offer::PLAIN].map(shown), expected, "{header}");
    }

    #[test]
    fn endpoints_answer_in_the_best_form_that_they_have() {
        let same = |form| [form; 4];
        check("application/json", same("Json"));
        check("application/yaml", same("Yaml"));
        check("*/*", same("Json"));
        check("application/*", same("Json"));
        check("text/html", same("406"));
        check("application/cbor", same("406"));
        check("application/cbor,application/json", same("Json"));
        check("application/yaml;q=0.5,application/json;q=0.4", same("Yaml"));
        check("application/json;sv=v1", ["Json", "Json", "Json", "406"]);
        check("application/json;sv=v2", same("406"));
        check("application/json;stream=watch", same("Json"));
        check("application/json;stream=other", same("406"));
        check("application/yaml;stream=watch", same("406"));
        check("*/*;stream=watch", same("Json"));
        check("application/vnd.kubernetes.protobuf", ["Protobuf", "406", "Protobuf", "Protobuf"]);
        let first = ["Protobuf", "Json", "Protobuf", "Protobuf"];
        check("application/vnd.kubernetes.protobuf,application/json", first);
        check("application/vnd.kubernetes.protobuf,*/*", first);
        check("application/vnd.kubernetes.protobuf;q=0.1,application/json;q=0.9", same("Json"));
        check(
            "application/vnd.kubernetes.protobuf,application/yaml",
            ["Protobuf", "Yaml", "Protobuf", "Protobuf"],
        );
        check("application/vnd.kubernetes.protobuf;stream=watch,application/json;stream=watch", first);
        check("application/cbor, application/vnd.kubernetes.protobuf, application/json;q=0.8", first);
    }

    #[test]
    fn views_are_had_where_there_are_such() {
        let of_meta = |format: &str, kind: &str, version: &str| {
            format!("application/{format};as={kind};v={version};g=meta.k8s.io")
        };
        check(&of_meta("json", "Table", "v1"), ["Json Table v1", "Json Table v1", "406", "406"]);
        check(
            &of_meta("yaml", "Table", "v1beta1"),
            ["Yaml Table v1beta1", "Yaml Table v1beta1", "406", "406"],
        );
        check(&of_meta("vnd.kubernetes.protobuf", "Table", "v1"), ["406"; 4]);
        // `*` begins with JSON, which every view has.
        check(&of_meta("*", "Table", "v1"), ["Json Table v1", "Json Table v1", "406", "406"]);
        let partial = "Protobuf Partial v1";
        check(
            &of_meta("vnd.kubernetes.protobuf", "PartialObjectMetadata", "v1"),
            [partial, partial, partial, "406"],
        );
        let list = "Json PartialList v1beta1";
        check(&of_meta("json", "PartialObjectMetadataList", "v1beta1"), [list, list, list, "406"]);
        check(&of_meta("json", "Other", "v1"), ["406"; 4]);
        check(&of_meta("json", "Table", "v2"), ["406"; 4]);
        check("application/json;as=Table", ["406"; 4]);
        check("application/json;g=meta.k8s.io", ["406"; 4]);
        // kubectl get
        let tables = [
            of_meta("json", "Table", "v1"),
            of_meta("json", "Table", "v1beta1"),
            String::from("application/json"),
        ];
        check(&tables.join(","), ["Json Table v1", "Json Table v1", "Json", "Json"]);
        // client-go's metadata client
        let metadata = [
            of_meta("vnd.kubernetes.protobuf", "PartialObjectMetadataList", "v1"),
            "application/json".into(),
        ];
        let list = "Protobuf PartialList v1";
        check(&metadata.join(","), [list, list, list, "Json"]);
    }
}
