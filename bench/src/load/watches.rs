//! Watches under updates: every watcher must get every matching update, in order and once.

use super::client::{Ask, LoadClient};
use super::follow::{self, Follower, Sent};
use super::measure::{Figures, SpentTime};
use super::options::{LoadOptions, TargetServer};
use super::progress::Progress;
use crate::load::requests::{JSON, post};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Objects that are updated, one after the other, over and over.
const OBJECTS: u64 = 1_000;
/// Namespaces that objects and watchers are spread over.
const NAMESPACES: u64 = 100;
/// Updates that are under way at most.
const WRITERS: usize = 40;
const WRITERS_PER_CONNECTION: usize = 10;
/// The time by which deliveries may lag behind the last update.
const LAG_MAX: Duration = Duration::from_secs(60);

/// The objects that each watcher asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All ConfigMaps.
    Everything,
    /// The ConfigMaps of one namespace of many.
    Namespace,
    /// The pods of a node of its own, as kubelets do; all nodes have as many.
    Node,
}

/// The objects of a run, by their namespaces and nodes, and the parts of them that are watched.
struct WatchField {
    scope: Scope,
    /// Begins the names of namespaces and nodes.
    name: String,
    watchers: u64,
}

impl Scope {
    pub fn of(work: &str) -> Option<Scope> {
        match work {
            "watch" => Some(Scope::Everything),
            "watch-namespace" => Some(Scope::Namespace),
            "watch-node" => Some(Scope::Node),
            _ => None,
        }
    }
}

pub async fn run(
    options: &LoadOptions,
    target: &TargetServer,
    scope: Scope,
    name: &str,
) -> Result<Figures, String> {
    let field = Arc::new(WatchField { scope, name: name.into(), watchers: options.watchers as u64 });
    field.make(target).await?;
    let figures = measure(options, target, &field).await;
    field.remove(target).await?;
    figures
}

async fn measure(
    options: &LoadOptions,
    target: &TargetServer,
    field: &Arc<WatchField>,
) -> Result<Figures, String> {
    let updates = options.updates * options.length.as_secs();
    let version = version(target, field).await?;
    let expected: Vec<u64> = (0..field.watchers).map(|watcher| field.expected(watcher, updates)).collect();
    let deliveries: u64 = expected.iter().sum();
    let sent = Arc::new(Sent::new(&field.name, updates));
    let progress = Arc::new(Progress::new("deliveries", deliveries));
    let mut followers = tokio::task::JoinSet::new();
    let mut client = LoadClient::connect(target).await?;
    for (watcher, expected) in expected.into_iter().enumerate() {
        if watcher % options.per_connection == 0 {
            client = LoadClient::connect(target).await?;
        }
        let path = format!("{}watch=true&resourceVersion={version}", field.watched(watcher as u64));
        let body = client.open(&Ask::get(path, JSON)).await?.into_body();
        let is_timed = follow::is_timed(watcher);
        let follower = Follower { expected, sent: sent.clone(), progress: progress.clone(), is_timed };
        followers.spawn(follower.run(body));
    }
    let spent = SpentTime::begin(target);
    let begin = Instant::now();
    update(options.updates as f64, target, field, &sent).await?;
    let updated = begin.elapsed();
    let mut figures = Figures::default();
    let all_told = async {
        while let Some(done) = followers.join_next().await {
            let told = done.map_err(|error| error.to_string())??;
            figures.requests += told.events;
            figures.bytes += told.bytes;
            figures.latencies.extend(told.latencies);
        }
        Ok::<_, String>(())
    };
    let result = tokio::time::timeout(LAG_MAX, all_told).await;
    result.map_err(|_| format!("{} of {deliveries} deliveries came", progress.done()))??;
    figures.seconds = begin.elapsed().as_secs_f64();
    figures.latencies.sort_unstable();
    spent.end(&mut figures);
    let rate = updates as f64 / updated.as_secs_f64();
    figures.note = format!("({} watchers, {rate:.0} updates/s, all told in order)", field.watchers);
    Ok(figures)
}

impl WatchField {
    /// The namespaces, then the objects.
    async fn make(&self, target: &TargetServer) -> Result<(), String> {
        let mut client = LoadClient::connect(target).await?;
        for n in 0..self.namespaces() {
            let namespace = self.namespace(n);
            let body = named("Namespace", &namespace);
            client.fetch(&post("/api/v1/namespaces", body)).await?;
            if self.scope == Scope::Node {
                let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
                // A controller may have made it already.
                client.drain(&post(&path, named("ServiceAccount", "default"))).await?;
            }
        }
        let mut workers = tokio::task::JoinSet::new();
        let asks: Vec<Ask> = (0..self.objects()).map(|n| self.create(n)).collect();
        for asks in asks.chunks(asks.len().div_ceil(WRITERS).max(1)) {
            let (asks, mut client) = (asks.to_vec(), LoadClient::connect(target).await?);
            workers.spawn(async move {
                for ask in asks {
                    client.fetch(&ask).await?;
                }
                Ok::<_, String>(())
            });
        }
        finish(workers).await
    }

    async fn remove(&self, target: &TargetServer) -> Result<(), String> {
        let mut client = LoadClient::connect(target).await?;
        for n in 0..self.namespaces() {
            for path in [
                format!("{}?gracePeriodSeconds=0", self.collection(n)),
                format!("/api/v1/namespaces/{}", self.namespace(n)),
            ] {
                client.fetch(&Ask { method: "DELETE", path, ..Ask::default() }).await?;
            }
        }
        Ok(())
    }

