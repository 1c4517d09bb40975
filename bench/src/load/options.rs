//! The command line of the load generator.

use std::path::PathBuf;
use std::time::Duration;

pub const HELP: &str = "\
usage: pintle-bench [WORK...] --server URL [options]

Work, all down to list-paged when none is named:
  create          ConfigMaps, 100 in flight
  update          whole ConfigMaps, 100 in flight
  apply           server-side apply of ConfigMaps, 100 in flight
  get             one small ConfigMap, 20 connections of 5 requests each
  list-json       3,000 ConfigMaps, 4 connections
  list-protobuf   the same in protobuf
  list-gzip       the same in JSON, compressed
  list-paged      the same in pages of 500
  create-secret, update-secret, get-secret
                  create, update and get of Secrets, which are what is encrypted at rest
  create-asked    creates with one mutating and one validating webhook on loopback
  create-beside   creates beside twenty webhooks of each sort that are about other resources
  aggregated-get  one object of a server behind, on loopback, to compare with get
  aggregated-discovery
                  discovery of all groups beside 30 groups of servers behind, of which five hang
  openapi-rebuild one of 500 definitions changed, and the OpenAPI document of version 2 asked for until it tells so
  mixed           a cluster's day: leases, statuses of pods, events, reads and lists, under 105 watches
  watch           --watchers watch all ConfigMaps while they are updated; every watcher is checked to be told of
                  every update, in order and once; rate and latency are those of deliveries
  watch-namespace the same with each watcher in one of 100 namespaces
  watch-node      each watches the pods of a node of its own, as kubelets do, while status is written
  start           starts of --binary on an empty directory and again on the same one
  fill            makes --objects pods of --bytes, and leaves them there
  storm           --clients list --path at once, whole, in JSON; --slow of them read slowly; peak memory with --pid
  storm-protobuf  the same in protobuf
  storm-gzip      the same in JSON, compressed
  storm-tenant    one tenant creates 10,000 ConfigMaps a second, lists --objects of --bytes with --clients, and opens
                  --watchers watches, all at once, while a kubelet and the controller manager write; latencies are
                  theirs
  ready           one start of --binary on --data-dir or --etcd until it is ready: time, CPU time, and memory,
                  also per object when --objects and --bytes tell what is stored

Options:
  --server URL       such as https://127.0.0.1:6443
  --token TOKEN      bearer token
  --pid PID          the server's process, on this host: its CPU time and memory are shown
  --than URL         a second server to compare with; --than-token and --than-pid go with it
  --seconds N        length of each work (default 5)
  --watchers N       watches at a time, up to 20000 (default 1000); 0 shows what the updates alone cost
  --per-connection N watches that share a connection (default 50)
  --updates N        updates a second under the watches (default 1000)
  --objects N        pods to fill with (default 10000)
  --bytes N          stored bytes of each (default 10000)
  --clients N        clients of a storm (default 10)
  --slow N           how many of them read a megabyte a second at most (default 0)
  --path PATH        what a storm lists (default /api/v1/pods)
  --binary FILE      the server to start; --than-binary is compared with it when it gets ready
  --data-dir DIR     the store that it starts on
  --etcd URL         the etcd that it starts on
  --json FILE        writes the figures there too

Certificates of servers are not checked.";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetServer {
    pub url: String,
    pub token: String,
    pub pid: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    pub work: Vec<String>,
    pub targets: Vec<TargetServer>,
    pub length: Duration,
    pub watchers: usize,
    pub per_connection: usize,
    pub updates: u64,
    pub objects: u64,
    pub bytes: u64,
    pub clients: usize,
    pub slow: usize,
    pub path: String,
    /// The server to start, and one to compare it with.
    pub binaries: Vec<PathBuf>,
    pub data_dir: Option<PathBuf>,
    pub etcd: Option<String>,
    pub json: Option<PathBuf>,
}

pub const BY_DEFAULT: [&str; 8] =
    ["create", "update", "apply", "get", "list-json", "list-protobuf", "list-gzip", "list-paged"];
