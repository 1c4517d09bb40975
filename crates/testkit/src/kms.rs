//! `KmsPlugin`: a KMS v2 plugin at a Unix socket, as clusters run them beside the server. It knows the protocol from its
//! definition alone and shares no code with the server. What it encrypts it keeps to itself and hands out a handle, as
//! a hardware module would.

use crate::background::serve_until;
use crate::grpc::{self, INVALID_ARGUMENT, Reply, UNAVAILABLE, UNIMPLEMENTED};
use bytes::Bytes;
use prost::Message;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::oneshot;

/// A running plugin; it ends when dropped.
pub struct KmsPlugin {
    dir: TempDir,
    state: Arc<Mutex<KmsState>>,
    /// Ends the server.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct KmsState {
    key_id: String,
    health: String,
    /// Answers nothing until it is cleared.
    hangs: bool,
    fails: bool,
    /// Plain text and key by handle.
    sealed: HashMap<Vec<u8>, (Vec<u8>, String)>,
    calls: HashMap<String, usize>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "1")]
    version: String,
    #[prost(string, tag = "2")]
    healthz: String,
    #[prost(string, tag = "3")]
    key_id: String,
}

#[derive(Clone, PartialEq, Message)]
struct Plain {
    #[prost(bytes = "vec", tag = "1")]
    plaintext: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Sealed {
    #[prost(bytes = "vec", tag = "1")]
    ciphertext: Vec<u8>,
    #[prost(string, tag = "2")]
    key_id: String,
    #[prost(btree_map = "string, bytes", tag = "3")]
    annotations: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct OpenSocket {
    #[prost(bytes = "vec", tag = "1")]
    ciphertext: Vec<u8>,
    #[prost(string, tag = "3")]
    key_id: String,
    #[prost(btree_map = "string, bytes", tag = "4")]
    annotations: BTreeMap<String, Vec<u8>>,
}

/// The annotation that each handle has and must be shown with.
const ANNOTATION: &str = "version.kms.example.com";

impl KmsPlugin {
    /// Starts with the key `1`.
    pub fn start() -> KmsPlugin {
        let mut plugin = KmsPlugin::absent();
        plugin.appear();
        plugin
    }

    /// A plugin that does not listen yet.
    pub fn absent() -> KmsPlugin {
        let state = KmsState {
            key_id: String::from("1"),
            health: String::from("ok"),
            hangs: false,
            fails: false,
            sealed: HashMap::new(),
            calls: HashMap::new(),
        };
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        KmsPlugin { dir, state: Arc::new(Mutex::new(state)), stop: None, thread: None }
    }

    /// Begins to listen; earlier encrypted values can still be decrypted.
    pub fn appear(&mut self) {
        let (stop, stopped) = oneshot::channel();
        let (state, path) = (self.state.clone(), self.path());
        let (listening, is_listening) = std::sync::mpsc::channel();
        let serving = async move {
            let listener = UnixListener::bind(path).expect("the socket can be made");
            listening.send(()).expect("the test waits for the socket");
            accept(listener, state).await;
        };
        self.thread = Some(serve_until(stopped, serving));
        self.stop = Some(stop);
        is_listening.recv().expect("the plugin listens");
    }

    /// Ends, with all its connections.
    pub fn vanish(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(self.path());
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("kms.sock")
    }

    /// As configurations name it.
    pub fn endpoint(&self) -> String {
        format!("unix://{}", Path::display(&self.path()))
    }

    /// Encrypts with another key from now on.
    pub fn set_key(&self, key_id: &str) {
        self.state().key_id = key_id.into();
    }

    pub fn set_health(&self, health: &str) {
        self.state().health = health.into();
    }

    /// Leaves questions without an answer.
    pub fn set_hanging(&self, hangs: bool) {
        self.state().hangs = hangs;
    }

    /// Refuses to encrypt and decrypt.
    pub fn set_failing(&self, fails: bool) {
        self.state().fails = fails;
    }

    /// The number of calls of `Status`, `Encrypt` or `Decrypt`.
    pub fn calls(&self, method: &str) -> usize {
        self.state().calls.get(method).copied().unwrap_or(0)
    }

    fn state(&self) -> MutexGuard<'_, KmsState> {
        self.state.lock().expect("no handler panics with the state")
    }
}

impl Drop for KmsPlugin {
    fn drop(&mut self) {
        self.vanish();
    }
}

async fn accept(listener: UnixListener, state: Arc<Mutex<KmsState>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        grpc::serve(stream, move |path, message| answer(path, message, state.clone()));
    }
}

async fn answer(path: String, message: Bytes, state: Arc<Mutex<KmsState>>) -> Reply {
    let method = path.trim_start_matches("/v2.KeyManagementService/");
    while state.lock().expect("no handler panics with the state").hangs {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut state = state.lock().expect("no handler panics with the state");
    *state.calls.entry(method.to_string()).or_default() += 1;
    state.call(method, &message)
}

impl KmsState {
    fn call(&mut self, method: &str, message: &[u8]) -> Reply {
        let malformed = |_| (INVALID_ARGUMENT, "malformed message");
        match method {
            "Status" => Ok(Status {
                version: String::from("v2"),
                healthz: self.health.clone(),
                key_id: self.key_id.clone(),
            }
            .encode_to_vec()),
            "Encrypt" | "Decrypt" if self.fails => Err((UNAVAILABLE, "the module is locked")),
            "Encrypt" => {
                let plain = Plain::decode(message).map_err(malformed)?;
                let handle = format!("handle-{}", self.sealed.len()).into_bytes();
                self.sealed.insert(handle.clone(), (plain.plaintext, self.key_id.clone()));
                let annotations = BTreeMap::from([(String::from(ANNOTATION), b"1".to_vec())]);
                Ok(Sealed { ciphertext: handle, key_id: self.key_id.clone(), annotations }.encode_to_vec())
            }
            "Decrypt" => {
                let open = OpenSocket::decode(message).map_err(malformed)?;
                let found = self.sealed.get(&open.ciphertext).filter(|(_, key_id)| *key_id == open.key_id);
                let (plain, _) = found.ok_or((INVALID_ARGUMENT, "unknown handle"))?;
                if open.annotations.get(ANNOTATION).map(Vec::as_slice) != Some(b"1") {
                    return Err((INVALID_ARGUMENT, "the annotation is missing"));
                }
                Ok(Plain { plaintext: plain.clone() }.encode_to_vec())
            }
            _ => Err((UNIMPLEMENTED, "unknown method")),
        }
    }
}
