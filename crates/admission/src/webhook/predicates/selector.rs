//! Selectors of webhooks, read once.

use pintle_object::Value;
use pintle_object::selector::LabelSelector;

/// Parses the selector of a webhook or policy.
pub fn parsed(selector: Option<&Value>) -> Result<LabelSelector, String> {
    let empty = Value::map();
    let selector = selector.filter(|selector| !selector.is_null()).unwrap_or(&empty);
    LabelSelector::from_value(Some(selector)).map_err(|why| why.to_string())
}