/// Work that is done when it is asked for by name.
const BY_NAME: [&str; 19] = [
    "create-secret",
    "update-secret",
    "get-secret",
    "aggregated-get",
    "aggregated-discovery",
    "openapi-rebuild",
    "create-asked",
    "create-beside",
    "mixed",
    "watch",
    "watch-namespace",
    "watch-node",
    "start",
    "fill",
    "storm",
    "storm-protobuf",
    "storm-gzip",
    "storm-tenant",
    "ready",
];
/// Work that starts the servers that it needs.
const OF_BINARIES: [&str; 2] = ["start", "ready"];

pub fn read(mut args: impl Iterator<Item = String>) -> Result<LoadOptions, String> {
    let mut options = LoadOptions::default();
    let mut targets = [TargetServer::default(), TargetServer::default()];
    while let Some(arg) = args.next() {
        let Some(name) = arg.strip_prefix("--") else {
            options.work.push(arg);
            continue;
        };
        if name == "help" {
            return Err(HELP.into());
        }
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name.to_string(), value.to_string()),
            None => (name.to_string(), args.next().ok_or_else(|| format!("--{name} takes a value"))?),
        };
        options.set(&name, value, &mut targets)?;
    }
    let known = |work: &String| BY_DEFAULT.contains(&work.as_str()) || BY_NAME.contains(&work.as_str());
    if let Some(unknown) = options.work.iter().find(|work| !known(work)) {
        return Err(format!("{unknown:?} is no work\n\n{HELP}"));
    }
    if options.work.is_empty() {
        options.work = BY_DEFAULT.map(String::from).to_vec();
    }
    options.targets = targets.into_iter().filter(|target| !target.url.is_empty()).collect();
    let needs_server = options.work.iter().any(|work| !OF_BINARIES.contains(&work.as_str()));
    if needs_server && options.targets.is_empty() {
        return Err(format!("--server is missing\n\n{HELP}"));
    }
    Ok(options)
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions {
            work: Vec::new(),
            targets: Vec::new(),
            length: Duration::from_secs(5),
            watchers: 1000,
            per_connection: 50,
            updates: 1000,
            objects: 10_000,
            bytes: 10_000,
            clients: 10,
            slow: 0,
            path: String::from("/api/v1/pods"),
            binaries: Vec::new(),
            data_dir: None,
            etcd: None,
            json: None,
        }
    }
}

impl LoadOptions {
    fn set(
        &mut self,
        name: &str,
        value: String,
        [first, second]: &mut [TargetServer; 2],
    ) -> Result<(), String> {
        let number = || value.parse::<u64>().map_err(|_| format!("--{name}: {value:?} is not a number"));
        let process = || u32::try_from(number()?).map_err(|_| format!("--{name} is too large"));
        let count = || Ok::<usize, String>(usize::try_from(number()?).unwrap_or(1));
        match name {
            "server" => first.url = value,
            "token" => first.token = value,
            "pid" => first.pid = Some(process()?),
            "than" => second.url = value,
            "than-token" => second.token = value,
            "than-pid" => second.pid = Some(process()?),
            "seconds" => self.length = Duration::from_secs(number()?.max(1)),
            "watchers" => self.watchers = count()?,
            "per-connection" => self.per_connection = count()?.max(1),
            "updates" => self.updates = number()?.max(1),
            "objects" => self.objects = number()?.max(1),
            "bytes" => self.bytes = number()?,
            "clients" => self.clients = count()?.max(1),
            "slow" => self.slow = count()?,
            "path" => self.path = value,
            "binary" => self.binaries.insert(0, value.into()),
            "than-binary" => self.binaries.push(value.into()),
            "data-dir" => self.data_dir = Some(value.into()),
            "etcd" => self.etcd = Some(value),
            "json" => self.json = Some(value.into()),
            _ => return Err(format!("--{name} is not known\n\n{HELP}")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<LoadOptions, String> {
        read(line.split_whitespace().map(String::from))
    }

    #[test]
    fn servers_and_work_are_read() {
        let options =
            check("get create --server https://a:1 --pid=7 --than https://b:2 --seconds 2").unwrap();
        assert_eq!(options.work, ["get", "create"]);
        assert_eq!(options.targets.len(), 2);
        assert_eq!(options.targets.first().and_then(|target| target.pid), Some(7));
        assert_eq!(check("--server https://a:1").unwrap().work.len(), BY_DEFAULT.len());
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        for line in ["", "dance --server https://a:1", "--server", "--speed 9", "get --server u --pid x"] {
            assert!(check(line).is_err(), "{line}");
        }
    }
}
