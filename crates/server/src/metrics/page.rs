//! `/metrics` and `/metrics/slis`.

use crate::app::App;
use crate::http_body::TOLD_BYTES_MAX;
use crate::request::Request;
use crate::response::{Body, Response};
use bytes::Bytes;
use hyper::Version;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
pub const PATH: &str = "/metrics";
const INDICATORS: &str = "/metrics/slis";
/// The beginning of a family.
const FAMILY: &str = "# HELP ";
/// Bytes of one family that Prometheus' handler writes at once, at most.
const WRITTEN_BYTES_MAX: usize = 4096;

/// Whether a path is one of metrics.
pub fn is_page(path: &str) -> bool {
    path == PATH || path == INDICATORS
}

/// The answer, when the path is one of metrics.
pub fn answer(app: &App, request: &Request) -> Option<Response> {
    let text = match request.path() {
        PATH => app.metrics.text(&app.engine, app.stages.fairness.as_ref()),
        INDICATORS => app.metrics.indicators().text(),
        _ => return None,
    };
    let chunks = if request.version < Version::HTTP_2 { chunks(&text) } else { Vec::new() };
    let text = Bytes::from(text);
    let body = match chunks.len() {
        0 | 1 => Body::Bytes(text),
        _ => Body::Chunks(chunks.into_iter().map(|(start, end)| text.slice(start..end)).collect()),
    };
    Some(Response { body, ..Response::new(200, CONTENT_TYPE, Bytes::new()) })
}

/// The boundaries of the chunks in which upstream sends a page: each family is written in parts, through the buffer of
/// Go's servers.
fn chunks(text: &str) -> Vec<(usize, usize)> {
    let starts = text.match_indices(FAMILY).map(|(start, _)| start).filter(|start| is_line(text, *start));
    let ends = starts.chain(Some(text.len())).skip(1);
    let (mut chunks, mut sent, mut written) = (Vec::new(), 0, 0);
    for end in ends {
        while written < end {
            let to = end.min(written + WRITTEN_BYTES_MAX);
            while to - sent > TOLD_BYTES_MAX {
                // The buffer goes out when it is full; without anything in it, a write that is longer goes out whole.
                let next = if sent == written { to } else { sent + TOLD_BYTES_MAX };
                chunks.push((sent, next));
                sent = next;
                written = written.max(next);
            }
            written = to;
        }
    }
    if sent < text.len() {
        chunks.push((sent, text.len()));
    }
    chunks
}

/// Whether a line begins at a place.
fn is_line(text: &str, start: usize) -> bool {
    start == 0 || text.as_bytes().get(start - 1) == Some(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_go_out_as_prometheus_writes_them() {
        let family = |len: usize| format!("{FAMILY}{}\n", "x".repeat(len - FAMILY.len() - 1));
        let check = |families: &[usize], expected: &[usize]| {
            let text: String = families.iter().map(|len| family(*len)).collect();
            let found = chunks(&text);
            let sizes: Vec<usize> = found.iter().map(|(start, end)| end - start).collect();
            assert_eq!(sizes, expected, "{families:?}");
            assert!(found.windows(2).all(|pair| pair[0].1 == pair[1].0));
        };
        check(&[], &[]);
        check(&[1000], &[1000]);
        check(&[1000, 1000], &[2000]);
        check(&[1000, 2000], &[2048, 952]);
        check(&[10_000], &[4096, 4096, 1808]);
        check(&[1000, 4000], &[2048, 2952]);
        check(&[1000, 10_000], &[2048, 3048, 4096, 1808]);
    }
}
