//! The text format of Prometheus, version 0.0.4, with numbers as Go writes them.

use crate::families::Family;
use crate::series::SeriesOf;
use crate::value::{Histogram, QUANTILES, Summary};
use std::fmt::Write as _;

/// Writes a family; nothing when it has no series.
pub fn write(family: &Family, served: &SeriesOf, out: &mut String) {
    match served {
        SeriesOf::Counters(series) => {
            let all = series.all();
            head(family, all.is_empty(), out);
            for (labels, counter) in all {
                line(family, "", (&labels, None), &float(counter.get() as f64), out);
            }
        }
        SeriesOf::Gauges(series) => {
            let all = series.all();
            head(family, all.is_empty(), out);
            for (labels, gauge) in all {
                line(family, "", (&labels, None), &float(gauge.get()), out);
            }
        }
        SeriesOf::Histograms(series) => {
            let all = series.all();
            head(family, all.is_empty(), out);
            all.iter().for_each(|(labels, one)| histogram(family, labels, one, out));
        }
        SeriesOf::Summaries(series) => {
            let all = series.all();
            head(family, all.is_empty(), out);
            all.iter().for_each(|(labels, one)| summary(family, labels, one, out));
        }
    }
}

fn head(family: &Family, is_empty: bool, out: &mut String) {
    if is_empty {
        return;
    }
    let help = family.help().replace('\\', "\\\\").replace('\n', "\\n");
    let (name, kind) = (family.name, family.kind.name());
    // Writing to a string does not fail.
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

fn histogram(family: &Family, labels: &[Box<str>], histogram: &Histogram, out: &mut String) {
    let counts = histogram.cumulative();
    let bounds = family.buckets().chain(Some("+Inf"));
    for (bound, count) in bounds.zip(&counts) {
        line(family, "_bucket", (labels, Some(("le", bound))), &count.to_string(), out);
    }
    line(family, "_sum", (labels, None), &float(histogram.sum()), out);
    line(family, "_count", (labels, None), &counts.last().unwrap_or(&0).to_string(), out);
}

fn summary(family: &Family, labels: &[Box<str>], summary: &Summary, out: &mut String) {
    let (values, sum, count) = summary.read();
    for (quantile, value) in QUANTILES.iter().zip(values) {
        let quantile = float(*quantile);
        line(family, "", (labels, Some(("quantile", quantile.as_str()))), &float(value), out);
    }
    line(family, "_sum", (labels, None), &float(sum), out);
    line(family, "_count", (labels, None), &count.to_string(), out);
}

/// Labels, and one more after them.
type Labels<'a> = (&'a [Box<str>], Option<(&'a str, &'a str)>);

fn line(family: &Family, suffix: &str, (labels, more): Labels<'_>, value: &str, out: &mut String) {
    out.push_str(family.name);
    out.push_str(suffix);
    let mut opening = '{';
    let mut pair = |name: &str, value: &str| {
        out.push(opening);
        opening = ',';
        out.push_str(name);
        out.push_str("=\"");
        escape(value, out);
        out.push('"');
    };
    family.labels().zip(labels).for_each(|(name, value)| pair(name, value));
    if let Some((name, value)) = more {
        pair(name, value);
    }
    if opening == ',' {
        out.push('}');
    }
    out.push(' ');
    out.push_str(value);
    out.push('\n');
}

fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// A number as Go's `strconv.FormatFloat(value, 'g', -1, 64)` writes it: `1e+06`, `0.25`, `+Inf`.
fn float(value: f64) -> String {
    if value.is_nan() {
        return String::from("NaN");
    }
    if value.is_infinite() {
        return String::from(if value > 0.0 { "+Inf" } else { "-Inf" });
    }
    // The shortest digits that say the number, and its exponent.
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // The shortest form has an exponent from a million on.
    if value == 0.0 || (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        let check = |value: f64, expected: &str| assert_eq!(float(value), expected);
        check(0.0, "0");
        check(1.0, "1");
        check(-1.0, "-1");
        check(0.25, "0.25");
        check(0.0001, "0.0001");
        check(0.00001, "1e-05");
        check(999_999.0, "999999");
        check(1_000_000.0, "1e+06");
        check(1_234_567.0, "1.234567e+06");
        check(1.5e-9, "1.5e-09");
        check(1e100, "1e+100");
        check(f64::INFINITY, "+Inf");
        check(f64::NAN, "NaN");
    }
}
