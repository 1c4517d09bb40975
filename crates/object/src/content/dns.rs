//! DNS labels and subdomains (RFC 1123, RFC 1035), the usual form of object names.

use super::{Messages, is_edged, max_bytes_error, max_len_error, regex_error};

const LABEL_LEN_MAX: usize = 63;
pub(super) const SUBDOMAIN_LEN_MAX: usize = 253;

const LABEL_REGEX: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_REGEX: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";

/// A lowercase RFC 1123 label: `my-name`.
pub fn dns1123_label(text: &str) -> Messages {
    let mut messages = too_long(text, LABEL_LEN_MAX);
    if is_label(text) {
        return messages;
    }
    if is_subdomain(text) {
        messages.push(String::from("must not contain dots"));
        return messages;
    }
    let why = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
               start and end with an alphanumeric character";
    messages.push(regex_error(why, LABEL_REGEX, &["my-name", "123-abc"]));
    messages
}

/// A lowercase RFC 1123 subdomain: `example.com`.
pub fn dns1123_subdomain(text: &str) -> Messages {
    let mut messages = too_long(text, SUBDOMAIN_LEN_MAX);
    messages.extend(subdomain_form(text));
    messages
}

/// As `dns1123_subdomain`, with a message that gives the length in bytes.
pub fn long_name(text: &str) -> Messages {
    let mut messages = Messages::new();
    if text.len() > SUBDOMAIN_LEN_MAX {
        messages.push(max_bytes_error(SUBDOMAIN_LEN_MAX));
    }
    messages.extend(subdomain_form(text));
    messages
}

/// An RFC 1123 subdomain of either case.
pub fn dns1123_subdomain_caseless(text: &str) -> Messages {
    let mut messages = too_long(text, SUBDOMAIN_LEN_MAX);
    if !is_subdomain(&text.to_ascii_lowercase()) {
        let why = "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and \
                   end with an alphanumeric character";
        messages.push(regex_error(why, SUBDOMAIN_REGEX, &["Example.com"]));
    }
    messages
}

/// A lowercase RFC 1123 subdomain whose labels may hold, and start with, an underscore.
pub fn dns1123_subdomain_with_underscore(text: &str) -> Messages {
    let is_valid = |label: &str| {
        let label = label.strip_prefix('_').unwrap_or(label);
        is_edged(label, is_lower_alphanumeric, |b| is_lower_alphanumeric(b) || matches!(b, b'-' | b'_'))
    };
    let mut messages = too_long(text, SUBDOMAIN_LEN_MAX);
    if !text.split('.').all(is_valid) {
        let why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or \
                   '.', and must start and end with an alphanumeric character";
        let regex = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*";
        messages.push(regex_error(why, regex, &["example.com"]));
    }
    messages
}

/// An RFC 1035 label: as an RFC 1123 label, but it starts with a letter.
pub fn dns1035_label(text: &str) -> Messages {
    let mut messages = too_long(text, LABEL_LEN_MAX);
    if !(is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())) {
        let why = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                   alphabetic character, and end with an alphanumeric character";
        messages.push(regex_error(why, "[a-z]([-a-z0-9]*[a-z0-9])?", &["my-name", "abc-123"]));
    }
    messages
}

/// `*.` and an RFC 1123 subdomain.
pub fn wildcard_dns1123_subdomain(text: &str) -> Messages {
    let mut messages = too_long(text, SUBDOMAIN_LEN_MAX);
    if !text.strip_prefix("*.").is_some_and(is_subdomain) {
        let why = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which \
                   must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric \
                   character";
        messages.push(regex_error(why, &format!(r"\*\.{SUBDOMAIN_REGEX}"), &["*.example.com"]));
    }
    messages
}

fn too_long(text: &str, len_max: usize) -> Messages {
    if text.len() > len_max { vec![max_len_error(len_max)] } else { Messages::new() }
}

fn subdomain_form(text: &str) -> Option<String> {
    let why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
               must start and end with an alphanumeric character";
    (!is_subdomain(text)).then(|| regex_error(why, SUBDOMAIN_REGEX, &["example.com"]))
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    is_edged(text, is_lower_alphanumeric, |b| is_lower_alphanumeric(b) || b == b'-')
}

fn is_lower_alphanumeric(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}
