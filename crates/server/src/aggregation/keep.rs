//! Reads the documents of other servers, each API's by a task of its own: one that hangs delays no other.

use super::discovery;
use super::documents::{RemoteDocuments, Version2};
use super::openapi;
use crate::app::App;
use hyper::HeaderMap;
use hyper::header::{ACCEPT, HeaderValue, IF_NONE_MATCH};
use pintle_access::User;
use pintle_object::{Value, json};
use pintle_proxy::{Remote, RemoteDocument};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

/// The time between two reads of documents; upstream's.
const REFRESH: Duration = Duration::from_secs(60);
/// The waits after failures of discovery: from the first to `REFRESH`, twice as long each time.
const RETRY_MIN: Duration = Duration::from_millis(500);
/// The longest wait after failures of OpenAPI documents, of which the first is `REFRESH`.
const OPENAPI_RETRY_MAX: Duration = Duration::from_secs(3600);
/// The delay of a second read of OpenAPI documents after a change.
const AFTER_CHANGE: Duration = Duration::from_secs(1);
/// The timeouts of reading discovery, and an OpenAPI document.
const DISCOVERY_MAX: Duration = Duration::from_secs(5);
const OPENAPI_MAX: Duration = Duration::from_secs(60);

/// The users that read discovery, and OpenAPI documents, from other servers.
const DISCOVERER: &str = "system:kube-aggregator";
const READER: &str = "system:aggregator";
const MASTERS: &str = "system:masters";

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

