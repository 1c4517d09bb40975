//! Rewriting of links and redirects in proxied answers: `apimachinery/pkg/util/proxy/transport.go` upstream.

use crate::html::Rewriter;
use crate::url::{self, Url};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateDecoder, DeflateEncoder, GzDecoder, GzEncoder};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::HeaderMap;
use hyper::body::{Body, Frame};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use pintle_outbound::BoxError;
use std::collections::VecDeque;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

pub type AnswerBody = UnsyncBoxBody<Bytes, BoxError>;

/// The longest page that comes with its length.
const TOLD_BYTES_MAX: usize = 2 << 10;
/// The part of a compressed page that is unpacked at once.
const UNPACK_BYTES: usize = 512;

/// The prefix and the hosts that links are rewritten by.
#[derive(Clone, Debug)]
pub struct Rewriting {
    /// The path under which the client sees the other server.
    pub prefix: String,
    /// The other server's host, and the host that the client asked.
    pub source_host: String,
    pub request_host: String,
    /// The scheme of links to the other server's own host name.
    pub scheme: Option<&'static str>,
}

impl Rewriting {
    /// A link as the client can follow it; none when it cannot be read.
    pub fn link(&self, text: &str) -> Option<String> {
        let mut link = Url::parse(text)?;
        let is_elsewhere =
            !link.host.is_empty() && link.host != self.source_host && link.host != self.request_host;
        if is_elsewhere || !link.path.starts_with('/') {
            return Some(link.to_string());
        }
        if let Some(scheme) = self.scheme {
            link.scheme = scheme.into();
            link.host.clone_from(&self.source_host);
        } else if link.host != self.request_host {
            link.scheme.clear();
            link.host.clear();
        }
        if link.path.starts_with(&self.prefix) {
            return Some(link.to_string());
        }
        let mut path = url::join(&self.prefix, &link.path);
        if link.path.ends_with('/') {
            path.push('/');
        }
        link.path = path;
        Some(link.to_string())
    }

    /// The body of an answer, its links rewritten where it is a page that can be read.
    pub async fn body(self, headers: &mut HeaderMap, body: AnswerBody) -> AnswerBody {
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().map(str::trim) != Some("text/html") {
            return body;
        }
        let packing = match headers.get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
            None | Some(b"") => Packing::None,
            Some(b"gzip") => Packing::Gzip {
                unpack: GzDecoder::new(Vec::new()),
                pack: GzEncoder::new(Vec::new(), Compression::default()),
            },
            Some(b"deflate") => Packing::Deflate {
                unpack: DeflateDecoder::new(Vec::new()),
                pack: DeflateEncoder::new(Vec::new(), Compression::best()),
            },
            Some(_) => return body,
        };
        headers.remove(CONTENT_LENGTH);
        let page = Page {
            body,
            rewriting: self,
            rewriter: Rewriter::default(),
            packing,
            packed: Bytes::new(),
            is_ended: false,
        };
        with_length(headers, page.boxed_unsync()).await
    }
}

/// Adds a `Content-Length` to a short page, as Go's servers do for buffered answers.
async fn with_length(headers: &mut HeaderMap, mut page: AnswerBody) -> AnswerBody {
    let mut read: VecDeque<Bytes> = VecDeque::new();
    let mut len = 0;
    while len <= TOLD_BYTES_MAX {
        match page.frame().await {
            None => {
                headers.insert(CONTENT_LENGTH, len.into());
                let whole: Vec<u8> = read.into_iter().flatten().collect();
                return Full::from(whole).map_err(|never| match never {}).boxed_unsync();
            }
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap_or_default();
                len += data.len();
                read.push_back(data);
            }
            Some(Err(error)) => return Begun { read, page, failed: Some(error) }.boxed_unsync(),
        }
    }
    Begun { read, page, failed: None }.boxed_unsync()
}

/// A page of which something is read already.
struct Begun {
    read: VecDeque<Bytes>,
    page: AnswerBody,
    failed: Option<BoxError>,
}

impl Body for Begun {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        match (this.read.pop_front(), this.failed.take()) {
            (Some(data), failed) => {
                this.failed = failed;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            (None, Some(error)) => Poll::Ready(Some(Err(error))),
            (None, None) => Pin::new(&mut this.page).poll_frame(cx),
        }
    }
}

