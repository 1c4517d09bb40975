//! `Page`: a document that is kept compressed, and its answers.

use crate::accept::clauses;
use crate::encoding;
use crate::request::Request;
use crate::response::{Body, Parts, Response};
use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use hyper::header;
use pintle_object::{Value, json};
use sha2::{Digest as _, Sha512};
use std::io::{Read, Write};
use std::sync::OnceLock;
use std::task::{Context, Poll};

const JSON: &str = "application/json";
/// The number of bytes that a page is unpacked by at a time.
const UNPACKED_BYTES: usize = 32 << 10;
/// The memory of the decompressor until the page is sent: its window and its tables.
const UNPACKING_BYTES: usize = 48 << 10;

/// A JSON document, compressed, and the hash of its content.
pub struct Page {
    gzip: Bytes,
    len: usize,
    pub hash: String,
    /// The same document in protobuf, once it has been requested.
    protobuf: OnceLock<Bytes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageForm {
    Json,
    Protobuf,
}

impl Page {
    pub fn new(document: &Value, hash: String) -> Page {
        let json = json::to_string(document).into_bytes();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(&json).expect("writing to memory does not fail");
        let gzip = encoder.finish().expect("writing to memory does not fail");
        Page { gzip: gzip.into(), len: json.len(), hash, protobuf: OnceLock::new() }
    }

    pub fn answer(&self, request: &Request, content_type: &'static str) -> Response {
        let etag = format!("\"{}\"", self.hash);
        if request.header(header::IF_NONE_MATCH) == etag {
            return empty(304).with("etag", etag);
        }
        let is_gzip =
            request.path() == V2 && encoding::takes_gzip(&request.header_list(header::ACCEPT_ENCODING));
        let response = if is_gzip && self.len >= crate::encoding::GZIP_BYTES_MIN {
            Response::new(200, content_type, self.gzip.clone()).with("content-encoding", "gzip")
        } else {
            let body = Body::Stream(Box::new(self.unpacked()));
            Response { body, ..Response::new(200, content_type, Bytes::new()) }
        };
        response.with("etag", etag)
    }

    pub fn answer_in(
        &self,
        form: PageForm,
        request: &Request,
        protobuf: &'static str,
        encode: impl FnOnce(&Value) -> Vec<u8>,
    ) -> Response {
        if form == PageForm::Json || request.header(header::IF_NONE_MATCH) == format!("\"{}\"", self.hash) {
            return self.answer(request, JSON);
        }
        let body = self.protobuf.get_or_init(|| {
            let document = json::parse(&self.json()).expect("the page was written by us");
            encode(&document).into()
        });
        Response::new(200, protobuf, body.clone()).with("etag", format!("\"{}\"", self.hash))
    }

    pub fn json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(self.len);
        let mut decoder = flate2::read::GzDecoder::new(&self.gzip[..]);
        decoder.read_to_end(&mut json).expect("the page was compressed by us");
        json
    }

    fn unpacked(&self) -> Unpacked {
        Unpacked { decoder: flate2::read::GzDecoder::new(self.gzip.clone().reader()), len: self.len, read: 0 }
    }
}

/// A page that is unpacked while it is sent: it is large, and clients may be slow.
struct Unpacked {
    decoder: flate2::read::GzDecoder<Reader<Bytes>>,
    len: usize,
    read: usize,
}

impl Parts for Unpacked {
    fn poll_part(&mut self, _: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut part = vec![0; UNPACKED_BYTES.min(self.len - self.read)];
        if part.is_empty() {
            return Poll::Ready(None);
        }
        self.decoder.read_exact(&mut part).expect("the page was compressed by us");
        self.read += part.len();
        Poll::Ready(Some(part.into()))
    }

    fn held_bytes(&self) -> usize {
        2 * UNPACKED_BYTES + UNPACKING_BYTES
    }

    fn total_bytes(&self) -> Option<usize> {
        Some(self.len)
    }
}

pub fn hex(hash: Sha512) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect()
}

pub fn location(path: &str, hash: &str) -> String {
    format!("/openapi/v3/{path}?hash={hash}")
}

pub const V2: &str = "/openapi/v2";

/// The first accepted format, in the client's order; JSON without an `Accept` header.
pub fn form(request: &Request, protobuf: &str) -> Option<PageForm> {
    let header = request.header(header::ACCEPT);
    if header.is_empty() {
        return Some(PageForm::Json);
    }
    // Older clients ask with an `@`, which no media type may have.
    let old = protobuf.replace("spec.v2.v1", "spec.v2@v1").replace("spec.v3.v1", "spec.v3@v1");
    clauses(&header).iter().find_map(|clause| match clause {
        clause if clause.fits(JSON) => Some(PageForm::Json),
        clause if clause.fits(protobuf) || clause.fits(&old) => Some(PageForm::Protobuf),
        _ => None,
    })
}

/// An answer without a body, as Go's handlers here give it.
pub fn empty(status: u16) -> Response {
    Response::empty(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_was_put_in() {
        let mut document = Value::map();
        document.set(&["openapi"], "3.0.0");
        let page = Page::new(&document, String::from("AB"));
        assert_eq!(page.json(), br#"{"openapi":"3.0.0"}"#);
    }
}
