//! Rules for the content of names, labels and keys, with upstream's messages.
//!
//! Every check returns the messages of errors, none when the text is valid:
//!
//! ```text
//! label_value("a b") == ["a valid label must be an empty string or consist of ... (e.g. 'MyValue', ...)"]
//! ```

mod dns;
mod identifier;
mod label;
#[cfg(test)]
mod tests;

pub use dns::{
    dns1035_label, dns1123_label, dns1123_subdomain, dns1123_subdomain_caseless,
    dns1123_subdomain_with_underscore, long_name, wildcard_dns1123_subdomain,
};
pub use identifier::{
    c_identifier, condition_reason, config_map_key, env_var_name, http_header_name, path_segment_name,
    path_segment_prefix, percent, port_name, port_number, relaxed_env_var_name,
};
pub use label::{label_key, label_value, labels, prefixed_label_key};

/// Faults of a text, in the order found.
pub type Messages = Vec<String>;

/// `message (e.g. 'a',  or 'b', regex used for validation is '...')`.
pub fn regex_error(message: &str, regex: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{message} (regex used for validation is '{regex}')");
    }
    let shown: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{regex}')", shown.join(" or "))
}

pub fn max_len_error(len_max: usize) -> String {
    format!("must be no more than {len_max} characters")
}

pub fn inclusive_range_error(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

/// Upstream words this limit as bytes for labels and as characters elsewhere; both count bytes.
fn max_bytes_error(len_max: usize) -> String {
    format!("must be no more than {len_max} bytes")
}

/// Whether the text is one or more bytes that `inner` accepts, the first and last of which `edge` accepts.
fn is_edged(text: &str, edge: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    match text.as_bytes() {
        [] => false,
        [only] => edge(*only),
        [first, middle @ .., last] => edge(*first) && edge(*last) && middle.iter().all(|b| inner(*b)),
    }
}
