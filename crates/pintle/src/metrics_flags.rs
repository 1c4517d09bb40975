//! Flags of metrics.

use crate::flags::FlagValues;
use pintle_metrics::MetricsOptions;
use pintle_object::config_file::{Form, read_unversioned};
use std::collections::HashMap;

/// Reads `--disabled-metrics`, `--allow-metric-labels` and its manifest.
pub fn read(given: &FlagValues) -> Result<MetricsOptions, String> {
    let mut allowed = HashMap::new();
    if let Some(path) = given.path("allow-metric-labels-manifest") {
        let failed = |error: String| format!("failed to read allow list manifest: {error}");
        let text = crate::files::read(&path).map_err(failed)?;
        let document = read_unversioned(&text, &[("allowListMapping", Form::TextMap)]).map_err(failed)?;
        for (key, values) in document.map_at(&["allowListMapping"]).into_iter().flat_map(|map| map.iter()) {
            allow(key, values.as_str().unwrap_or_default(), &mut allowed)?;
        }
    }
    for pair in given.array("allow-metric-labels") {
        let (key, values) = pair.split_once('=').unwrap_or((&pair, ""));
        allow(key, values.trim_matches(['\'', '"']), &mut allowed)?;
    }
    Ok(MetricsOptions { disabled: given.list("disabled-metrics"), allowed })
}

pub(crate) fn allow(
    key: &str,
    values: &str,
    allowed: &mut HashMap<(String, String), Vec<String>>,
) -> Result<(), String> {
    let is_name = |text: &str, more: &[char]| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || more.contains(&c);
        !text.is_empty() && text.chars().all(fits) && !text.starts_with(|c: char| c.is_ascii_digit())
    };
    let (family, label) = key.split_once(',').unwrap_or_default();
    if !is_name(family, &[':']) || !is_name(label, &[]) {
        return Err(String::from(
            "--allow-metric-labels must have a list of kv pair with format `metricName,labelName=labelValue, \
             labelValue,...`",
        ));
    }
    let values = values.split(',').map(|value| value.trim().to_string()).collect();
    allowed.insert((family.into(), label.into()), values);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_allowed_by_family_and_label() {
        let mut allowed = HashMap::new();
        allow("a_total,b", "v1, v2", &mut allowed).unwrap();
        let key = (String::from("a_total"), String::from("b"));
        assert_eq!(allowed.get(&key), Some(&vec![String::from("v1"), String::from("v2")]));
        for wrong in ["a_total", "a_total,", ",b", "1a,b", "a,b:c", "a b,c"] {
            assert!(allow(wrong, "v", &mut allowed).is_err(), "{wrong}");
        }
    }
}
