//! Indexes of an indexed job, as its status and its success policy write them: `0-2,5`.

use pintle_object::Value;
use pintle_object::field::quote;

/// The number of indexes that a text names, or the error in it.
pub fn count(text: &str, completions: i64) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let mut last: Option<i64> = None;
    let mut total = 0;
    for interval in text.split(',') {
        let (first, end) = parse(interval, completions)?;
        if let Some(last) = last.filter(|last| *last >= first) {
            return Err(decreasing(last, first));
        }
        total += end - first + 1;
        last = Some(end);
    }
    Ok(total)
}

/// The first index that both texts name. Intervals that cannot be read are passed over: they have an error of
/// their own.
pub fn overlap(completed: &str, failed: &str, completions: i64) -> Option<i64> {
    let intervals = |text: &str| -> Vec<(i64, i64)> {
        text.split(',').filter_map(|interval| parse(interval, completions).ok()).collect()
    };
    let (completed, failed) = (intervals(completed), intervals(failed));
    let (mut c, mut f) = (completed.iter().peekable(), failed.iter().peekable());
    while let (Some((completed, completed_end)), Some((failed, failed_end))) = (c.peek(), f.peek()) {
        if completed <= failed_end && failed <= completed_end {
            return Some(*completed.max(failed));
        }
        if completed <= failed {
            c.next();
        } else {
            f.next();
        }
    }
    None
}

fn parse(interval: &str, completions: i64) -> Result<(i64, i64), String> {
    let mut limits = interval.split('-');
    let (first, end) = (limits.next().unwrap_or(""), limits.next());
    if limits.next().is_some() {
        let shown = quote(interval);
        return Err(format!(
            "the fragment {shown} violates the requirement that an index interval can have at most two parts separated by '-'"
        ));
    }
    let first = index(first, completions)?;
    let Some(end) = end else { return Ok((first, first)) };
    let end = index(end, completions)?;
    if first >= end { Err(decreasing(first, end)) } else { Ok((first, end)) }
}

fn index(text: &str, completions: i64) -> Result<i64, String> {
    let parsed: Result<i64, _> = text.parse();
    match parsed {
        Err(_) => Err(format!("cannot convert string to integer for index: {}", quote(text))),
        Ok(index) if index >= completions => Err(format!("too large index: {}", quote(text))),
        Ok(index) => Ok(index),
    }
}

fn decreasing(previous: i64, current: i64) -> String {
    format!("non-increasing order, previous: {previous}, current: {current}")
}

pub fn is_indexed(spec: &Value) -> bool {
    spec.str_at(&["completionMode"]) == "Indexed"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_counted_in_order() {
        let cases: [(&str, Result<i64, &str>); 7] = [
            ("", Ok(0)),
            ("0-2,5", Ok(4)),
            ("3-1,9", Err("non-increasing order, previous: 3, current: 1")),
            ("1,1", Err("non-increasing order, previous: 1, current: 1")),
            ("10", Err("too large index: \"10\"")),
            ("x", Err("cannot convert string to integer for index: \"x\"")),
            ("", Ok(0)),
        ];
        for (text, expected) in cases {
            assert_eq!(count(text, 10), expected.map_err(String::from), "{text}");
        }
    }

    #[test]
    fn an_index_cannot_be_both() {
        let cases = [("0-2", "3,4", None), ("0-2,5", "3-6", Some(5)), ("x,1", "1", Some(1))];
        for (completed, failed, expected) in cases {
            assert_eq!(overlap(completed, failed, 10), expected, "{completed} {failed}");
        }
    }
}
