//! The table, the ratios, and the same as JSON.

use super::measure::Figures;
use super::options::LoadOptions;
use pintle_object::{Map, Value, json};

/// One piece of work, with the figures of each server.
pub struct ReportRow {
    pub work: String,
    pub figures: Vec<Figures>,
}

pub fn print(options: &LoadOptions, rows: &[ReportRow]) -> Result<(), String> {
    println!(
        "{:<14} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}  server",
        "work", "rate/s", "MB/s", "p50 ms", "p99 ms", "CPU s", "us/req", "peak MB"
    );
    for row in rows {
        for (place, figures) in row.figures.iter().enumerate() {
            let server = options.targets.get(place).map_or("", |target| target.url.as_str());
            println!("{:<14} {}  {server} {}", row.work, line(figures), figures.note);
        }
        if let [first, second] = row.figures.as_slice() {
            println!("{:<14} {}", "  ratio", ratios(first, second));
        }
    }
    let Some(file) = &options.json else { return Ok(()) };
    let rows: Vec<Value> = rows.iter().map(|row| as_value(options, row)).collect();
    std::fs::write(file, json::pretty(json::to_string(&Value::from(rows)).as_bytes()))
        .map_err(|error| format!("{}: {error}", file.display()))
}

fn line(figures: &Figures) -> String {
    let shown = |value: Option<f64>, digits: usize| match value {
        Some(value) => format!("{value:>9.digits$}"),
        None => format!("{:>9}", "-"),
    };
    let micros = figures.cpu.map(|cpu| cpu * 1e6 / (figures.requests.max(1)) as f64);
    format!(
        "{:>10.0} {:>9.1} {:>9.2} {:>9.2} {} {} {}",
        figures.rate(),
        figures.bytes as f64 / 1e6 / figures.seconds.max(1e-9),
        figures.percentile(0.5),
        figures.percentile(0.99),
        shown(figures.cpu, 2),
        shown(micros, 1),
        shown(figures.memory.map(|bytes| bytes as f64 / 1e6), 0),
    )
}

/// The figures of the first server in relation to those of the second.
fn ratios(first: &Figures, second: &Figures) -> String {
    let mut parts = vec![format!("rate {:.1}", first.rate() / second.rate().max(1e-9))];
    if let (Some(own), Some(other)) = (first.cpu, second.cpu) {
        let per = |cpu: f64, figures: &Figures| cpu / figures.requests.max(1) as f64;
        parts.push(format!("CPU per request {:.1}", per(other, second) / per(own, first).max(1e-12)));
    }
    if let (Some(own), Some(other)) = (first.memory, second.memory) {
        parts.push(format!("memory {:.1}", other as f64 / own.max(1) as f64));
    }
    parts.join(", ")
}

fn as_value(options: &LoadOptions, row: &ReportRow) -> Value {
    let servers = row.figures.iter().enumerate().map(|(place, figures)| {
        let mut map = Map::new();
        map.insert("server", options.targets.get(place).map_or("", |target| target.url.as_str()));
        map.insert("requests", i64::try_from(figures.requests).unwrap_or(i64::MAX));
        map.insert("bytes", i64::try_from(figures.bytes).unwrap_or(i64::MAX));
        map.insert("microseconds", (figures.seconds * 1e6) as i64);
        map.insert("p50Microseconds", (figures.percentile(0.5) * 1e3) as i64);
        map.insert("p99Microseconds", (figures.percentile(0.99) * 1e3) as i64);
        if !figures.note.is_empty() {
            map.insert("note", figures.note.as_str());
        }
        if let Some(cpu) = figures.cpu {
            map.insert("cpuMicroseconds", (cpu * 1e6) as i64);
        }
        if let Some(memory) = figures.memory {
            map.insert("peakBytes", i64::try_from(memory).unwrap_or(i64::MAX));
        }
        Value::Map(map)
    });
    Value::Map(Map::from_iter([
        ("work", Value::from(row.work.as_str())),
        ("servers", Value::from(servers.collect::<Vec<_>>())),
    ]))
}
