//! Field paths and field errors, in the form of upstream's `field` package.

use crate::value::Value;
use std::fmt;

/// A path to a field, built on the stack as a walk descends: `spec.containers[0].ports[http]`.
///
/// ```text
/// let spec = Path::root("spec");
/// let containers = spec.child("containers");
/// containers.index(0).child("name").to_string() == "spec.containers[0].name"
/// spec.child("nodeSelector").key("a/b").to_string() == "spec.nodeSelector[a/b]"
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    /// The path of the whole object: prints as nothing.
    Empty,
    Child(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    pub const EMPTY: Path<'static> = Path { parent: None, step: Step::Empty };

    /// A path that starts at `name`; dots in it are kept, so `"metadata.labels"` is a valid start.
    pub const fn root(name: &'a str) -> Path<'a> {
        Path { parent: None, step: Step::Child(name) }
    }

    pub const fn child<'b>(&'b self, name: &'b str) -> Path<'b> {
        Path { parent: Some(self), step: Step::Child(name) }
    }

    pub const fn index<'b>(&'b self, index: usize) -> Path<'b> {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    pub const fn key<'b>(&'b self, key: &'b str) -> Path<'b> {
        Path { parent: Some(self), step: Step::Key(key) }
    }

    /// The text of the path, possibly cut, as errors show it.
    pub fn head(&self) -> String {
        let mut head = Head(String::new());
        // The writer is stopped by the head's end.
        let (Ok(()) | Err(fmt::Error)) = fmt::Write::write_fmt(&mut head, format_args!("{self}"));
        head.0
    }
}

/// The longest path in an error: it repeats in every error below a key, which is as long as its sender likes.
const PATH_BYTES_MAX: usize = crate::field::STRICT_PATH_BYTES_MAX;

/// Takes text until it is long enough.
struct Head(String);

impl fmt::Write for Head {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = PATH_BYTES_MAX.saturating_sub(self.0.len());
        if text.len() <= left {
            self.0.push_str(text);
            return Ok(());
        }
        let end = (0..=left).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.0.push_str(text.get(..end).unwrap_or(""));
        Err(fmt::Error)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut has_parent = false;
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            has_parent = !matches!(parent.step, Step::Empty) || parent.parent.is_some();
        }
        match self.step {
            Step::Empty => Ok(()),
            // Upstream takes a field without a name for an index without one.
            Step::Child("") => f.write_str("[]"),
            Step::Child(name) if has_parent => write!(f, ".{name}"),
            Step::Child(name) => f.write_str(name),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key}]"),
        }
    }
}

/// The fault of a field; `reason` gives the word that a Status cause carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    NotFound,
    Required,
    Duplicate,
    Invalid,
    NotSupported,
    Forbidden,
    TooLong,
    TooMany,
    Internal,
    TypeInvalid,
}

impl ErrorKind {
    pub fn reason(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "FieldValueNotFound",
            ErrorKind::Required => "FieldValueRequired",
            ErrorKind::Duplicate => "FieldValueDuplicate",
            ErrorKind::Invalid => "FieldValueInvalid",
            ErrorKind::NotSupported => "FieldValueNotSupported",
            ErrorKind::Forbidden => "FieldValueForbidden",
            ErrorKind::TooLong => "FieldValueTooLong",
            ErrorKind::TooMany => "FieldValueTooMany",
            ErrorKind::Internal => "InternalError",
            ErrorKind::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    fn words(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "Not found",
            ErrorKind::Required => "Required value",
            ErrorKind::Duplicate => "Duplicate value",
            ErrorKind::Invalid | ErrorKind::TypeInvalid => "Invalid value",
            ErrorKind::NotSupported => "Unsupported value",
            ErrorKind::Forbidden => "Forbidden",
            ErrorKind::TooLong => "Too long",
            ErrorKind::TooMany => "Too many",
            ErrorKind::Internal => "Internal error",
        }
    }
}

/// One wrong field. `message` is everything after the path, already in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    pub kind: ErrorKind,
    pub field: String,
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The number of errors in one answer: more are of no use, and a short body can be wrong in every byte.
pub const ERRORS_MAX: usize = 1000;
/// The bytes of all errors in one answer. Each appears twice, escaped twice, and may show the whole object.
const ERRORS_BYTES_MAX: usize = 256 * 1024;

/// The states of rules that feature gates switch. Checks get them from the collector of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatedRules {
    /// `StrictIPCIDRValidation`: older fields refuse addresses that programs read differently.
    pub has_strict_addresses: bool,
    /// `RelaxedServiceNameValidation`: names of Services may begin with a digit.
    pub has_relaxed_service_names: bool,
}

impl Default for GatedRules {
    /// As the gates are by themselves.
    fn default() -> GatedRules {
        GatedRules { has_strict_addresses: true, has_relaxed_service_names: true }
    }
}

/// The parts of an object in which a check has found nothing, so that no other has to look for the same again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sound {
    /// Its metadata, but for names.
    pub metadata: bool,
    /// The changes of its metadata.
    pub metadata_update: bool,
}