/// Keeps the documents of all other servers up to date, for as long as it is polled.
pub async fn keep_documents(app: Arc<App>) {
    let mut changes = app.aggregator.services.changes();
    let mut tasks = JoinSet::new();
    let mut followed: HashMap<String, FollowedServer> = HashMap::new();
    loop {
        let remotes = app.aggregator.services.all();
        while tasks.try_join_next().is_some() {}
        followed.retain(|name, _| {
            let is_there = remotes.iter().any(|remote| remote.name == *name);
            if !is_there {
                app.aggregator.documents.set(name, None);
            }
            is_there
        });
        for remote in remotes {
            match followed.get_mut(&remote.name) {
                Some(known) if Arc::ptr_eq(&known.remote, &remote) => {}
                Some(known) => {
                    known.remote = remote;
                    known.wake.iter().for_each(Notify::notify_one);
                }
                None => {
                    let wake = Arc::new([Notify::new(), Notify::new()]);
                    let reader = DocumentReader {
                        app: app.clone(),
                        group: remote.group.clone(),
                        version: remote.version.clone(),
                    };
                    let task = tasks.spawn(reader.keep(wake.clone()));
                    followed.insert(remote.name.clone(), FollowedServer { remote, wake, task });
                }
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// An API of another server whose documents a task reads.
struct FollowedServer {
    remote: Arc<Remote>,
    /// For discovery, and for OpenAPI documents.
    wake: Arc<[Notify; 2]>,
    task: AbortHandle,
}

impl Drop for FollowedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads the documents of one API.
struct DocumentReader {
    app: Arc<App>,
    group: String,
    version: String,
}

impl DocumentReader {
    /// Reads both kinds of documents; one that is long in coming does not hold up the other.
    async fn keep(self, wake: Arc<[Notify; 2]>) {
        let [discovery, openapi] = &*wake;
        tokio::join!(self.keep_discovery(discovery), self.keep_openapi(openapi));
    }

    async fn keep_discovery(&self, wake: &Notify) {
        let mut retry = RETRY_MIN;
        while let Some(remote) = self.remote() {
            let is_read = self.read_discovery(&remote).await;
            let pause = if is_read { REFRESH } else { retry };
            retry = if is_read { RETRY_MIN } else { (retry * 2).min(REFRESH) };
            if is_woken(wake, pause).await {
                retry = RETRY_MIN;
            }
        }
    }

    async fn keep_openapi(&self, wake: &Notify) {
        let mut retry = REFRESH;
        while let Some(remote) = self.remote() {
            let is_read = self.read_openapi(&remote).await;
            let pause = if is_read { REFRESH } else { retry };
            retry = if is_read { REFRESH } else { (retry * 2).min(OPENAPI_RETRY_MAX) };
            if is_woken(wake, pause).await {
                retry = REFRESH;
                // The other server's document may follow the change a little later, so it is read once more.
                let Some(remote) = self.remote() else { return };
                self.read_openapi(&remote).await;
                tokio::time::sleep(AFTER_CHANGE).await;
            }
        }
    }

    fn remote(&self) -> Option<Arc<Remote>> {
        self.app.aggregator.services.get(&self.group, &self.version)
    }

    /// The documents read so far, to be updated.
    fn known(&self, remote: &Remote) -> RemoteDocuments {
        let known = self.app.aggregator.documents.get(&remote.name);
        known.map_or_else(
            || RemoteDocuments {
                name: remote.name.clone(),
                group: self.group.clone(),
                version: self.version.clone(),
                ..RemoteDocuments::default()
            },
            |known| RemoteDocuments::clone(&known),
        )
    }

    fn keep_known(&self, remote: &Remote, documents: RemoteDocuments) {
        // An API that went meanwhile leaves nothing.
        if self.remote().is_some() {
            self.app.aggregator.documents.set(&remote.name, Some(documents));
        }
    }

    async fn read_discovery(&self, remote: &Remote) -> bool {
        let result = self.discovery(remote).await;
        let known = self.known(remote);
        let is_current = result.is_ok();
        let discovery = match result {
            Ok(discovery) => discovery.map(Arc::new),
            Err(why) => {
                tracing::debug!(name = remote.name, "cannot read the discovery of an aggregated API: {why}");
                None
            }
        };
        if discovery != known.discovery || is_current != known.is_current || !self.is_known(remote) {
            self.keep_known(remote, RemoteDocuments { discovery, is_current, ..known });
        }
        is_current
    }

    fn is_known(&self, remote: &Remote) -> bool {
        self.app.aggregator.documents.get(&remote.name).is_some()
    }

    /// The entry of the API in aggregated discovery, or made from the plain list of its resources; none where the
    /// server does not list the API.
    async fn discovery(&self, remote: &Remote) -> Result<Option<Value>, String> {
        let user = User { name: DISCOVERER.into(), groups: vec![MASTERS.into()], ..User::default() };
        let document = self.read(remote, "/apis", &[(ACCEPT, AGGREGATED)], &user, DISCOVERY_MAX).await?;
        match document.status {
            503 => return Err(String::from("service returned non-success response code: 503")),
            200 if discovery::is_aggregated(document.header("content-type")) => {
                let list = json::parse(&document.body).map_err(|error| error.to_string())?;
                return Ok(discovery::entry(&list, &self.group, &self.version));
            }
            _ => {}
        }
        let user = User { name: DISCOVERER.into(), ..User::default() };
        let path = match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        let accept = [(ACCEPT, "application/json")];
        let document = self.read(remote, &path, &accept, &user, DISCOVERY_MAX).await?;
        if document.status != 200 {
            return Err(format!("failed to download legacy discovery for {path}: {}", document.status));
        }
        let list = json::parse(&document.body).map_err(|error| error.to_string())?;
        discovery::of_list(&list, &self.version).map(Some)
    }

    async fn read_openapi(&self, remote: &Remote) -> bool {
        let known = self.known(remote);
        let v2 = self.version_2(remote, known.v2.as_ref()).await;
        let v3 = self.version_3(remote).await;
        let mut documents = self.known(remote);
        let mut is_changed = false;
        match &v2 {
            Ok(Some(read)) => {
                is_changed |= known.v2.as_ref().is_none_or(|known| known.etag != read.etag);
                documents.v2 = Some(read.clone());
            }
            Ok(None) => {
                is_changed |= documents.v2.take().is_some();
            }
            Err(why) => tracing::debug!(
                name = remote.name,
                "cannot read the OpenAPI v2 document of an aggregated API: {why}"
            ),
        }
        match &v3 {
            Ok(read) => {
                let (is_without, read) = (read.is_none(), read.clone().unwrap_or_default());
                is_changed |= documents.v3 != read || documents.is_without_v3 != is_without;
                (documents.v3, documents.is_without_v3) = (read, is_without);
            }
            Err(why) => tracing::debug!(
                name = remote.name,
                "cannot read the OpenAPI v3 document of an aggregated API: {why}"
            ),
        }
        if is_changed {
            self.keep_known(remote, documents);
        }
        v2.is_ok() && v3.is_ok()
    }

    /// The document of version 2; none where the server has none.
    async fn version_2(&self, remote: &Remote, known: Option<&Version2>) -> Result<Option<Version2>, String> {
        let mut headers = vec![(ACCEPT, "application/json")];
        let etag = known.filter(|known| !known.is_own_etag).map(|known| known.etag.as_str());
        headers.extend(etag.map(|etag| (IF_NONE_MATCH, etag)));
        let document = self.read(remote, "/openapi/v2", &headers, &reader(), OPENAPI_MAX).await?;
        match document.status {
            304 => {
                known.cloned().map(Some).ok_or_else(|| String::from("an answer of 304 to a first question"))
            }
            404 => Ok(None),
            200 => openapi::version_2(&document, &self.group, &self.version).map(Some),
            code => Err(format!("failed to retrieve openAPI spec, http error: {code}")),
        }
    }

    /// The paths of documents of version 3; none where the server has none.
    async fn version_3(&self, remote: &Remote) -> Result<Option<Vec<(String, String)>>, String> {
        let document = self.read(remote, "/openapi/v3", &[], &reader(), OPENAPI_MAX).await?;
        match document.status {
            200 => openapi::paths(&document.body).map(Some),
            404 => Ok(None),
            code => Err(format!("failed to retrieve openAPI v3 index, http error: {code}")),
        }
    }

    async fn read(
        &self,
        remote: &Remote,
        path: &str,
        headers: &[(hyper::header::HeaderName, &str)],
        user: &User,
        within: Duration,
    ) -> Result<RemoteDocument, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, HeaderValue::from_str(value).map_err(|error| error.to_string())?);
        }
        self.app.aggregator.services.read(remote, path, map, user, within).await
    }
}

/// Waits for a change at most; whether there was one.
async fn is_woken(wake: &Notify, at_most: Duration) -> bool {
    tokio::time::timeout(at_most, wake.notified()).await.is_ok()
}

fn reader() -> User {
    User { name: READER.into(), ..User::default() }
}
