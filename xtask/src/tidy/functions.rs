//! Sizes of functions: one that does not fit on a screen does more than one thing.

use std::path::Path;

const LINES_MAX: usize = 70;

pub fn check(path: &Path, text: &str) -> Vec<String> {
    if is_test(path) {
        return Vec::new();
    }
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let long = functions(code).into_iter().filter(|(_, lines)| *lines > LINES_MAX);
    long.map(|(name, lines)| format!("fn {name} has {lines} lines, more than {LINES_MAX}")).collect()
}

/// Tests are tables of cases.
fn is_test(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.starts_with("tests")
        || path.components().any(|part| part.as_os_str() == "tests")
        || name.ends_with("tests.rs")
}

/// Names and lines of functions, told by their indentation.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = lines.iter().skip(start).position(|line| line.strip_prefix(indent) == Some("}"));
        let next = lines.iter().skip(start + 1).position(|line| name_at(line, indent));
        if let Some(end) = end.filter(|end| next.is_none_or(|next| *end <= next)) {
            found.push((name, end + 1));
        }
    }
    found
}

fn name_at(line: &str, indent: &str) -> bool {
    line.starts_with(indent) && !line[indent.len()..].starts_with(' ') && name(line).is_some()
}

/// The name of the function that begins on a line.
fn name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    for word in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let end = rest.strip_prefix("fn ")?.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    rest.get(3..3 + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_functions_are_named() {
        let body = "    step();\n".repeat(LINES_MAX - 1);
        let text = format!("fn short() {{}}\n\npub async fn long(a: u8) {{\n{body}}}\n\nfn next() {{\n}}\n");
        assert_eq!(functions(&text), [("long", LINES_MAX + 1), ("next", 2)]);
        let complaints = check(Path::new("crates/a/src/b.rs"), &text);
        assert_eq!(complaints, [format!("fn long has {} lines, more than {LINES_MAX}", LINES_MAX + 1)]);
        assert!(check(Path::new("crates/a/src/tests.rs"), &text).is_empty());
    }
}