/// The field errors of one object, in the order found; those past the bounds are only counted.
#[derive(Clone, Debug, Default)]
pub struct FieldErrors {
    /// The parts of the object that need no further look.
    pub sound: Sound,
    rules: GatedRules,
    errors: Vec<FieldError>,
    /// Bytes in `errors`.
    bytes: usize,
    omitted: usize,
    /// Warnings about values that are allowed.
    warnings: Vec<String>,
}

impl FieldErrors {
    pub fn new() -> FieldErrors {
        FieldErrors::default()
    }

    /// A collector with these rules.
    pub fn by(rules: GatedRules) -> FieldErrors {
        FieldErrors { rules, ..FieldErrors::default() }
    }

    /// The rules that hold.
    pub fn rules(&self) -> GatedRules {
        self.rules
    }

    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// The number of errors, including those that were not kept.
    pub fn len(&self) -> usize {
        self.errors.len() + self.omitted
    }

    /// The number of errors that were found and not kept.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    pub fn iter(&self) -> impl Iterator<Item = &FieldError> {
        self.errors.iter()
    }

    pub fn into_vec(self) -> Vec<FieldError> {
        self.errors
    }

    pub fn extend(&mut self, other: FieldErrors) {
        self.omitted += other.omitted;
        other.errors.into_iter().for_each(|error| self.push(error));
        other.warnings.into_iter().for_each(|warning| self.push_warning(warning));
    }

    /// Something that is wrong, but no reason to refuse the object.
    pub fn warn(&mut self, error: &FieldError) {
        self.push_warning(error.to_string());
    }

    fn push_warning(&mut self, warning: String) {
        if self.warnings.len() < ERRORS_MAX {
            self.warnings.push(warning);
        }
    }

    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    pub fn push(&mut self, mut error: FieldError) {
        if self.is_full() {
            self.omitted += 1;
            return;
        }
        truncate(&mut error.field, self.bytes_left());
        truncate(&mut error.message, self.bytes_left().saturating_sub(error.field.len()));
        self.bytes += error.field.len() + error.message.len();
        self.errors.push(error);
    }

    /// Whether no further error is listed.
    pub fn is_full(&self) -> bool {
        self.errors.len() >= ERRORS_MAX || self.bytes >= ERRORS_BYTES_MAX
    }

    fn bytes_left(&self) -> usize {
        ERRORS_BYTES_MAX.saturating_sub(self.bytes)
    }

    /// `path: Required value: detail` (the detail may be empty).
    pub fn required(&mut self, path: &Path<'_>, detail: &str) {
        self.add(ErrorKind::Required, path, None, detail);
    }

    /// `path: Invalid value: <bad>: detail`; text is quoted, numbers are plain, trees are JSON.
    pub fn invalid(&mut self, path: &Path<'_>, bad: impl BadValue, detail: &str) {
        self.add(ErrorKind::Invalid, path, Some(&bad), detail);
    }

    pub fn type_invalid(&mut self, path: &Path<'_>, bad: impl BadValue, detail: &str) {
        self.add(ErrorKind::TypeInvalid, path, Some(&bad), detail);
    }

    pub fn duplicate(&mut self, path: &Path<'_>, bad: impl BadValue) {
        self.add(ErrorKind::Duplicate, path, Some(&bad), "");
    }

    pub fn not_found(&mut self, path: &Path<'_>, bad: impl BadValue) {
        self.add(ErrorKind::NotFound, path, Some(&bad), "");
    }

    pub fn forbidden(&mut self, path: &Path<'_>, detail: &str) {
        self.add(ErrorKind::Forbidden, path, None, detail);
    }

    pub fn internal(&mut self, path: &Path<'_>, detail: &str) {
        self.add(ErrorKind::Internal, path, None, detail);
    }

    /// `path: Unsupported value: <bad>: supported values: "A", "B"`; the caller orders `supported`.
    pub fn not_supported(&mut self, path: &Path<'_>, bad: impl BadValue, supported: &[&str]) {
        let quoted: Vec<String> = supported.iter().map(|value| quote(value)).collect();
        let detail = if quoted.is_empty() {
            String::new()
        } else {
            format!("supported values: {}", quoted.join(", "))
        };
        self.add(ErrorKind::NotSupported, path, Some(&bad), &detail);
    }

    /// `path: Too long: may not be more than <max> bytes`.
    pub fn too_long(&mut self, path: &Path<'_>, max: usize) {
        let unit = if max == 1 { "byte" } else { "bytes" };
        self.add(ErrorKind::TooLong, path, None, &format!("may not be more than {max} {unit}"));
    }

    /// `path: Too many: <actual>: must have at most <max> items`.
    pub fn too_many(&mut self, path: &Path<'_>, actual: usize, max: usize) {
        let unit = if max == 1 { "item" } else { "items" };
        let detail = format!("must have at most {max} {unit}");
        self.add(ErrorKind::TooMany, path, Some(&actual), &detail);
    }

    fn add(&mut self, kind: ErrorKind, path: &Path<'_>, bad: Option<&dyn BadValue>, detail: &str) {
        if self.is_full() {
            self.omitted += 1;
            return;
        }
        let (mut message, field) = (String::from(kind.words()), path.head());
        if let Some(bad) = bad {
            let mut shown = bad.show();
            // The value is cut, and not the message about it.
            const SEPARATORS: usize = 4;
            let around = field.len() + message.len() + SEPARATORS + detail.len();
            truncate(&mut shown, self.bytes_left().saturating_sub(around));
            message.push_str(": ");
            message.push_str(&shown);
        }
        if !detail.is_empty() {
            message.push_str(": ");
            message.push_str(detail);
        }
        self.push(FieldError { kind, field, message });
    }
}

