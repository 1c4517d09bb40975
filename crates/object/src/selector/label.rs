//! `LabelSelector`: requirements on labels, all of which must hold.

use super::{SelectorError, parse};
use crate::content;
use crate::field::{FieldErrors, Path, Shown, quote};
use crate::map::Map;
use crate::value::{Text, Value};
use std::fmt;

/// Requirements sorted by key, all of which must hold; or the selector that matches nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    matches_nothing: bool,
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    pub key: Text,
    pub operator: Operator,
    /// One value for the comparing operators, any number for `In` and `NotIn`, none for existence.
    pub values: Vec<Text>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    In,
    NotIn,
    Equals,
    DoubleEquals,
    NotEquals,
    GreaterThan,
    LessThan,
    Exists,
    DoesNotExist,
}

/// Labels of an object: a slice sorted by key, or a map of texts.
pub trait Labels {
    fn value(&self, key: &str) -> Option<&str>;
}

impl Labels for [(Text, Text)] {
    fn value(&self, key: &str) -> Option<&str> {
        let index = self.binary_search_by(|(probe, _)| probe.as_str().cmp(key)).ok()?;
        self.get(index).map(|(_, value)| value.as_str())
    }
}

impl Labels for Map {
    fn value(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }
}

impl LabelSelector {
    /// Matches every object.
    pub const fn everything() -> LabelSelector {
        LabelSelector { requirements: Vec::new(), matches_nothing: false }
    }

    /// Matches no object: the meaning of an absent `LabelSelector`.
    pub const fn nothing() -> LabelSelector {
        LabelSelector { requirements: Vec::new(), matches_nothing: true }
    }

    /// Reads the text form of query parameters: `app=web,tier in (a,b),!legacy`.
    pub fn parse(text: &str) -> Result<LabelSelector, SelectorError> {
        parse::requirements(text).map(LabelSelector::of)
    }

    /// Exactly these labels, as `spec.selector` of Services and ReplicationControllers means it.
    pub fn from_labels(labels: &Map) -> LabelSelector {
        let equals = |(key, value): (&str, &Value)| Requirement {
            key: Text::from(key),
            operator: Operator::Equals,
            values: vec![Text::from(value.as_str().unwrap_or(""))],
        };
        LabelSelector::of(labels.iter().map(equals).collect())
    }

    /// Reads a `LabelSelector` object (`matchLabels`, `matchExpressions`); absent matches nothing.
    pub fn from_value(selector: Option<&Value>) -> Result<LabelSelector, SelectorError> {
        let Some(selector) = selector.filter(|selector| !selector.is_null()) else {
            return Ok(LabelSelector::nothing());
        };
        let mut requirements = Vec::new();
        for (key, value) in selector.map_at(&["matchLabels"]).into_iter().flat_map(Map::iter) {
            let values = vec![Text::from(value.as_str().unwrap_or(""))];
            requirements.push(Requirement::new(Text::from(key), Operator::Equals, values)?);
        }
        for expression in selector.list_at(&["matchExpressions"]) {
            requirements.push(Requirement::from_expression(expression)?);
        }
        Ok(LabelSelector::of(requirements))
    }

    /// The text that table columns show of a `LabelSelector` object: upstream's `FormatLabelSelector`.
    pub fn format(selector: Option<&Value>) -> String {
        match LabelSelector::from_value(selector).map(|selector| selector.to_string()) {
            Err(_) => String::from("<error>"),
            Ok(text) if text.is_empty() => String::from("<none>"),
            Ok(text) => text,
        }
    }

    pub fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        !self.matches_nothing && self.requirements.iter().all(|requirement| requirement.matches(labels))
    }

    /// Whether it does not restrict anything.
    pub fn is_everything(&self) -> bool {
        !self.matches_nothing && self.requirements.is_empty()
    }

    pub fn is_nothing(&self) -> bool {
        self.matches_nothing
    }

    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    fn of(mut requirements: Vec<Requirement>) -> LabelSelector {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        LabelSelector { requirements, matches_nothing: false }
    }
}

impl Operator {
    fn symbol(self) -> &'static str {
        match self {
            Operator::In => "in",
            Operator::NotIn => "notin",
            Operator::Equals => "=",
            Operator::DoubleEquals => "==",
            Operator::NotEquals => "!=",
            Operator::GreaterThan => ">",
            Operator::LessThan => "<",
            Operator::Exists => "exists",
            Operator::DoesNotExist => "!",
        }
    }
}

