//! Selectors of webhooks, read once.

use pintle_object::Value;
use pintle_object::selector::LabelSelector;

/// A selector as it stands in a webhook or policy.
pub fn parsed(selector: Option<&Value>) -> Result<LabelSelector, String> {
    let empty = Value::map();
    let selector = selector.filter(|selector| !selector.is_null()).unwrap_or(&empty);
    LabelSelector::from_value(Some(selector)).map_err(|why| why.to_string())
}
