//! Answers in the accepted format: objects, tables, partial metadata; JSON, YAML, protobuf.

use crate::app::App;
use crate::http_body::TOLD_BYTES_MAX;
use crate::list_body::ListBody;
use crate::negotiate::{Accept, AcceptedView, Format};
use crate::request::Request;
use crate::response::{Body, Response};
use crate::spans;
use bytes::Bytes;
use hyper::Version;
use pintle_engine::{
    Answer, Include, ListForm, ListView, Listing, ObjectRef, ServedResource, TableStyle, UNSTRUCTURED,
};
use pintle_object::{Reason, Status, Value, json, yaml};
use pintle_schema::{Resource, TypeId};
use pintle_store::Object;
use std::sync::Arc;

/// A stored object, from shared bytes where the form allows it.
pub fn stored(
    app: &App,
    request: &Request,
    accept: Accept,
    served: &ServedResource,
    status: u16,
    object: &Object,
) -> Result<Response, Status> {
    let engine = &app.engine;
    match (accept.view, accept.format) {
        (AcceptedView::Object, Format::Json) => {
            Ok(json_response(status, accept, engine.json_document(served, object)?))
        }
        (AcceptedView::Object, Format::Protobuf) => {
            let body = engine.protobuf_document(served, object)?;
            Ok(Response::new(status, accept.format.media_type(), body))
        }
        _ => tree(app, request, accept, served, status, &engine.tree(served, object)?),
    }
}

/// The answer to a write: the stored object.
pub fn written(
    app: &App,
    request: &Request,
    accept: Accept,
    target: &ObjectRef<'_>,
    status: u16,
    answer: &Answer,
) -> Result<Response, Status> {
    let served = target.served;
    match answer {
        Answer::Stored(object) => stored(app, request, accept, served, status, object),
        Answer::Tree(object) if target.subresource == "scale" => {
            scale(app, request, accept, target, status, object)
        }
        Answer::Tree(object) => tree(app, request, accept, served, status, object),
    }
}

/// An object as a tree in the served version, with kind and apiVersion.
pub fn tree(
    app: &App,
    request: &Request,
    accept: Accept,
    served: &ServedResource,
    status: u16,
    tree: &Value,
) -> Result<Response, Status> {
    if accept.view == AcceptedView::Table {
        let table = app.engine.object_table(served, tree, style(request)?);
        return Ok(untyped(accept, status, in_version_text(accept, table)));
    }
    let Resource { ty, kind, .. } = &served.resource;
    whole_or_partial(app, accept, served, *ty, &served.go_kind(kind), status, tree)
}

/// A scale, which has a type and columns of its own.
pub fn scale(
    app: &App,
    request: &Request,
    accept: Accept,
    target: &ObjectRef<'_>,
    status: u16,
    scale: &Value,
) -> Result<Response, Status> {
    if accept.view == AcceptedView::Table {
        let table = app.engine.scale_table(target.served, scale, style(request)?);
        return Ok(untyped(accept, status, in_version_text(accept, table)));
    }
    let (ty, _) = target.body_kind();
    let kind = if target.served.is_typed() { "*autoscaling.Scale" } else { "*v1.Scale" };
    whole_or_partial(app, accept, target.served, ty, kind, status, scale)
}

/// An object that has no table, or its metadata. `go_kind` is the type that upstream's refusal names.
pub fn whole_or_partial(
    app: &App,
    accept: Accept,
    served: &ServedResource,
    ty: TypeId,
    go_kind: &str,
    status: u16,
    tree: &Value,
) -> Result<Response, Status> {
    match accept.view {
        AcceptedView::Object | AcceptedView::Table => Ok(typed(app, accept, ty, status, tree)),
        AcceptedView::Partial => {
            let ty = app.engine.meta_type("PartialObjectMetadata");
            Ok(typed(app, accept, ty, status, &in_version(accept, app.engine.partial(served, tree))))
        }
        // A custom resource's type may be a list.
        AcceptedView::PartialList if go_kind == UNSTRUCTURED => {
            Err(Status::new(500, Reason::Unknown, "content is not a list"))
        }
        AcceptedView::PartialList => {
            let message = format!(
                "you requested PartialObjectMetadataList, but the requested object is not a list ({go_kind})"
            );
            Err(Status::new(406, Reason::NotAcceptable, message))
        }
    }
}