impl Requirement {
    /// Checks key and values; the error joins everything that is wrong with them.
    pub fn new(key: Text, operator: Operator, values: Vec<Text>) -> Result<Requirement, SelectorError> {
        let mut errors = FieldErrors::new();
        let wrong = content::label_key(&key).join("; ");
        if !wrong.is_empty() {
            errors.invalid(&Path::root("key"), key.as_str(), &wrong);
        }
        let path = Path::root("values");
        check_operands(operator, &values, &path, &mut errors);
        for (index, value) in values.iter().enumerate() {
            let wrong = content::label_value(value).join("; ");
            if !wrong.is_empty() {
                errors.invalid(&path.index(index).key(&key), value.as_str(), &wrong);
            }
        }
        match joined(&errors) {
            None => Ok(Requirement { key, operator, values }),
            Some(text) => Err(SelectorError(text)),
        }
    }

    fn from_expression(expression: &Value) -> Result<Requirement, SelectorError> {
        let operator = match expression.str_at(&["operator"]) {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => {
                let text = format!("{} is not a valid label selector operator", quote(other));
                return Err(SelectorError(text));
            }
        };
        let values = expression.list_at(&["values"]).iter();
        let values = values.map(|value| Text::from(value.as_str().unwrap_or(""))).collect();
        Requirement::new(Text::from(expression.str_at(&["key"])), operator, values)
    }

    pub fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        let value = labels.value(&self.key);
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => {
                value.is_some_and(|value| self.has_value(value))
            }
            Operator::NotIn | Operator::NotEquals => value.is_none_or(|value| !self.has_value(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => self.compares(value, |label, bound| label > bound),
            Operator::LessThan => self.compares(value, |label, bound| label < bound),
        }
    }

    fn has_value(&self, value: &str) -> bool {
        self.values.iter().any(|known| known == value)
    }

    fn compares(&self, value: Option<&str>, holds: impl Fn(i64, i64) -> bool) -> bool {
        let [bound] = self.values.as_slice() else { return false };
        match (value.and_then(parse_int), parse_int(bound)) {
            (Some(label), Some(bound)) => holds(label, bound),
            _ => false,
        }
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut values: Vec<&str> = self.values.iter().map(Text::as_str).collect();
        values.sort_unstable();
        let (key, symbol, values) = (&self.key, self.operator.symbol(), values.join(","));
        match self.operator {
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::In | Operator::NotIn => write!(f, "{key} {symbol} ({values})"),
            Operator::Equals
            | Operator::DoubleEquals
            | Operator::NotEquals
            | Operator::GreaterThan
            | Operator::LessThan => write!(f, "{key}{symbol}{values}"),
        }
    }
}

fn check_operands(operator: Operator, values: &[Text], path: &Path<'_>, errors: &mut FieldErrors) {
    let (is_valid, why) = match operator {
        Operator::In | Operator::NotIn => {
            (!values.is_empty(), "for 'in', 'notin' operators, values set can't be empty")
        }
        Operator::Equals | Operator::DoubleEquals | Operator::NotEquals => {
            (values.len() == 1, "exact-match compatibility requires one single value")
        }
        Operator::Exists | Operator::DoesNotExist => {
            (values.is_empty(), "values set must be empty for exists and does not exist")
        }
        Operator::GreaterThan | Operator::LessThan => {
            (values.len() == 1, "for 'Gt', 'Lt' operators, exactly one value is required")
        }
    };
    if !is_valid {
        let shown: Vec<String> = values.iter().map(|value| quote(value)).collect();
        errors.invalid(path, Shown(format!("[{}]", shown.join(","))), why);
    }
    if !matches!(operator, Operator::GreaterThan | Operator::LessThan) {
        return;
    }
    for (index, value) in values.iter().enumerate().filter(|(_, value)| parse_int(value).is_none()) {
        let why = "for 'Gt', 'Lt' operators, the value must be an integer";
        errors.invalid(&path.index(index), value.as_str(), why);
    }
}

/// Upstream's aggregate: one error as it is, several in brackets, each once.
fn joined(errors: &FieldErrors) -> Option<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in errors.iter().map(ToString::to_string) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(format!("[{}]", several.join(", "))),
    }
}

/// Go's `strconv.ParseInt(text, 10, 64)`, which accepts the same texts as Rust's parser.
fn parse_int(text: &str) -> Option<i64> {
    text.parse().ok()
}
