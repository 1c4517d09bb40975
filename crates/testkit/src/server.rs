//! A pintle process with a data directory of its own.

use crate::client::Client;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The time for a start before a test gives up; generous, for loaded machines.
pub(crate) const START_MAX: Duration = Duration::from_secs(30);

/// Users of the token file that every test server starts with: token, user, uid, groups.
const TOKENS: &str = "admin-token,admin,u-admin,\"system:masters\"\nalice-token,alice,u-alice,\"dev\"\n\
                      node-token,system:node:node-1,u-node,\"system:nodes\"\n";

/// A running pintle; it is stopped when dropped.
pub struct Server {
    dir: TempDir,
    port: u16,
    flags: Vec<String>,
    /// Commands of a shell before it becomes the server.
    prelude: String,
    process: Option<Child>,
}

impl Server {
    /// Starts with an empty data directory and waits until `/readyz` says ok.
    pub fn start() -> Server {
        Server::with_flags(&[])
    }

    /// The same after a shell has run `prelude`, as a limit on files.
    pub fn with_shell(prelude: &str) -> Server {
        Server::begin(prelude, free_port(), &[])
    }

    pub fn with_flags(flags: &[&str]) -> Server {
        Server::begin("true", free_port(), flags)
    }

    /// At a port that the flags may speak of.
    pub fn on_port(port: u16, flags: &[&str]) -> Server {
        Server::begin("true", port, flags)
    }

    fn begin(prelude: &str, port: u16, flags: &[&str]) -> Server {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        std::fs::write(dir.path().join("tokens.csv"), TOKENS).expect("the token file can be written");
        let flags = flags.iter().map(ToString::to_string).collect();
        let prelude = prelude.into();
        let mut server = Server { dir, port, flags, prelude, process: None };
        server.spawn();
        server
    }

    /// Sets the flags of the next start.
    pub fn set_flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(ToString::to_string).collect();
    }

    /// Starts again on the same data directory and port, after `stop` or `kill`.
    pub fn spawn(&mut self) {
        self.launch();
        self.wait_ready();
    }

    /// Starts, and does not wait until it serves.
    pub fn launch(&mut self) {
        let log = std::fs::File::create(self.dir.path().join("log")).expect("the log can be written");
        let child = Command::new("sh")
            .args(["-c", &format!("{} && exec \"$0\" \"$@\"", self.prelude)])
            .arg(pintle_binary())
            .arg(format!("--data-dir={}", self.data_dir().display()))
            .arg(format!("--secure-port={}", self.port))
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--token-auth-file={}", self.dir.path().join("tokens.csv").display()))
            .args(self.etcd_flags())
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log handle can be shared"))
            .stderr(log)
            .spawn()
            .expect("the pintle binary starts");
        self.process = Some(child);
    }

    /// With `PINTLE_ETCD_SERVERS` every server keeps its objects in that etcd, below a prefix of its own.
    fn etcd_flags(&self) -> Vec<String> {
        let servers = std::env::var("PINTLE_ETCD_SERVERS").unwrap_or_default();
        let is_chosen = self.flags.iter().any(|flag| flag.starts_with("--etcd-servers"));
        if servers.is_empty() || is_chosen {
            return Vec::new();
        }
        let prefix = self.dir.path().file_name().unwrap_or_default().to_string_lossy();
        vec![format!("--etcd-servers={servers}"), format!("--etcd-prefix=/{prefix}")]
    }

    /// Sends SIGTERM and waits for a clean end; returns whether the exit was successful.
    pub fn stop(&mut self) -> bool {
        let Some(mut child) = self.process.take() else { return true };
        let _ = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status();
        child.wait().expect("a started child can be waited for").success()
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Child::id)
    }

    /// Sends a signal, by its name, and waits for nothing.
    pub fn signal(&self, name: &str) {
        let _ = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
    }

    /// Waits until the process ends by itself, or has not within `max`; returns its code.
    pub fn ended_within(&mut self, max: Duration) -> Option<i32> {
        let end = Instant::now() + max;
        let mut child = self.process.take()?;
        while Instant::now() < end {
            if let Ok(Some(status)) = child.try_wait() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.process = Some(child);
        None
    }

    /// Kills the process at once (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The kubeconfig that the server made for its administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.data_dir().join("admin.kubeconfig")
    }

    /// A client with an administrator's token.
    pub fn admin(&self) -> Client {
        Client::new(self.port, Some("admin-token"))
    }

    /// A client with the token of a user without rights.
    pub fn alice(&self) -> Client {
        Client::new(self.port, Some("alice-token"))
    }

    pub fn anonymous(&self) -> Client {
        Client::new(self.port, None)
    }

    /// The log of the process so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// In a thread of its own: the client has a runtime, and the test may run in another.
    fn wait_ready(&mut self) {
        let waited = std::thread::scope(|scope| scope.spawn(|| self.wait()).join());
        if let Err(why) = waited {
            std::panic::resume_unwind(why);
        }
    }

    fn wait(&mut self) {
        let client = self.anonymous();
        let end = Instant::now() + START_MAX;
        while Instant::now() < end {
            if client.try_get("/readyz").is_some_and(|answer| answer.status == 200) {
                return;
            }
            let exited = self.process.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(exited.is_none(), "pintle ended at start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("pintle is not ready after {START_MAX:?}:\n{}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// The pintle binary: `PINTLE_BIN`, or the one that cargo built beside the test.
pub fn pintle_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("PINTLE_BIN") {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().expect("a running test knows its path");
    let binary = test.ancestors().skip(1).map(|dir| dir.join("pintle")).find(|path| path.is_file());
    binary.expect("run `cargo build` first: there is no pintle binary beside this test")
}

/// The real kubectl, when the machine has one.
pub fn kubectl() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths)
        .map(|dir: PathBuf| dir.join("kubectl"))
        .find(|path: &PathBuf| Path::is_file(path))
}