/// A list: whole if it is short enough, otherwise its first piece, with the rest to be streamed.
pub async fn list(
    app: &App,
    request: &Request,
    accept: Accept,
    served: &Arc<ServedResource>,
    listing: Listing,
) -> Result<Response, Status> {
    let form = list_form(request, accept, served)?;
    let span = spans::serialize(request, accept);
    let mut pieces = app.engine.list_stream(served.clone(), listing, form).await?;
    let first = pieces.next().transpose()?.unwrap_or_default();
    let is_pretty = accept.pretty && form.format == Format::Json;
    let media_type = form.format.media_type();
    let firsts = if is_pretty { vec![first] } else { as_written(request, &form, first) };
    if !pieces.is_done() {
        let body = Body::List(ListBody::new(firsts, pieces, is_pretty));
        return spans::serialized(
            span,
            Ok(Response { body, ..Response::new(200, media_type, Bytes::new()) }),
        );
    }
    let body = match firsts.as_slice() {
        [whole] if is_pretty => Body::Bytes(json::pretty(whole).into()),
        [whole] => Body::Bytes(whole.clone()),
        _ => Body::Chunks(firsts),
    };
    spans::serialized(span, Ok(Response { body, ..Response::new(200, media_type, Bytes::new()) }))
}

/// The beginning of a list, in chunks as Go's servers send it over HTTP/1.1: upstream writes lists bit by bit, and the
/// part that is buffered at first is the first chunk.
fn as_written(request: &Request, form: &ListForm, mut first: Bytes) -> Vec<Bytes> {
    let is_bit_by_bit = form.format != Format::Yaml && !matches!(form.view, ListView::Table(_));
    if !is_bit_by_bit || request.version >= Version::HTTP_2 || first.len() <= TOLD_BYTES_MAX {
        return vec![first];
    }
    vec![first.split_to(TOLD_BYTES_MAX), first]
}

fn list_form(request: &Request, accept: Accept, served: &ServedResource) -> Result<ListForm, Status> {
    let view = match accept.view {
        AcceptedView::Object => ListView::Object,
        AcceptedView::Table => ListView::Table(style(request)?),
        AcceptedView::PartialList => ListView::Partial,
        AcceptedView::Partial => {
            let kind = served.go_kind(&served.resource.list_kind);
            let message =
                format!("you requested PartialObjectMetadata, but the requested object is a list ({kind})");
            return Err(Status::new(406, Reason::NotAcceptable, message));
        }
    };
    Ok(ListForm { format: accept.format, view, version: accept.version })
}

/// A tree of any built-in kind.
pub fn typed(app: &App, accept: Accept, ty: TypeId, status: u16, tree: &Value) -> Response {
    let media_type = accept.format.media_type();
    match accept.format {
        Format::Json => json_response(status, accept, app.engine.json_line(ty, tree).into()),
        Format::Yaml => Response::new(status, media_type, yaml::to_string(tree)),
        Format::Protobuf => Response::new(status, media_type, app.engine.tree_protobuf(ty, tree)),
    }
}

pub fn style(request: &Request) -> Result<TableStyle, Status> {
    let include = Include::read(&request.query)?;
    Ok(TableStyle { include, has_columns: true, now_seconds: request.now_seconds() })
}

/// JSON text of a kind that has no type in the tables.
fn untyped(accept: Accept, status: u16, mut document: Vec<u8>) -> Response {
    match accept.format {
        Format::Yaml => {
            let tree = json::parse(&document).unwrap_or_default();
            Response::new(status, accept.format.media_type(), yaml::to_string(&tree))
        }
        Format::Json | Format::Protobuf => {
            document.push(b'\n');
            json_response(status, accept, document.into())
        }
    }
}

fn json_response(status: u16, accept: Accept, document: Bytes) -> Response {
    let document = if accept.pretty { Bytes::from(json::pretty(&document)) } else { document };
    Response::new(status, Format::Json.media_type(), document)
}

/// Kinds of meta in the requested version: `v1beta1` differs from `v1` in its name alone.
pub fn in_version(accept: Accept, mut tree: Value) -> Value {
    if accept.version != "v1" {
        let version = format!("meta.k8s.io/{}", accept.version);
        tree.set(&["apiVersion"], version.as_str());
    }
    tree
}

pub fn in_version_text(accept: Accept, document: Vec<u8>) -> Vec<u8> {
    if accept.version == "v1" {
        return document;
    }
    let text = String::from_utf8_lossy(&document);
    let (from, to) =
        ("\"apiVersion\":\"meta.k8s.io/v1\"", format!("\"apiVersion\":\"meta.k8s.io/{}\"", accept.version));
    text.replace(from, &to).into_bytes()
}
