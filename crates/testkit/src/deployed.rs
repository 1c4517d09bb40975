//! A process started as others start kube-apiserver: by that name, with their flags, and nothing of the testkit's.

use crate::client::Client;
use crate::server::{START_MAX, pintle_binary};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A running `kube-apiserver`; it is stopped when dropped.
pub struct Deployed {
    dir: PathBuf,
    port: u16,
    process: Child,
}

impl Deployed {
    /// Starts in `dir`, whose file `home` is the process's home, and waits until `ready` is answered with 200.
    pub fn start(dir: &Path, port: u16, flags: &[String], ready: &str) -> Deployed {
        let log = std::fs::File::create(dir.join("log")).expect("the log can be written");
        let process = kube_apiserver(dir)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log handle can be shared"))
            .stderr(log)
            .spawn()
            .expect("the pintle binary starts");
        let mut deployed = Deployed { dir: dir.into(), port, process };
        deployed.wait(ready);
        deployed
    }

    /// The program's output for `--help`.
    pub fn help(dir: &Path) -> Output {
        kube_apiserver(dir).arg("--help").output().expect("the pintle binary starts")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Whether the process has written to its home.
    pub fn has_home(&self) -> bool {
        self.dir.join("home").exists()
    }

    /// Sends SIGTERM and waits for the end; returns whether the exit was successful.
    pub fn stop(&mut self) -> bool {
        let _ = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status();
        self.process.wait().expect("a started child can be waited for").success()
    }

    fn wait(&mut self, ready: &str) {
        let client = Client::new(self.port, None);
        let end = Instant::now() + START_MAX;
        while client.try_get(ready).is_none_or(|answer| answer.status != 200) {
            let exited = self.process.try_wait().ok().flatten();
            assert!(exited.is_none(), "kube-apiserver ended at start:\n{}", self.log());
            assert!(Instant::now() < end, "kube-apiserver is not ready:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The binary under upstream's name, in an environment that says nothing.
fn kube_apiserver(dir: &Path) -> Command {
    let name = dir.join("kube-apiserver");
    if !name.exists() {
        std::os::unix::fs::symlink(pintle_binary(), &name).expect("the binary can be linked to");
    }
    let mut command = Command::new(name);
    command.env_clear().env("HOME", dir.join("home")).current_dir(dir);
    command
}
