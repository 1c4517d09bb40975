//! Any text as a selector of labels and of fields: refused, or matched and read the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pintle_object::{FieldSelector, LabelSelector, Map};

fuzz_target!(|text: &str| {
    if let Ok(selector) = LabelSelector::parse(text) {
        selector.matches(&Map::default());
        assert_eq!(selector.is_everything(), selector.requirements().is_empty());
    }
    if let Ok(selector) = FieldSelector::parse(text) {
        selector.matches(|_| Some(""));
        assert_eq!(selector.is_everything(), selector.terms().is_empty());
    }
});
