//! Parts of the text that is parsed.

/// The part of `start` that was read when `rest` is left.
pub fn read_part<'a>(start: &'a str, rest: &str) -> &'a str {
    start.get(..start.len() - rest.len()).unwrap_or(start)
}

pub fn split_first(text: &str) -> Option<(char, &str)> {
    let c = text.chars().next()?;
    Some((c, text.get(c.len_utf8()..).unwrap_or("")))
}