/// The compression of a page, on its way in and out.
enum Packing {
    None,
    Gzip { unpack: GzDecoder<Vec<u8>>, pack: GzEncoder<Vec<u8>> },
    Deflate { unpack: DeflateDecoder<Vec<u8>>, pack: DeflateEncoder<Vec<u8>> },
}

impl Packing {
    fn unpack(&mut self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Packing::None => Ok(bytes.to_vec()),
            Packing::Gzip { unpack, .. } => {
                unpack.write_all(bytes)?;
                unpack.flush()?;
                Ok(std::mem::take(unpack.get_mut()))
            }
            Packing::Deflate { unpack, .. } => {
                unpack.write_all(bytes)?;
                unpack.flush()?;
                Ok(std::mem::take(unpack.get_mut()))
            }
        }
    }

    fn pack(&mut self, bytes: Vec<u8>, is_end: bool) -> std::io::Result<Vec<u8>> {
        match self {
            Packing::None => Ok(bytes),
            Packing::Gzip { pack, .. } => {
                pack.write_all(&bytes)?;
                if is_end {
                    pack.try_finish()?;
                }
                Ok(std::mem::take(pack.get_mut()))
            }
            Packing::Deflate { pack, .. } => {
                pack.write_all(&bytes)?;
                if is_end {
                    pack.try_finish()?;
                }
                Ok(std::mem::take(pack.get_mut()))
            }
        }
    }
}

/// A page that is rewritten as it is read.
struct Page {
    body: AnswerBody,
    rewriting: Rewriting,
    rewriter: Rewriter,
    packing: Packing,
    /// Read, and not unpacked yet.
    packed: Bytes,
    is_ended: bool,
}

impl Page {
    fn step(&mut self, bytes: &[u8], is_end: bool) -> std::io::Result<Bytes> {
        let plain = self.packing.unpack(bytes)?;
        let link = |text: &str| self.rewriting.link(text);
        let mut changed = self.rewriter.push(&plain, &link);
        if is_end {
            changed.extend(self.rewriter.finish(&link));
        }
        self.packing.pack(changed, is_end).map(Bytes::from)
    }
}

impl Body for Page {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            if !this.packed.is_empty() {
                let now = this.packed.split_to(this.packed.len().min(UNPACK_BYTES));
                match this.step(&now, false) {
                    Ok(bytes) if bytes.is_empty() => continue,
                    Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                    Err(error) => return Poll::Ready(Some(Err(error.into()))),
                }
            }
            if this.is_ended {
                return Poll::Ready(None);
            }
            match std::task::ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    this.packed = data;
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    this.is_ended = true;
                    let last = this.step(&[], true);
                    return Poll::Ready(Some(last.map(Frame::data).map_err(Into::into)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use std::io::Read;

    fn rewriting() -> Rewriting {
        Rewriting {
            prefix: "/p/proxy".into(),
            source_host: "10.0.0.1:80".into(),
            request_host: "api".into(),
            scheme: None,
        }
    }

    #[test]
    fn links_lead_through_the_server() {
        for (link, expected) in [
            ("/abs", "/p/proxy/abs"),
            ("/abs/", "/p/proxy/abs/"),
            ("rel", "rel"),
            ("http://10.0.0.1:80/x?y", "/p/proxy/x?y"),
            ("https://example.com/abs", "https://example.com/abs"),
            ("https://api/x", "https://api/p/proxy/x"),
            ("/p/proxy/x", "/p/proxy/x"),
        ] {
            assert_eq!(rewriting().link(link).as_deref(), Some(expected), "{link}");
        }
    }

    #[tokio::test]
    async fn packed_pages_are_rewritten_too() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(b"<a href=\"/x\">x</a>").unwrap();
        let body =
            Full::new(Bytes::from(packed.finish().unwrap())).map_err(|never| match never {}).boxed_unsync();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let read = rewriting().body(&mut headers, body).await.collect().await.unwrap().to_bytes();
        let mut page = String::new();
        flate2::read::GzDecoder::new(read.as_ref()).read_to_string(&mut page).unwrap();
        assert_eq!(page, "<a href=\"/p/proxy/x\">x</a>");
    }
}