/// Cuts a text that is longer than `len_max` bytes, at a character's end.
pub(crate) fn truncate(text: &mut String, len_max: usize) {
    const MARK: &str = "...";
    if text.len() <= len_max {
        return;
    }
    let end = (0..=len_max.saturating_sub(MARK.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text.push_str(MARK);
}

/// A value that an error message shows: text quoted as Go's `%q`, numbers and flags plain, trees as JSON.
pub trait BadValue {
    fn show(&self) -> String;
}

impl BadValue for &str {
    fn show(&self) -> String {
        quote(self)
    }
}

impl BadValue for &String {
    fn show(&self) -> String {
        quote(self)
    }
}

impl BadValue for i64 {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl BadValue for usize {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl BadValue for bool {
    fn show(&self) -> String {
        self.to_string()
    }
}

/// Text that is shown unquoted, for values whose Go form is neither text nor number.
pub struct Shown(pub String);

impl BadValue for Shown {
    fn show(&self) -> String {
        self.0.clone()
    }
}

impl BadValue for &Value {
    fn show(&self) -> String {
        match self {
            Value::Null => String::from("null"),
            Value::Bool(flag) => flag.to_string(),
            Value::Int(int) => int.to_string(),
            Value::Text(text) => quote(text),
            Value::Float(_) | Value::List(_) | Value::Map(_) | Value::Raw(_) => crate::json::to_string(self),
        }
    }
}

/// Go's `%q`: double quotes, with Go's escapes for control characters, quotes and backslashes.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if is_printable(c) => out.push(c),
            c if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

/// Go's `unicode.IsPrint`, approximated outside of ASCII: controls, separators other than the space, and formatting
/// marks are not printable.
pub fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    !(c.is_control()
        || (c != ' ' && c.is_whitespace())
        || matches!(c as u32, 0xad | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe000..=0xf8ff | 0xfff9..=0xfffb))
}

/// The longest path in a message. Keys are as long as their sender likes, and repeat in every path below them.
pub const STRICT_PATH_BYTES_MAX: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_print_as_upstream() {
        let spec = Path::root("spec");
        let containers = spec.child("containers");
        assert_eq!(containers.index(0).child("name").to_string(), "spec.containers[0].name");
        assert_eq!(spec.child("nodeSelector").key("a/b").to_string(), "spec.nodeSelector[a/b]");
        assert_eq!(Path::EMPTY.child("spec").to_string(), "spec");
        assert_eq!(Path::EMPTY.to_string(), "");
        assert_eq!(Path::root("").to_string(), "[]");
    }

    #[test]
    fn messages_read_as_upstream() {
        let mut errors = FieldErrors::new();
        errors.required(&Path::root("metadata.name"), "name or generateName is required");
        errors.not_supported(&Path::root("type"), "x", &["A", "B"]);
        errors.invalid(&Path::root("n"), 5_i64, "must be less");
        errors.duplicate(&Path::root("k"), "a\"b");
        errors.too_many(&Path::root("l"), 5, 3);
        let messages: Vec<String> = errors.iter().map(FieldError::to_string).collect();
        assert_eq!(
            messages,
            [
                "metadata.name: Required value: name or generateName is required",
                "type: Unsupported value: \"x\": supported values: \"A\", \"B\"",
                "n: Invalid value: 5: must be less",
                "k: Duplicate value: \"a\\\"b\"",
                "l: Too many: 5: must have at most 3 items",
            ]
        );
    }

    #[test]
    fn what_one_answer_tells_is_bounded() {
        let mut errors = FieldErrors::new();
        for _ in 0..ERRORS_MAX + 5 {
            errors.required(&Path::root("a"), "");
        }
        assert_eq!((errors.iter().count(), errors.len(), errors.omitted()), (ERRORS_MAX, ERRORS_MAX + 5, 5));

        let mut errors = FieldErrors::new();
        let long = "é".repeat(ERRORS_BYTES_MAX);
        errors.invalid(&Path::root("patch"), &long, "must be short");
        errors.invalid(&Path::root(&long), &long, "must be short");
        let messages: Vec<String> = errors.iter().map(FieldError::to_string).collect();
        assert!(messages.iter().map(String::len).sum::<usize>() <= ERRORS_BYTES_MAX + 100);
        assert!(
            messages[0].starts_with("patch: Invalid value: \"éé")
                && messages[0].ends_with("...: must be short")
        );
    }
}
