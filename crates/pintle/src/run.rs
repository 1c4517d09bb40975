//! Runs a server from its configuration until it is stopped.

use crate::aggregation::Remotes;
use crate::config::{Config, Etcd};
use crate::encryption::Opened;
use crate::outward::{StoredServices, outward};
use crate::pki::{self, Administrator, Names, Pki};
use crate::{
    authenticators, kubeconfig, memory, metrics, open_files, peer_flags, peers, priority, process, reload,
    serving, signals, systemd, traces, trusted,
};
use pintle_access::{Impersonation, Permissions};
use pintle_admission::{Chain, Outward};
use pintle_controllers::bootstrap::{self, Cluster};
use pintle_controllers::{KeptObjects, PublishedTrust};
use pintle_engine::{Engine, own};
use pintle_fairness::Fairness;
use pintle_kinds::allocator::IpPool;
use pintle_logs::Verbosity;
use pintle_metrics::Registry;
use pintle_object::user::User;
use pintle_proxy::peers::Peers;
use pintle_schema::Builtin;
use pintle_server::aggregation::{Aggregator, keep_documents};
use pintle_server::app::App;
use pintle_server::audit::Auditor;
use pintle_server::authorizers::{Access, StoredObjects};
use pintle_server::conn;
use pintle_server::connections::Connections;
use pintle_server::discovery::Discovery;
use pintle_server::fairness::{TokioClock, Turns};
use pintle_server::heavy::Heavy;
use pintle_server::memory::Memory;
use pintle_server::metrics::Metrics;
use pintle_server::openapi::OpenApi;
use pintle_server::options::Options;
use pintle_server::paths::oidc;
use pintle_server::stages::{Audit, Stages};
use pintle_server::tls::{Certificates, Listener};
use pintle_store::backend::sqlite::Sqlite;
use pintle_store::{OpenError, Retention};
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

/// The stack for walks of the deepest accepted trees, with room to spare. Only the part in use takes memory.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Connections that the kernel has accepted and the server has not: as many as systems usually allow.
const BACKLOG: u32 = 1024;
/// The time for a stop, after requests under way have ended, until the process is ended by force.
const END_MAX: Duration = Duration::from_secs(5);

