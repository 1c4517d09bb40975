//! JSON as the component's own logger writes it: `{"ts":1580306777040.728,"caller":"src/conn.rs:81","msg":"m","v":0}`.
//! Times are milliseconds since 1970. (`k8s.io/component-base/logs/json`.)

use crate::line::{Line, Shown};
use std::fmt::Write as _;
use tracing::Level;

pub fn write(line: &Line, out: &mut String) {
    let millis = line.time.as_secs_f64() * 1000.0;
    let mut parts = line.file.rsplit('/');
    let name = parts.next().unwrap_or(line.file);
    // Writing to a string does not fail.
    let _ = write!(out, "{{\"ts\":{millis},\"caller\":");
    match parts.next() {
        Some(dir) => string(&format!("{dir}/{name}:{}", line.line), out),
        None => string(&format!("{name}:{}", line.line), out),
    }
    out.push_str(",\"msg\":");
    string(&line.message, out);
    // Errors have no verbosity.
    if line.level != Level::ERROR {
        let _ = write!(out, ",\"v\":{}", line.verbosity);
    }
    for (name, value) in &line.fields {
        out.push(',');
        string(name, out);
        out.push(':');
        match value {
            Shown::Plain(text) if is_json(text) => out.push_str(text),
            Shown::Plain(text) | Shown::Text(text) => string(text, out),
        }
    }
    out.push_str("}\n");
}

/// Whether a number has a form in JSON.
fn is_json(text: &str) -> bool {
    !matches!(text, "NaN" | "inf" | "-inf")
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn lines_are_objects() {
        let line = |level, verbosity, fields| Line {
            level,
            verbosity,
            time: Duration::new(1_580_306_777, 40_500_000),
            file: "crates/server/src/conn.rs",
            line: 81,
            message: "a \"b\"".into(),
            fields,
        };
        let check = |line: &Line, expected: &str| {
            let mut out = String::new();
            write(line, &mut out);
            assert_eq!(out, format!("{{\"ts\":1580306777040.5,\"caller\":\"src/conn.rs:81\",{expected}}}\n"));
        };
        check(&line(Level::INFO, 0, vec![]), "\"msg\":\"a \\\"b\\\"\",\"v\":0");
        let fields = vec![("err", Shown::Text("x\ny".into())), ("n", Shown::Plain("NaN".into()))];
        check(&line(Level::ERROR, 0, fields), "\"msg\":\"a \\\"b\\\"\",\"err\":\"x\\ny\",\"n\":\"NaN\"");
        let fields = vec![("n", Shown::Plain("7".into())), ("is", Shown::Plain("true".into()))];
        check(&line(Level::DEBUG, 3, fields), "\"msg\":\"a \\\"b\\\"\",\"v\":3,\"n\":7,\"is\":true");
    }
}
