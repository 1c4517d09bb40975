//! `Webhook`: a server that answers documents with documents.

use crate::backoff::Backoff;
use crate::client::{Answer, Client};
use crate::failure::Failure;
use crate::kubeconfig::Kubeconfig;
use bytes::Bytes;
use hyper::Method;
use pintle_object::{Value, json};
use std::path::Path;
use std::time::Duration;

/// The longest that one try takes, unless its caller says otherwise.
const TRY_MAX: Duration = Duration::from_secs(30);

/// Reviews are posted to the path of the server's address, and to no other.
pub struct Webhook {
    client: Client,
    target: String,
    backoff: Backoff,
    try_max: Duration,
}

impl Webhook {
    /// The server of a kubeconfig's current context.
    pub fn open(kubeconfig: &Path, backoff: Backoff) -> Result<Webhook, String> {
        let found = Kubeconfig::read(kubeconfig)?;
        Webhook::new(found, backoff).map_err(|error| format!("{}: {error}", kubeconfig.display()))
    }

    pub fn new(kubeconfig: Kubeconfig, backoff: Backoff) -> Result<Webhook, String> {
        let path = kubeconfig.server.path.trim_end_matches('/');
        let path = String::from(if path.is_empty() { "/" } else { path });
        let client = Client::new(kubeconfig.server, kubeconfig.tls, kubeconfig.credential)?;
        Ok(Webhook { client, target: path, backoff, try_max: TRY_MAX }.within(TRY_MAX))
    }

    /// Sets the timeout of each try, and adds it to the query.
    pub fn within(mut self, try_max: Duration) -> Webhook {
        let path = self.target.split('?').next().unwrap_or("/");
        let time = pintle_object::time::format_duration(i64::try_from(try_max.as_nanos()).unwrap_or(0));
        self.target = format!("{path}?timeout={time}");
        self.try_max = try_max;
        self
    }

    /// Posts a document and reads the one that answers it. What may pass is tried again, up to the time of the caller.
    pub async fn call(&self, document: &Value) -> Result<Value, Failure> {
        let body = Bytes::from(json::to_string(document));
        let mut tries = 0;
        loop {
            let failure = match self.attempt(body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            tries += 1;
            match self.backoff.pause(tries).filter(|_| failure.is_passing()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(failure),
            }
        }
    }

    /// Posts a body without reading a document. All failures are retried, within the caller's time.
    pub async fn post(&self, body: Bytes) -> Result<(), Failure> {
        let mut tries = 0;
        loop {
            let sent = self.client.send(Method::POST, &self.target, Some(body.clone()), self.try_max).await;
            let Err(failure) = sent.and_then(Answer::success) else { return Ok(()) };
            tries += 1;
            match self.backoff.pause(tries) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(failure),
            }
        }
    }

    async fn attempt(&self, body: Bytes) -> Result<Value, Failure> {
        let answer =
            self.client.send(Method::POST, &self.target, Some(body), self.try_max).await?.success()?;
        json::parse(&answer.body)
            .ok()
            .filter(|value| value.as_map().is_some())
            .ok_or_else(|| Failure::Nonsense("the answer is not a JSON object".into()))
    }
}
