//! Everything that a request needs, made once at start.

use crate::aggregation::aggregator::Aggregator;
use crate::answers::Answers;
use crate::authorizers::Access;
use crate::backends::Backends;
use crate::discovery::Discovery;
use crate::heavy::Heavy;
use crate::inflight::Limits;
use crate::leaving::Leaving;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::openapi::OpenApi;
pub(crate) use crate::options::Options;
use crate::request_body::Bodies;
use crate::stages::Stages;
use crate::top::Top;
use pintle_access::Authenticators;
use pintle_access::service_account::KeySource;
use pintle_encryption::Encryption;
use pintle_engine::Engine;
use pintle_logs::Verbosity;
use pintle_object::time::Time;
use pintle_object::user::User;
use pintle_proxy::peers::Peers;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub struct App {
    pub engine: Arc<Engine>,
    pub authenticators: Authenticators,
    /// The user of requests until they are authenticated.
    pub anonymous: Arc<User>,
    pub access: Access,
    pub discovery: Discovery,
    pub openapi: OpenApi,
    pub metrics: Metrics,
    /// The verbosity of the log.
    pub verbosity: Verbosity,
    /// The start of the process.
    pub started: Time,
    pub limits: Limits,
    pub stages: Stages,
    pub backends: Backends,
    pub service_account_keys: Arc<dyn KeySource>,
    pub bodies: Bodies,
    pub answers: Answers,
    pub heavy: Heavy,
    pub leaving: Arc<Leaving>,
    pub memory: Memory,
    /// The heaviest users, agents, verbs and resources (`/debug/pintle/top`).
    pub top: Arc<Top>,
    /// None: values are stored as they are.
    pub encryption: Option<Arc<Encryption>>,
    pub aggregator: Aggregator,
    /// None: there are no peers to pass requests on to.
    pub peers: Option<Arc<Peers>>,
    pub options: Options,
    /// Set when the server begins to stop: `/readyz` fails from then on.
    pub is_stopping: AtomicBool,
}
