//! `pintle top`: the users that cost a server most, as a page on the terminal, read from the server's
//! `/debug/pintle/top`.

use crate::flags::Stop;
use pintle_object::{Value, json};
use pintle_outbound::{Client, Kubeconfig, Method};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::time::Duration;

const USAGE: &str = "\
Usage: pintle top [--kubeconfig FILE] [--once]

Shows who costs a running server most: requests, time of its processors, bytes and errors a second by user, user agent,
verb and resource, open watches, and who holds and waits for seats. The kubeconfig is that of $KUBECONFIG, else
pintle-data/admin.kubeconfig; its user must be allowed to read metrics. --once shows one page and ends.
";
const PATH: &str = "/debug/pintle/top";
const KUBECONFIG: &str = "pintle-data/admin.kubeconfig";
const INTERVAL: Duration = Duration::from_secs(2);
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Rows of each table on a page.
const ROWS_MAX: usize = 20;
/// The widest that a name is shown.
const NAME_WIDTH: usize = 36;

struct TopOptions {
    kubeconfig: PathBuf,
    is_once: bool,
}

/// Runs the command of a command line whose first word is `top`.
pub fn run(args: &[String]) -> Result<(), Stop> {
    let options = read(args)?;
    let refused = |why: String| Stop::Refused(format!("pintle: {why}"));
    let Kubeconfig { server, tls, credential } = Kubeconfig::read(&options.kubeconfig).map_err(refused)?;
    let client = Client::new(server, tls, credential).map_err(refused)?.named("pintle-top");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| refused(error.to_string()))?;
    let is_terminal = std::io::stdout().is_terminal();
    loop {
        let page = runtime.block_on(ask(&client)).map_err(refused)?;
        let clear = if is_terminal && !options.is_once { "\x1b[H\x1b[2J" } else { "" };
        let mut out = std::io::stdout().lock();
        if write!(out, "{clear}{}", shown(&page)).and_then(|()| out.flush()).is_err() || options.is_once {
            return Ok(());
        }
        drop(out);
        std::thread::sleep(INTERVAL);
    }
}

fn read(args: &[String]) -> Result<TopOptions, Stop> {
    let kubeconfig = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty());
    let mut options =
        TopOptions { kubeconfig: kubeconfig.map_or_else(|| KUBECONFIG.into(), Into::into), is_once: false };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.split_once('=').unwrap_or((arg, "")) {
            ("--help" | "-h", "") => return Err(Stop::Help(USAGE.into())),
            ("--once", "") => options.is_once = true,
            ("--kubeconfig", "") => {
                options.kubeconfig = rest.next().ok_or_else(|| Stop::Refused(USAGE.into()))?.into();
            }
            ("--kubeconfig", file) => options.kubeconfig = file.into(),
            _ => return Err(Stop::Refused(format!("pintle: unknown argument {arg}\n{USAGE}"))),
        }
    }
    Ok(options)
}

async fn ask(client: &Client) -> Result<Value, String> {
    let answer =
        client.send(Method::GET, PATH, None, ANSWER_MAX).await.map_err(|failure| failure.to_string())?;
    let answer = answer.success().map_err(|failure| failure.to_string())?;
    json::parse(&answer.body).map_err(|error| error.message)
}

/// The page: users, kinds of requests, seats.
fn shown(page: &Value) -> String {
    let mut text = String::from("       now, a second:                               lately:\n");
    let _ = writeln!(text, "{}  {:<NAME_WIDTH$}", heads(), "USER");
    for row in page.list_at(&["users"]).iter().take(ROWS_MAX) {
        let _ = writeln!(text, "{}  {:<NAME_WIDTH$}", cells(row), name(row, "user"));
    }
    let _ = writeln!(text, "\n{}  {:<NAME_WIDTH$} {:<16} {:<28} AGENT", heads(), "USER", "VERB", "RESOURCE");
    for row in page.list_at(&["requests"]).iter().take(ROWS_MAX) {
        let resource = match (name(row, "resource"), name(row, "group")) {
            (resource, group) if group.is_empty() => resource,
            (resource, group) => format!("{resource}.{group}"),
        };
        let (user, verb, agent) = (name(row, "user"), name(row, "verb"), name(row, "userAgent"));
        let _ = writeln!(text, "{}  {user:<NAME_WIDTH$} {verb:<16} {resource:<28} {agent}", cells(row));
    }
    let _ = writeln!(text, "\n{:>8} {:>8}  {:<NAME_WIDTH$} USER", "SEATS", "WAITING", "LEVEL");
    for row in page.list_at(&["seats"]).iter().take(ROWS_MAX) {
        let count = |field: &str| row.int_at(&[field]).unwrap_or(0);
        let (held, waiting) = (count("held"), count("waiting"));
        let (level, user) = (name(row, "level"), name(row, "user"));
        let _ = writeln!(text, "{held:>8} {waiting:>8}  {level:<NAME_WIDTH$} {user}");
    }
    text
}

fn heads() -> String {
    format!(
        "{:>7} {:>6} {:>8} {:>8} {:>9} {:>8} {:>8}",
        "REQ/S", "ERR/S", "CPU %", "MB/S", "REQUESTS", "CPU S", "WATCHES"
    )
}

fn cells(row: &Value) -> String {
    let number = |period: &str, field: &str| match row.at(&[period, field]) {
        Some(Value::Float(number)) => *number,
        Some(other) => other.as_i64().map_or(0.0, |number| number as f64),
        None => 0.0,
    };
    let now = |field: &str| number("now", field);
    format!(
        "{:>7.1} {:>6.1} {:>8.1} {:>8.2} {:>9.0} {:>8.2} {:>8}",
        now("requests"),
        now("errors"),
        now("cpuSeconds") * 100.0,
        now("bytes") / 1e6,
        number("lately", "requests"),
        number("lately", "cpuSeconds"),
        row.int_at(&["watches"]).unwrap_or(0),
    )
}

/// A name cut to its column, without control characters.
fn name(row: &Value, field: &str) -> String {
    let text = row.str_at(&[field]).chars().map(|one| if one.is_control() { '?' } else { one });
    text.take(NAME_WIDTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shown_under_their_heads() {
        let page = json::parse(
            br#"{"users":[{"user":"al\u001bice","now":{"requests":12.25,"errors":0.5,"cpuSeconds":0.5,"bytes":2500000},"lately":{"requests":400,"cpuSeconds":3.5},"watches":7}],"requests":[],"seats":[{"level":"global-default","user":"alice","held":3,"waiting":1}]}"#,
        )
        .unwrap();
        let text = shown(&page);
        assert!(
            text.contains("   12.2    0.5     50.0     2.50       400     3.50        7  al?ice"),
            "{text}"
        );
        assert!(text.contains("       3        1  global-default"), "{text}");
    }

    #[test]
    fn arguments_are_read() {
        let read = |args: &[&str]| read(&args.iter().map(|arg| (*arg).into()).collect::<Vec<_>>());
        let Ok(options) = read(&["--kubeconfig", "a", "--once"]) else { panic!("refused") };
        assert_eq!((options.kubeconfig, options.is_once), (PathBuf::from("a"), true));
        assert!(matches!(read(&["--kubeconfig"]), Err(Stop::Refused(_))));
        assert!(matches!(read(&["nonsense"]), Err(Stop::Refused(_))));
        assert!(matches!(read(&["-h"]), Err(Stop::Help(_))));
    }
}