    fn namespaces(&self) -> u64 {
        if self.scope == Scope::Namespace { NAMESPACES } else { 1 }
    }

    fn objects(&self) -> u64 {
        if self.scope == Scope::Node { OBJECTS.next_multiple_of(self.nodes()) } else { OBJECTS }
    }

    fn nodes(&self) -> u64 {
        if self.watchers == 0 { OBJECTS } else { self.watchers }
    }

    fn namespace(&self, n: u64) -> String {
        format!("{}-{}", self.name, n % self.namespaces())
    }

    /// The node of object number n.
    fn node(&self, n: u64) -> String {
        format!("{}-{}", self.name, n % self.nodes())
    }

    /// The collection of object number n.
    fn collection(&self, n: u64) -> String {
        let plural = if self.scope == Scope::Node { "pods" } else { "configmaps" };
        format!("/api/v1/namespaces/{}/{plural}", self.namespace(n))
    }

    fn watched(&self, watcher: u64) -> String {
        match self.scope {
            Scope::Everything => String::from("/api/v1/configmaps?"),
            Scope::Namespace => format!("{}?", self.collection(watcher)),
            Scope::Node => {
                format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{}&", self.node(watcher))
            }
        }
    }

    /// The number of updates that a watcher receives, of so many that go to the objects by turns.
    fn expected(&self, watcher: u64, updates: u64) -> u64 {
        let parts = match self.scope {
            Scope::Everything => return updates,
            Scope::Namespace => NAMESPACES,
            Scope::Node => self.nodes(),
        };
        let part = watcher % parts;
        updates / parts + u64::from(part < updates % parts)
    }

    fn create(&self, n: u64) -> Ask {
        let body = match self.scope {
            Scope::Node => format!(
                r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"o-{n}"}},"spec":{{"nodeName":"{}","containers":[{{"name":"c","image":"i"}}]}}}}"#,
                self.node(n)
            ),
            Scope::Everything | Scope::Namespace => config_map(n, "new"),
        };
        post(&self.collection(n), body)
    }

    /// Update number `update`, which can be told from all others by `mark`.
    fn update(&self, update: u64, mark: &str) -> Ask {
        let n = update % self.objects();
        let path = format!("{}/o-{n}", self.collection(n));
        match self.scope {
            Scope::Node => Ask {
                method: "PATCH",
                path: path + "/status",
                content_type: "application/merge-patch+json",
                body: format!(r#"{{"status":{{"message":"{mark}"}}}}"#).into(),
                ..Ask::default()
            },
            Scope::Everything | Scope::Namespace => Ask {
                method: "PUT",
                path,
                content_type: JSON,
                body: config_map(n, mark).into(),
                ..Ask::default()
            },
        }
    }
}

fn named(kind: &str, name: &str) -> String {
    format!(r#"{{"apiVersion":"v1","kind":"{kind}","metadata":{{"name":"{name}"}}}}"#)
}

/// A ConfigMap of about 300 bytes.
fn config_map(n: u64, mark: &str) -> String {
    let padding = "x".repeat(160);
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"o-{n}","labels":{{"app":"bench"}}}},"data":{{"mark":"{mark}","padding":"{padding}"}}}}"#
    )
}

async fn version(target: &TargetServer, field: &WatchField) -> Result<String, String> {
    let ask = Ask::get(format!("{}?limit=1", field.collection(0)), JSON);
    let body = LoadClient::connect(target).await?.fetch(&ask).await?;
    let list = pintle_object::json::parse(&body).map_err(|error| error.message.to_string())?;
    Ok(list.str_at(&["metadata", "resourceVersion"]).to_string())
}

/// Updates at the wanted rate, as evenly as the server lets us.
async fn update(
    rate: f64,
    target: &TargetServer,
    field: &Arc<WatchField>,
    sent: &Arc<Sent>,
) -> Result<(), String> {
    let begin = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    let next = Arc::new(AtomicU64::new(0));
    let mut connection = LoadClient::connect(target).await?;
    for worker in 0..WRITERS {
        if worker % WRITERS_PER_CONNECTION == 0 {
            connection = LoadClient::connect(target).await?;
        }
        let (field, sent, next, mut client) = (field.clone(), sent.clone(), next.clone(), connection.clone());
        workers.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= sent.count() {
                    return Ok::<_, String>(());
                }
                tokio::time::sleep_until((begin + Duration::from_secs_f64(n as f64 / rate)).into()).await;
                client.fetch(&field.update(n, &sent.mark(n))).await?;
            }
        });
    }
    finish(workers).await
}

async fn finish(mut workers: tokio::task::JoinSet<Result<(), String>>) -> Result<(), String> {
    while let Some(done) = workers.join_next().await {
        done.map_err(|error| error.to_string())??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_updates_are_expected_by_somebody() {
        for (scope, watchers, updates) in
            [(Scope::Node, 7, 1000), (Scope::Node, 50, 49), (Scope::Namespace, 100, 1234)]
        {
            let field = WatchField { scope, name: String::from("b"), watchers };
            let mut expected = vec![0; watchers as usize];
            for update in 0..updates {
                let object = update % field.objects();
                let watched = |watcher: &u64| match scope {
                    Scope::Node => field.node(object) == field.node(*watcher),
                    _ => field.namespace(object) == field.namespace(*watcher),
                };
                (0..watchers).filter(watched).for_each(|watcher| expected[watcher as usize] += 1);
            }
            let told: Vec<u64> = (0..watchers).map(|watcher| field.expected(watcher, updates)).collect();
            assert_eq!(told, expected);
        }
    }
}
