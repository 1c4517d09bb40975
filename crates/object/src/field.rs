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
            Step::Child(name) if has_parent => write!(f, ".{name}"),
            Step::Child(name) => f.write_str(name),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key}]"),
        }
    }
}

/// What is wrong with a field; `reason` gives the word that a Status cause carries.
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

/// The field errors of one object, in the order found.
#[derive(Clone, Debug, Default)]
pub struct FieldErrors {
    errors: Vec<FieldError>,
    /// What is let through, but told.
    warnings: Vec<String>,
}

impl FieldErrors {
    pub fn new() -> FieldErrors {
        FieldErrors::default()
    }

    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    pub fn len(&self) -> usize {
        self.errors.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &FieldError> {
        self.errors.iter()
    }

    pub fn into_vec(self) -> Vec<FieldError> {
        self.errors
    }

    pub fn extend(&mut self, other: FieldErrors) {
        self.errors.extend(other.errors);
        self.warnings.extend(other.warnings);
    }

    /// Something that is wrong, but no reason to refuse the object.
    pub fn warn(&mut self, error: &FieldError) {
        self.warnings.push(error.to_string());
    }

    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    pub fn push(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    /// `path: Required value: detail` (the detail may be empty).
    pub fn required(&mut self, path: &Path<'_>, detail: &str) {
        self.add(ErrorKind::Required, path, None, detail);
    }

    /// `path: Invalid value: <bad>: detail`; text is quoted, numbers are plain, trees are JSON.
    pub fn invalid(&mut self, path: &Path<'_>, bad: impl BadValue, detail: &str) {
        self.add(ErrorKind::Invalid, path, Some(bad.show()), detail);
    }

    pub fn type_invalid(&mut self, path: &Path<'_>, bad: impl BadValue, detail: &str) {
        self.add(ErrorKind::TypeInvalid, path, Some(bad.show()), detail);
    }

    pub fn duplicate(&mut self, path: &Path<'_>, bad: impl BadValue) {
        self.add(ErrorKind::Duplicate, path, Some(bad.show()), "");
    }

    pub fn not_found(&mut self, path: &Path<'_>, bad: impl BadValue) {
        self.add(ErrorKind::NotFound, path, Some(bad.show()), "");
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
        self.add(ErrorKind::NotSupported, path, Some(bad.show()), &detail);
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
        self.add(ErrorKind::TooMany, path, Some(actual.to_string()), &detail);
    }

    fn add(&mut self, kind: ErrorKind, path: &Path<'_>, bad: Option<String>, detail: &str) {
        let mut message = String::from(kind.words());
        for part in [bad.as_deref(), Some(detail).filter(|detail| !detail.is_empty())].into_iter().flatten() {
            message.push_str(": ");
            message.push_str(part);
        }
        self.errors.push(FieldError { kind, field: path.to_string(), message });
    }
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

/// Text that is shown as it stands, for values whose Go form is neither text nor number.
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

/// An approximation of Go's `unicode.IsPrint` for what is not ASCII: controls, separators other than the
/// space, and formatting marks are not printable.
fn is_printable(c: char) -> bool {
    !(c.is_control()
        || (c != ' ' && c.is_whitespace())
        || matches!(c as u32, 0xad | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe000..=0xf8ff | 0xfff9..=0xfffb))
}

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
}
