//! klog's text: `I0131 15:04:05.678901    4711 conn.rs:81] "a message" name="value"`, in UTC.

use crate::line::{Line, Shown};
use pintle_object::field::quote;
use std::fmt::Write as _;
use tracing::Level;

const DAY_SECONDS: u64 = 86_400;

pub fn write(line: &Line, process: u32, out: &mut String) {
    let severity = match line.level {
        Level::ERROR => 'E',
        Level::WARN => 'W',
        Level::INFO | Level::DEBUG | Level::TRACE => 'I',
    };
    let seconds = line.time.as_secs();
    let (month, day) = month_and_day(seconds / DAY_SECONDS);
    let second = seconds % DAY_SECONDS;
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    let micros = line.time.subsec_micros();
    let file = line.file.rsplit('/').next().unwrap_or(line.file);
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "{severity}{month:02}{day:02} {hours:02}:{minutes:02}:{seconds:02}.{micros:06} {process:7} {file}:{}] ",
        line.line
    );
    out.push_str(&quote(&line.message));
    for (name, value) in &line.fields {
        let _ = write!(out, " {name}=");
        match value {
            Shown::Plain(text) => out.push_str(text),
            // The lines of a value are indented, so that none can be taken for a line of the log.
            Shown::Text(text) if text.contains('\n') => {
                out.push_str("<\n");
                text.lines().for_each(|part| {
                    out.push('\t');
                    out.extend(part.chars().filter(|c| !c.is_control() || *c == '\t'));
                    out.push('\n');
                });
                out.push_str(" >");
            }
            Shown::Text(text) => out.push_str(&quote(text)),
        }
    }
    out.push('\n');
}

/// The month and the day of a day since 1970 (Howard Hinnant's `civil_from_days`).
fn month_and_day(days: u64) -> (u64, u64) {
    let of_era = (days + 719_468) % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    (if shifted < 10 { shifted + 3 } else { shifted - 9 }, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn line(message: &str, fields: Vec<(&'static str, Shown)>) -> Line {
        Line {
            level: Level::WARN,
            verbosity: 0,
            time: Duration::new(1_580_306_777, 40_728_000),
            file: "crates/server/src/conn.rs",
            line: 81,
            message: message.into(),
            fields,
        }
    }

    fn check(message: &str, fields: Vec<(&'static str, Shown)>, expected: &str) {
        let mut out = String::new();
        write(&line(message, fields), 4711, &mut out);
        assert_eq!(out, format!("W0129 14:06:17.040728    4711 conn.rs:81] {expected}\n"));
    }

    #[test]
    fn lines_are_those_of_klog() {
        check("a message", vec![], "\"a message\"");
        let fields =
            vec![("text", Shown::Text("a \"b\"\u{1b}".into())), ("number", Shown::Plain("7".into()))];
        check("m", fields, "\"m\" text=\"a \\\"b\\\"\\x1b\" number=7");
        check("m\nI0129 forged", vec![], "\"m\\nI0129 forged\"");
        let fields = vec![("text", Shown::Text("a\nI0129 forged\r".into()))];
        check("m", fields, "\"m\" text=<\n\ta\n\tI0129 forged\n >");
    }

    #[test]
    fn days_have_months() {
        let days = [0, 58, 59, 789, 18_321, 20_786];
        assert_eq!(days.map(month_and_day), [(1, 1), (2, 28), (3, 1), (2, 29), (2, 29), (11, 29)]);
    }
}
