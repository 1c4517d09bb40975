//! An etcd process with a data directory of its own.

use crate::server::free_port;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const START_MAX: Duration = Duration::from_secs(30);

/// Short timeouts: members on one machine hear from each other at once.
const QUICK: [&str; 2] = ["--heartbeat-interval=30", "--election-timeout=300"];

/// Ends etcd with the test, however that ends: the shell waits for the end of its input, which the test holds open.
const KEEPER: &str = r#""$@" & etcd=$!; cat >/dev/null; kill -9 $etcd 2>/dev/null; wait $etcd"#;

/// A running member of an etcd, of one member if nothing else is said; it is stopped when dropped.
pub struct Etcd {
    dir: TempDir,
    binary: PathBuf,
    name: String,
    port: u16,
    /// Answers checks of health in the clear.
    health_port: u16,
    peer: String,
    /// Names and peers of all members.
    cluster: String,
    scheme: &'static str,
    flags: Vec<String>,
    keeper: Option<Child>,
}

impl Etcd {
    /// Starts with an empty data directory; nothing where no etcd is installed.
    pub fn start() -> Option<Etcd> {
        Etcd::with_flags(&[])
    }

    pub fn with_flags(flags: &[&str]) -> Option<Etcd> {
        Etcd::serving("http", flags)
    }

    /// Speaks TLS, with the certificates that the flags name.
    pub fn with_tls(flags: &[&str]) -> Option<Etcd> {
        Etcd::serving("https", flags)
    }

    fn serving(scheme: &'static str, flags: &[&str]) -> Option<Etcd> {
        let mut etcd = Etcd::member("default", scheme, flags)?;
        etcd.cluster = format!("default={}", etcd.peer);
        etcd.spawn();
        Some(etcd)
    }

    /// Starts several members of one cluster.
    pub fn cluster(count: usize) -> Option<Vec<Etcd>> {
        let members: Option<Vec<Etcd>> =
            (0..count).map(|place| Etcd::member(&format!("m{place}"), "http", &QUICK)).collect();
        let mut members = members?;
        let names = members.iter().map(|member| format!("{}={}", member.name, member.peer));
        let cluster = names.collect::<Vec<_>>().join(",");
        for member in &mut members {
            member.cluster.clone_from(&cluster);
            member.launch();
        }
        members.iter().for_each(Etcd::wait);
        Some(members)
    }

    fn member(name: &str, scheme: &'static str, flags: &[&str]) -> Option<Etcd> {
        let Some(binary) = etcd_binary() else {
            eprintln!("there is no etcd on this machine: what needs it is not tested");
            return None;
        };
        Some(Etcd {
            dir: tempfile::tempdir().expect("a temporary directory can be made"),
            binary,
            name: name.into(),
            port: free_port(),
            health_port: free_port(),
            peer: format!("http://127.0.0.1:{}", free_port()),
            cluster: String::new(),
            scheme,
            flags: flags.iter().map(ToString::to_string).collect(),
            keeper: None,
        })
    }

    /// Starts again on the same data directory and ports, after `kill`.
    pub fn spawn(&mut self) {
        self.launch();
        self.wait();
    }

    fn launch(&mut self) {
        let url = self.url();
        let log = std::fs::File::create(self.dir.path().join("log")).expect("the log can be written");
        let child = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(&self.binary)
            .args(["--name", &self.name, "--data-dir"])
            .arg(self.dir.path().join("data"))
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-metrics-urls", &format!("http://127.0.0.1:{}", self.health_port)])
            .args(["--listen-peer-urls", &self.peer, "--initial-advertise-peer-urls", &self.peer])
            .args(["--initial-cluster", &self.cluster, "--log-level", "error"])
            .args(&self.flags)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("the log handle can be shared"))
            .stderr(log)
            .spawn()
            .expect("a shell starts");
        self.keeper = Some(child);
    }

    fn wait(&self) {
        let end = Instant::now() + START_MAX;
        while !self.is_healthy() {
            let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "etcd is not ready after {START_MAX:?}:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the process at once.
    pub fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }

    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// Puts a value at a key, past all API servers. What is put must be text.
    pub fn put(&self, key: &str, value: &str) {
        self.gateway("put", &format!(r#"{{"key":"{}","value":"{}"}}"#, base64(key), base64(value)));
    }

    /// The value at a key in base 64, read past all API servers; none when the key is not there.
    pub fn get(&self, key: &str) -> Option<String> {
        let answer = self.gateway("range", &format!(r#"{{"key":"{}"}}"#, base64(key)));
        let (_, rest) = answer.split_once(r#""value":""#)?;
        rest.split('"').next().map(String::from)
    }

    /// Removes a key, past all API servers.
    pub fn remove(&self, key: &str) {
        self.gateway("deleterange", &format!(r#"{{"key":"{}"}}"#, base64(key)));
    }

    /// Asks the gateway that speaks JSON.
    fn gateway(&self, call: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("etcd takes connections");
        let len = body.len();
        let head = format!(
            "POST /v3/kv/{call} HTTP/1.1\r\nHost: etcd\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).expect("etcd reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("etcd answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }

    fn is_healthy(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.health_port))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.contains(r#""health":"true""#))
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The etcd binary: `ETCD_BIN`, one on the path, or the one that `.ci/etcd` put into the target directory.
pub fn etcd_binary() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("ETCD_BIN") {
        return Some(PathBuf::from(path));
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&paths).map(|dir| dir.join("etcd"));
    let test = std::env::current_exe().unwrap_or_default();
    let beside: Vec<PathBuf> = test.ancestors().skip(1).map(|dir| dir.join("etcd/etcd")).collect();
    on_path.chain(beside).find(|path: &PathBuf| Path::is_file(path))
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |bytes: &[u8]| -> String {
        let number = bytes.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let number = number << (24 - 8 * bytes.len());
        let digits = (0..=bytes.len()).map(|place| DIGITS[(number >> (18 - 6 * place) & 63) as usize]);
        format!("{:=<4}", String::from_utf8_lossy(&digits.collect::<Vec<u8>>()))
    };
    text.as_bytes().chunks(3).map(group).collect()
}
