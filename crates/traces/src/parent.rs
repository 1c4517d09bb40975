//! `Parent`: the position of a span in the trace of all programs, and its text in the headers of W3C Trace Context.

use crate::ids::{SpanId, TraceId};
use std::sync::Arc;

pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const TRACESTATE: &str = "tracestate";
pub(crate) const BAGGAGE: &str = "baggage";

/// The longest `tracestate` that is kept; the recommendation asks for at least 512 characters.
const STATE_BYTES_MAX: usize = 2048;
const STATE_MEMBERS_MAX: usize = 32;
const BAGGAGE_BYTES_MAX: usize = 8192;

/// A place in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) is_sampled: bool,
    /// Whether another program's span is meant.
    pub(crate) is_remote: bool,
    /// The state of tracing systems on the way; passed on as it is.
    pub(crate) state: Option<Arc<str>>,
}

impl Parent {
    /// The span of the client in these headers; none without them, or if they are malformed.
    pub fn of<'h>(header: impl Fn(&'static str) -> Option<&'h str>) -> Option<Parent> {
        let parent = Parent::parse(header(TRACEPARENT)?)?;
        Some(Parent { state: header(TRACESTATE).filter(|text| is_state(text)).map(Arc::from), ..parent })
    }

    /// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`. Later versions may have more behind it.
    fn parse(text: &str) -> Option<Parent> {
        let mut parts = text.splitn(5, '-');
        let [version] = hex::<1>(parts.next()?)?;
        let trace_id = hex(parts.next()?)?;
        let span_id = hex(parts.next()?)?;
        let [flags] = hex::<1>(parts.next()?)?;
        let is_known = match version {
            0 => parts.next().is_none() && flags <= 2,
            version => version < 255,
        };
        let is_valid = is_known && trace_id != TraceId::default() && span_id != SpanId::default();
        let is_sampled = flags & 1 == 1;
        is_valid.then_some(Parent { trace_id, span_id, is_sampled, is_remote: true, state: None })
    }

    /// The text of `traceparent`.
    pub(crate) fn text(&self) -> String {
        let trace = u128::from_be_bytes(self.trace_id);
        let span = u64::from_be_bytes(self.span_id);
        format!("00-{trace:032x}-{span:016x}-{:02x}", u8::from(self.is_sampled))
    }
}

/// Lower-case digits alone.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (place, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *place = digit(high)? << 4 | digit(low)?;
    }
    Some(out)
}

/// A list of `key=value` that may be passed on.
fn is_state(text: &str) -> bool {
    let is_member = |member: &str| {
        let member = member.trim_matches([' ', '\t']);
        member.is_empty() || member.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value))
    };
    let is_short = text.len() <= STATE_BYTES_MAX && text.split(',').count() <= STATE_MEMBERS_MAX;
    is_short && !text.is_empty() && text.split(',').all(is_member)
}

fn is_key(key: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
    (1..=256).contains(&key.len()) && key.bytes().all(fits)
}

fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=')
}

/// Baggage that may be passed on.
pub(crate) fn baggage(text: &str) -> Option<Arc<str>> {
    let fits = !text.is_empty() && text.len() <= BAGGAGE_BYTES_MAX;
    (fits && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_parent_is_read_and_written() {
        let parent = Parent::parse(USUAL).unwrap();
        assert!(parent.is_sampled && parent.is_remote);
        assert_eq!(parent.text(), USUAL);
        let not = USUAL.replace("-01", "-00");
        assert!(!Parent::parse(&not).unwrap().is_sampled);
        // Versions to come may say more.
        let later = USUAL.replace("00-4bf", "cc-4bf") + "-what-is-new";
        assert_eq!(Parent::parse(&later), Some(parent));
    }

    #[test]
    fn what_is_no_parent_is_none() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Parent::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_state_goes_with_its_parent() {
        let state = |text: &'static str| {
            let header = |name: &'static str| Some(if name == TRACEPARENT { USUAL } else { text });
            Parent::of(header).unwrap().state
        };
        assert_eq!(state("rojo=00f067,congo=t61r").as_deref(), Some("rojo=00f067,congo=t61r"));
        for text in ["", "rojo", "Rojo=1", "rojo=a=b", "rojo=\u{e9}"] {
            assert_eq!(state(text), None, "{text}");
        }
    }
}
