//! Which form an answer has: the `Accept` header by upstream's rules.

use crate::request::Request;
use pintle_object::{Details, Reason, Status};

/// An encoding of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Yaml,
    Protobuf,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::Json, Format::Yaml, Format::Protobuf];

    pub fn media_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Yaml => "application/yaml",
            Format::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    fn named(media_type: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.media_type() == media_type)
    }
}

/// What of an object is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Object,
    Table,
    Partial,
    PartialList,
}

/// The form that a client and we agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    pub format: Format,
    pub view: View,
    /// `v1` or `v1beta1` of meta.k8s.io, for a view that is not the object.
    pub version: &'static str,
    pub pretty: bool,
}

impl Accept {
    pub fn plain(format: Format) -> Accept {
        Accept { format, view: View::Object, version: "v1", pretty: false }
    }
}

const REPRESENTATIONS: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// The form of an answer about resources, where tables and partial objects may be asked for.
pub fn resource(request: &Request) -> Result<Accept, Status> {
    check_route(request)?;
    let header = request.header_list("accept");
    let chosen = clauses(&header).iter().find_map(|clause| accept(clause, true));
    let chosen = if header.trim().is_empty() { Some(Accept::plain(Format::Json)) } else { chosen };
    let mut chosen = chosen.ok_or_else(not_accepted)?;
    chosen.pretty |= wants_pretty(request);
    Ok(chosen)
}

/// The form of an answer about anything else: indented JSON when nothing that is asked for fits.
pub fn plain(request: &Request) -> Accept {
    let header = request.header_list("accept");
    let chosen = clauses(&header).iter().find_map(|clause| accept(clause, false));
    let is_refused = chosen.is_none() && !header.trim().is_empty();
    let mut chosen = chosen.unwrap_or(Accept::plain(Format::Json));
    chosen.pretty |= is_refused || wants_pretty(request);
    chosen
}

/// The router's own check, which knows names of media types and nothing of their parameters.
pub fn check_route(request: &Request) -> Result<(), Status> {
    let header = request.header_list("accept");
    let fits = |clause: &Clause<'_>| clause.media_type == "*/*" || Format::named(clause.media_type).is_some();
    if header.trim().is_empty() || clauses(&header).iter().any(fits) {
        return Ok(());
    }
    Err(unavailable(REPRESENTATIONS))
}

/// The refusal of a route that offers other representations than those asked for.
pub fn unavailable(representations: &str) -> Status {
    let message = format!("406: Not Acceptable\n\nAvailable representations: {representations}");
    Status::new(406, Reason::NotAcceptable, message).with_details(Details::default())
}

pub fn not_accepted() -> Status {
    let message = format!("only the following media types are accepted: {REPRESENTATIONS}");
    Status::new(406, Reason::NotAcceptable, message)
}

/// The media types of a header, best first.
pub fn media_types(header: &str) -> Vec<&str> {
    clauses(header).iter().map(|clause| clause.media_type).collect()
}

/// `application/json;as=Table;q=0.5`, taken apart.
struct Clause<'a> {
    media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

/// The clauses of a header, best first; those of equal quality in their order.
fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> =
        header.split(',').filter(|text| !text.trim().is_empty()).map(clause).collect();
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    clauses
}

fn clause(text: &str) -> Clause<'_> {
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or("");
    let mut clause = Clause { media_type, parameters: Vec::new(), quality: 1.0 };
    for (name, value) in parts.map(|part| part.split_once('=').unwrap_or((part, ""))) {
        match name {
            "q" => clause.quality = value.parse().unwrap_or(1.0),
            name => clause.parameters.push((name, value)),
        }
    }
    clause
}

fn accept(clause: &Clause<'_>, allows_views: bool) -> Option<Accept> {
    let format = match clause.media_type {
        "*/*" | "application/*" => Format::Json,
        media_type => Format::named(media_type)?,
    };
    let parameter =
        |name: &str| clause.parameters.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value);
    let pretty = parameter("pretty") == "1";
    let plain = Accept { pretty, ..Accept::plain(format) };
    if parameter("as").is_empty() {
        return Some(plain);
    }
    if !allows_views {
        return None;
    }
    let version = match (parameter("g"), parameter("v")) {
        ("meta.k8s.io", "v1") => "v1",
        ("meta.k8s.io", "v1beta1") => "v1beta1",
        _ => return None,
    };
    let view = match parameter("as") {
        "Table" if format != Format::Protobuf => View::Table,
        "PartialObjectMetadata" => View::Partial,
        "PartialObjectMetadataList" => View::PartialList,
        _ => return None,
    };
    Some(Accept { view, version, ..plain })
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

    fn check(header: &str, expected: Option<(Format, View)>) {
        let found = clauses(header).iter().find_map(|clause| accept(clause, true));
        assert_eq!(found.map(|accept| (accept.format, accept.view)), expected, "{header}");
    }

    #[test]
    fn the_best_clause_that_fits_wins() {
        use Format::*;
        check("application/json", Some((Json, View::Object)));
        check("*/*", Some((Json, View::Object)));
        check("application/yaml;q=0.5,application/json;q=0.4", Some((Yaml, View::Object)));
        check("text/html, application/vnd.kubernetes.protobuf", Some((Protobuf, View::Object)));
        check("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Some((Json, View::Table)));
        check(
            "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json",
            Some((Json, View::Object)),
        );
        check("application/json;as=Table;v=v2;g=meta.k8s.io", None);
        check("application/json;as=Nope;v=v1;g=meta.k8s.io", None);
        check("text/html", None);
    }
}