/// Starts, serves, and returns after a clean stop.
pub fn run(config: &Config) -> Result<(), String> {
    let (verbosity, flush) = log(config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build()
        .map_err(|error| format!("cannot start the async runtime: {error}"))?;
    let result = runtime.block_on(serve(config, verbosity));
    flush();
    result
}

/// Starts the log, and logs the warnings of the configuration. The returned function flushes the log.
fn log(config: &Config) -> (Verbosity, impl Fn()) {
    let logging = &config.logging;
    let verbosity = Verbosity::new(logging.verbosity, logging.modules.clone());
    let flush = pintle_logs::begin(&logging.settings, verbosity.clone());
    let peers = config.peers.warning(config.etcd.is_some());
    for warning in config.warnings.iter().chain(&config.compatibility.warnings).chain(&peers) {
        tracing::warn!("{warning}");
    }
    (verbosity, flush)
}

async fn serve(config: &Config, verbosity: Verbosity) -> Result<(), String> {
    let address = SocketAddr::new(config.bind_address, config.secure_port);
    // Bound early, so that an address in use ends the start; connections are refused until the server listens.
    let socket = bind(address).map_err(|error| format!("{address}: {error}"))?;
    let assembled = assemble(config, verbosity).await?;
    let (app, system) = (assembled.app.clone(), assembled.system.clone());
    let authorities = reload::named_authorities(&app.authenticators);
    let tls = Arc::new(Listener::new(config.tls.clone(), assembled.certificates.clone(), authorities)?);
    let kubeconfig = write_kubeconfig(config, &assembled.pki)?;
    let mut tasks = follow(config, assembled, tls.clone());
    let (stopper, stop) = watch::channel(false);
    let audit_max = if app.stages.audit.is_some() { pintle_audit::SHUTDOWN_MAX } else { Duration::ZERO };
    let told = signals::follow(stop_max(config) + audit_max)?;
    let listener = socket.listen(BACKLOG).map_err(|error| format!("{address}: {error}"))?;
    let doors = Doors::open(config, &app, (listener, tls), &stop)?;
    let kept = system.clone();
    tasks.push(tokio::spawn(async move { kept.run().await }).abort_handle());
    announce(config, kubeconfig.as_deref());
    systemd::notify("READY=1\n");
    told.await.map_err(|_| String::from("cannot handle signals"))?;
    tracing::info!("stopping");
    systemd::notify("STOPPING=1\n");
    tasks.iter().for_each(AbortHandle::abort);
    // Load balancers that check health or endpoints turn away while the server still serves.
    app.is_stopping.store(true, std::sync::atomic::Ordering::Relaxed);
    system.leave().await;
    tokio::time::sleep(config.limits.stop_delay).await;
    leave(&app, config, &stopper).await;
    // Watches that are left end with the store, so that their connections can drain.
    app.engine.store.close().await;
    doors.close().await?;
    if let Some(audit) = &app.stages.audit {
        audit.shut_down().await;
    }
    if let Some(tracer) = &app.stages.tracer {
        tracer.flush().await;
    }
    Ok(())
}

/// A server without its listeners, and the tasks and followers that keep it up to date.
struct Assembled {
    app: Arc<App>,
    pki: Pki,
    certificates: Arc<Certificates>,
    trust: PublishedTrust,
    encryption: Option<Opened>,
    system: Arc<KeptObjects>,
}

/// Opens the store, creates the initial objects of a cluster, and starts the controllers.
async fn assemble(config: &Config, verbosity: Verbosity) -> Result<Assembled, String> {
    let registry = metrics::registry(config);
    // Keys are made while the store is opened.
    let for_pki = config.clone();
    let certificates = tokio::task::spawn_blocking(move || own_certificates(&for_pki));
    let access = access(config)?;
    let services = Arc::new(StoredServices::default());
    let outward = outward(config, services.clone(), &registry)?;
    let encryption = open_encryption(config, &registry).await?;
    let engine =
        open_engine(config, access.permissions(), &outward, (&registry, encryption.as_ref())).await?;
    access.follow(&engine);
    services.follow(&engine);
    let pki = certificates.await.map_err(|error| error.to_string())??;
    let cluster = cluster(config);
    bootstrap::run(&engine, &cluster, own::now()).await.map_err(|status| status.message)?;
    let trust = PublishedTrust::new(engine.clone(), authenticators::trusted(config, &pki));
    trust.publish().await.map_err(|status| status.internal.unwrap_or(status.message))?;

    pintle_controllers::definitions::control(engine.clone()).await;
    let remotes = config.aggregation.open(&outward, &registry)?;
    pintle_controllers::control(&engine, &remotes.services, &remotes.availability);
    trust.clone().control();
    let beside = peers::open(config, &engine, &outward, &registry)?;
    let certificates = Certificates::new(serving::certificates(config, &pki)?);
    let system = Arc::new(KeptObjects::new(engine.clone(), cluster, peers::told(config, &beside)));
    let shown = encryption.as_ref();
    let (remotes, peers) = (&remotes, beside.peers.clone());
    let around = Around { registry, verbosity, encryption: shown, outward: &outward, remotes, peers };
    let app = Arc::new(app(config, &pki, engine, access, around)?);
    Ok(Assembled { app, pki, certificates, trust, encryption, system })
}

fn access(config: &Config) -> Result<Access, String> {
    let authorization = &config.authorization;
    let impersonation = match config.compatibility.is_on("ConstrainedImpersonation") {
        true => Impersonation::constrained(),
        false => Impersonation::legacy(),
    };
    let node_rules = bootstrap::node_rules();
    Ok(Access::new(authorization.asked()?, node_rules, authorization.abac.clone(), impersonation))
}

/// Starts the tasks that follow files, the store and other servers until the server stops.
fn follow(config: &Config, assembled: Assembled, tls: Arc<Listener>) -> Vec<AbortHandle> {
    let Assembled { app, pki, certificates, trust, encryption, .. } = assembled;
    let sizes = config.etcd.as_ref().map(|etcd| etcd.size_interval).filter(|every| !every.is_zero());
    let mut tasks = vec![
        tokio::spawn(reload::keep_fresh(config.clone(), app.clone(), tls, trust)).abort_handle(),
        tokio::spawn(serving::keep_fresh(config.clone(), pki, certificates)).abort_handle(),
        tokio::spawn(config.authorization.clone().keep_fresh(app.clone())).abort_handle(),
        tokio::spawn(keep_documents(app.clone())).abort_handle(),
        tokio::spawn(metrics::keep_watermarks(app.clone())).abort_handle(),
        tokio::spawn(memory::follow(app.clone())).abort_handle(),
    ];
    tasks.extend(encryption.map(|opened| tokio::spawn(opened.keep_fresh(app.engine.clone())).abort_handle()));
    tasks.extend(sizes.map(|every| tokio::spawn(keep_sizes(app.clone(), every)).abort_handle()));
    tasks
}

/// The tasks that accept connections, until all of these are closed.
struct Doors {
    secured: JoinHandle<()>,
    unsecured: Option<JoinHandle<()>>,
}

impl Doors {
    fn open(
        config: &Config,
        app: &Arc<App>,
        (listener, tls): (TcpListener, Arc<Listener>),
        stop: &watch::Receiver<bool>,
    ) -> Result<Doors, String> {
        let open = Connections::new(open_files::raise_limit());
        let drain = conn::DRAIN_MAX + config.limits.watch_drain;
        let door = |listener, door| {
            tokio::spawn(conn::serve(app.clone(), listener, door, open.clone(), stop.clone(), drain))
        };
        let unsecured = unsecured(config)?.map(|listener| door(listener, conn::Door::Plain));
        Ok(Doors { secured: door(listener, conn::Door::Tls(tls)), unsecured })
    }

    async fn close(self) -> Result<(), String> {
        if let Some(unsecured) = self.unsecured {
            unsecured.await.map_err(|error| error.to_string())?;
        }
        self.secured.await.map_err(|error| error.to_string())
    }
}

/// Turns late requests away, waits for requests in flight, and lets watches end.
async fn leave(app: &App, config: &Config, stopper: &watch::Sender<bool>) {
    let drain = config.limits.watch_drain;
    if config.limits.sends_retry_after {
        app.leaving.turn_away();
        app.leaving.drained(conn::DRAIN_MAX).await;
    } else {
        stopper.send_replace(true);
    }
    if !drain.is_zero() {
        app.leaving.end_watches(drain);
        app.engine.store.wake_watches();
        app.leaving.watches_ended(drain).await;
    }
    stopper.send_replace(true);
}

/// The maximum duration of a stop.
fn stop_max(config: &Config) -> Duration {
    let limits = &config.limits;
    let turning_away = if limits.sends_retry_after { conn::DRAIN_MAX } else { Duration::ZERO };
    limits.stop_delay + turning_away + limits.watch_drain + conn::DRAIN_MAX + END_MAX
}

/// The listener of `--insecure-port`, if there is one.
fn unsecured(config: &Config) -> Result<Option<TcpListener>, String> {
    let port = config.proxying.insecure_port;
    if port == 0 {
        return Ok(None);
    }
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let listener = bind(address).and_then(|socket| socket.listen(BACKLOG));
    let listener = listener.map_err(|error| format!("--insecure-port: {address}: {error}"))?;
    tracing::warn!("everyone on this machine is an administrator at http://{address} (--insecure-port)");
    Ok(Some(listener))
}

async fn keep_sizes(app: Arc<App>, every: Duration) {
    app.metrics.follow_sizes(&app.engine.store, every).await;
}

async fn open_encryption(config: &Config, registry: &Registry) -> Result<Option<Opened>, String> {
    match &config.encryption {
        Some(file) => file.open(registry, &peers::identity(config).name).await.map(Some),
        None => Ok(None),
    }
}

async fn open_engine(
    config: &Config,
    permissions: Permissions,
    outward: &Outward,
    (registry, encryption): (&Registry, Option<&Opened>),
) -> Result<Arc<Engine>, String> {
    let mut api = pintle_schema::known();
    api.resources = config.compatibility.served(api.resources)?;
    let mut engine =
        open_store(config, Arc::new(api), (registry, encryption)).await.map_err(|error| error.to_string())?;
    engine.set_manager(&config.manager);
    engine.set_metrics(registry);
    engine.set_gates(&|gate| config.compatibility.is_on(gate));
    engine.set_expiry(config.event_ttl.as_secs());
    let ranges = config.service_cluster_ip_range.split(',');
    engine.set_pools(ranges.filter_map(IpPool::parse).collect(), config.service_node_port_range.clone());
    engine.set_admission(Box::new(Chain::new(&config.admission, permissions, outward, registry)?));
    engine.set_hooks(Arc::new(outward.hooks("")?));
    engine.repair_records(own::now()).await;
    engine.log_undecodable();
    Ok(Arc::new(engine))
}

async fn open_store(
    config: &Config,
    api: Arc<Builtin>,
    (registry, encryption): (&Registry, Option<&Opened>),
) -> Result<Engine, OpenError> {
    let retention = Retention { compaction_interval: config.compaction_interval, ..Retention::default() };
    let transformer = encryption.map(Opened::transformer);
    let metrics = registry.clone();
    let options =
        pintle_store::Options { retention, transformer, metrics, ..pintle_store::Options::default() };
    match &config.etcd {
        Some(etcd) => Engine::connect(api, &etcd.store, options).await,
        None => {
            pki::make_private_dir(&config.data_dir).map_err(OpenError)?;
            for file in ["store.db", "store.db-wal", "store.db-shm"] {
                trusted::check_file(&config.data_dir.join(file)).map_err(OpenError)?;
            }
            let backend = Sqlite::open(&config.data_dir.join("store.db"))?;
            Engine::open(api, Box::new(backend), options)
        }
    }
}

fn cluster(config: &Config) -> Cluster {
    let service_cluster_ip_range = config.service_cluster_ip_range.clone();
    Cluster { service_cluster_ip_range, secure_port: config.secure_port }
}

fn own_certificates(config: &Config) -> Result<Pki, String> {
    let range = config.service_cluster_ip_range.split(',').next().unwrap_or("");
    let mut addresses = vec![[127, 0, 0, 1].into(), config.address(), config.local_address()];
    addresses.extend(IpPool::parse(range).map(|pool| pool.first()));
    addresses.sort();
    addresses.dedup();
    let dns = [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let names = Names { dns: dns.map(String::from).to_vec(), addresses };
    let names = Some(&names).filter(|_| config.serving.is_none());
    pki::open(&config.pki_dir(), names, config.client_ca_file.is_none())
}

/// The surroundings of the server: metrics, log, clients for other servers, and encryption at rest.
struct Around<'a> {
    registry: Registry,
    verbosity: Verbosity,
    encryption: Option<&'a Opened>,
    outward: &'a Outward,
    remotes: &'a Remotes,
    peers: Option<Arc<Peers>>,
}

fn app(
    config: &Config,
    pki: &Pki,
    engine: Arc<Engine>,
    access: Access,
    around: Around<'_>,
) -> Result<App, String> {
    let Around { registry, verbosity, encryption, outward, remotes, peers } = around;
    let flags = &config.authentication;
    let keys = Arc::new(flags.keys(config.pki_dir().join("sa.key"))?);
    let objects = Arc::new(StoredObjects::default());
    objects.follow(&engine);
    let authenticators = authenticators::authenticators(config, pki, keys.clone(), objects, &registry)?;
    let server_address = SocketAddr::new(config.address(), config.secure_port).to_string();
    let stages = stages(config, &engine, &registry, outward)?;
    let metrics = Metrics::new(registry);
    process::show(metrics.registry(), metrics.indicators());
    Ok(App {
        discovery: Discovery::new(&server_address, config.compatibility.is_on("StorageVersionHash")),
        openapi: OpenApi::new(&engine.api.resources, config.compatibility.is_on("OpenAPIEnums")),
        authenticators,
        anonymous: Arc::new(User::anonymous()),
        access,
        backends: config.proxying.backends(&config.compatibility, outward)?,
        service_account_keys: keys,
        limits: config.limits.enforced(),
        stages,
        engine,
        metrics,
        verbosity,
        started: own::now(),
        aggregator: Aggregator::new(remotes.services.clone()),
        peers,
        encryption: encryption.map(|opened| opened.encryption.clone()),
        bodies: Default::default(),
        answers: Default::default(),
        top: Default::default(),
        leaving: Default::default(),
        memory: Memory::new(config.limits.memory_bytes_max),
        heavy: Heavy::new(cores(), priority::lower)?,
        options: options(config, server_address),
        is_stopping: AtomicBool::new(false),
    })
}

fn options(config: &Config, server_address: String) -> Options {
    let flags = &config.authentication;
    let external_address = match config.external_hostname.as_str() {
        "" => server_address.clone(),
        name => format!("{name}:{}", config.secure_port),
    };
    let service_account_jwks_uri = match config.service_account_jwks_uri.as_str() {
        "" => format!("https://{external_address}{}", oidc::KEYS),
        uri => uri.into(),
    };
    let waits = |of: fn(&Etcd) -> Duration| config.etcd.as_ref().map(of).unwrap_or_default();
    Options {
        server_address,
        reported_version: config.reported_version.clone(),
        service_account_issuers: flags.service_account_issuers.clone(),
        service_account_jwks_uri,
        api_audiences: flags.api_audiences(),
        token_expiration_seconds_max: flags.service_account_max_token_expiration_seconds,
        extends_token_expiration: flags.service_account_extend_token_expiration,
        streams_max: config.tls.streams_max,
        legacy_proxy_paths: config.proxying.legacy_paths,
        watch_min: config.limits.watch_min,
        goaway_per_million: config.limits.goaway_per_million,
        strict_transport_security: config.limits.strict_transport_security.clone(),
        ends_anonymous_http2: config.compatibility.is_on("UnauthenticatedHTTP2DOSMitigation"),
        watch_list: config.compatibility.is_on("WatchList"),
        emulated_minor: config.compatibility.emulated,
        oldest_minor: config.compatibility.oldest,
        flags: config.flags.clone(),
        has_peers: config.compatibility.is_on(peer_flags::GATE),
        has_flagz: config.compatibility.is_on("ComponentFlagz"),
        has_statusz: config.compatibility.is_on("ComponentStatusz"),
        has_profiling: config.has_profiling,
        health_max: waits(|etcd| etcd.health_max),
        ready_max: waits(|etcd| etcd.ready_max),
    }
}

/// Priority and fairness with some seats for all levels, which follows the objects that say how they are shared.
fn fairness(engine: &Arc<Engine>, seats: u32) -> Turns {
    let clock = Arc::new(TokioClock::new(Handle::current(), own::now()));
    let fairness = Arc::new(Fairness::new(clock.clone(), seats));
    pintle_controllers::flow_control::control(engine, &fairness);
    Turns::new(fairness, clock, engine.clone())
}

/// The optional stages of requests.
fn stages(
    config: &Config,
    engine: &Arc<Engine>,
    registry: &Registry,
    outward: &Outward,
) -> Result<Stages, String> {
    let counters = Arc::new(pintle_audit::Counters::new(registry));
    let backend = pintle_audit::Backend::start(&config.audit, &counters)?;
    let auditor = |backend| Arc::new(Auditor::new(backend, engine.api.clone())) as Arc<dyn Audit>;
    let fairness = config.limits.shared_seats().map(|seats| fairness(engine, seats));
    let tracer = config.traces.as_ref();
    let name = peers::identity(config).name;
    let tracer = tracer.map(|traces| traces::begin(traces, &name, outward.control_plane.clone()));
    Ok(Stages { audit: backend.map(auditor), tracer, fairness })
}

/// Writes the administrator's kubeconfig, unless clients have an authority of their own.
fn write_kubeconfig(config: &Config, pki: &Pki) -> Result<Option<PathBuf>, String> {
    let Some(Administrator { ca, pair }) = &pki.administrator else { return Ok(None) };
    let server = format!("https://{}", SocketAddr::new(config.local_address(), config.secure_port));
    let text = kubeconfig::text(&server, ca, &pair.certificate, &pair.key);
    let path = config.data_dir.join("admin.kubeconfig");
    if std::fs::read_to_string(&path).ok().as_deref() != Some(text.as_str()) {
        pki::write(&path, &text, 0o600)?;
    }
    Ok(Some(path))
}

fn announce(config: &Config, kubeconfig: Option<&Path>) {
    let address = SocketAddr::new(config.local_address(), config.secure_port);
    // Standard output may be an audit log's.
    if config.audit.log.path == "-" {
        return;
    }
    println!("pintle serves the Kubernetes API on https://{address}");
    if let Some(path) = kubeconfig {
        println!("kubeconfig: {}", path.display());
        println!("try: kubectl --kubeconfig {} get namespaces", path.display());
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that was just stopped leaves connections behind that still have the address.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
