//! `pintle snapshot`: saves, restores and moves all objects, between the embedded store and etcd.

use crate::config::Config;
use crate::encryption::{EncryptionFile, Opened};
use crate::flags;
use crate::flags::Stop;
use pintle_metrics::Registry;
use pintle_store::backend::BackendError;
use pintle_store::transfer::{self, StorePlace, TransferStage};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const USAGE: &str = "\
Usage: pintle snapshot save FILE [flags]
       pintle snapshot restore FILE [flags]
       pintle snapshot migrate etcd|embedded [flags]

save writes all objects to a new file, restore fills an empty store from it, migrate fills the empty etcd or embedded
store from the other. Flags are the server's: objects are in etcd if --etcd-servers is given, else in --data-dir.
A server may go on while save or migrate read its store; what they fill must not be in use. Everything that was
written is read again and compared. Encrypted values stay encrypted as they are; with --encryption-provider-config they
are encrypted anew, by the first provider of their resource.
";

/// The time between two progress reports on stderr: on a terminal, which redraws one line, and elsewhere.
const DRAW_INTERVAL: Duration = Duration::from_millis(100);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
const BAR_WIDTH: usize = 30;

/// The arguments of a copy: source, destination, and encryption.
#[derive(Debug)]
struct Copy {
    from: StorePlace,
    to: StorePlace,
    /// The configuration that values are encrypted with again; without one they stay as they are.
    encryption: Option<EncryptionFile>,
}

/// Runs the command of a command line whose first word is `snapshot`.
pub fn run(args: &[String]) -> Result<(), Stop> {
    let copy = read(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Stop::Refused(format!("pintle: {error}")))?;
    let mut last = Instant::now();
    let is_terminal = std::io::stderr().is_terminal();
    let interval = if is_terminal { DRAW_INTERVAL } else { REPORT_INTERVAL };
    let report = |stage: TransferStage| {
        if last.elapsed() >= interval {
            match is_terminal {
                true => eprint!("\r{} {stage}\x1b[K", bar(stage.percent())),
                false => eprintln!("{stage}"),
            }
            last = Instant::now();
        }
    };
    let copied = runtime.block_on(async {
        let encryption = match &copy.encryption {
            Some(file) => Some(
                file.open(&Registry::default(), "")
                    .await
                    .map_err(|error| BackendError(format!("--encryption-provider-config: {error}")))?,
            ),
            None => None,
        };
        let transformer = encryption.as_ref().map(Opened::transformer);
        transfer::copy(&copy.from, &copy.to, transformer, report).await
    });
    if is_terminal {
        eprint!("\r\x1b[K");
    }
    let (tally, revision) = copied.map_err(|error| Stop::Refused(format!("pintle: {error}")))?;
    eprintln!("copied and verified {tally}, at revision {revision}");
    Ok(())
}

/// `[=====>    ]  55 %`
fn bar(percent: Option<u64>) -> String {
    let percent = percent.unwrap_or(0).min(100);
    let done = usize::try_from(percent).unwrap_or(0) * BAR_WIDTH / 100;
    let head = if done < BAR_WIDTH { ">" } else { "" };
    format!("[{:<BAR_WIDTH$}] {percent:>3} %", "=".repeat(done) + head)
}

fn read(args: &[String]) -> Result<Copy, Stop> {
    let usage = || Stop::Refused(String::from(USAGE));
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        return Err(Stop::Help(String::from(USAGE)));
    }
    let [action, what, rest @ ..] = args else { return Err(usage()) };
    let config = flags::parse(std::iter::once(String::from("pintle")).chain(rest.iter().cloned()))?;
    let file = || StorePlace::File(PathBuf::from(what));
    let copy = |from, to| Copy { from, to, encryption: config.encryption.clone() };
    Ok(match (action.as_str(), what.as_str()) {
        ("save", _) => copy(place(&config), file()),
        ("restore", _) => copy(file(), place(&config)),
        ("migrate", "etcd") => copy(embedded(&config), etcd(&config)?),
        ("migrate", "embedded") => copy(etcd(&config)?, embedded(&config)),
        _ => return Err(usage()),
    })
}

/// The store of a server with these flags.
fn place(config: &Config) -> StorePlace {
    etcd(config).unwrap_or_else(|_| embedded(config))
}

fn embedded(config: &Config) -> StorePlace {
    StorePlace::Embedded(config.data_dir.join("store.db"))
}

fn etcd(config: &Config) -> Result<StorePlace, Stop> {
    let missing = || Stop::Refused(String::from("pintle: --etcd-servers is required for etcd"));
    config.etcd.as_ref().map(|etcd| StorePlace::Etcd(etcd.store.clone())).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let args: Vec<String> = line.split_whitespace().map(String::from).collect();
        let name = |place: &StorePlace| match place {
            StorePlace::Embedded(path) | StorePlace::File(path) => path.display().to_string(),
            StorePlace::Etcd(options) => options.servers.join(","),
        };
        let found = match read(&args) {
            Ok(copy) => format!("{} to {}", name(&copy.from), name(&copy.to)),
            Err(Stop::Help(text) | Stop::Refused(text)) => text,
        };
        assert!(found.starts_with(expected), "{line}: {found}");
    }

    #[test]
    fn a_bar_grows_to_its_end() {
        for (percent, expected) in [
            (None, "[>                             ]   0 %"),
            (Some(50), "[===============>              ]  50 %"),
            (Some(100), "[==============================] 100 %"),
        ] {
            assert_eq!(bar(percent), expected);
        }
    }

    #[test]
    fn the_flags_say_where_objects_are() {
        check("save f --data-dir=/d", "/d/store.db to f");
        check("save f --data-dir=/d --etcd-servers=http://e:1", "http://e:1 to f");
        check("restore f --data-dir=/d", "f to /d/store.db");
        check("migrate etcd --data-dir=/d --etcd-servers=http://e:1", "/d/store.db to http://e:1");
        check("migrate embedded --data-dir=/d --etcd-servers=http://e:1", "http://e:1 to /d/store.db");
        check("migrate embedded --data-dir=/d", "pintle: --etcd-servers");
        check("migrate nowhere --data-dir=/d", "Usage");
        check("save", "Usage");
        check("save --help", "Usage");
    }
}
