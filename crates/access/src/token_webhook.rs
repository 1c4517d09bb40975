//! `TokenWebhook`: a server that authenticates tokens, asked with TokenReviews.

use crate::cache::{Cache, Fingerprint};
use crate::token::{Known, PendingVerdict, RemoteAuthenticator, Verdict, intersect};
use pintle_object::user::User;
use pintle_object::{Map, Value};
use pintle_outbound::Webhook;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// The longest that one question takes, with all its tries: upstream's time.
const ASK_MAX: Duration = Duration::from_secs(30);

/// The versions of TokenReview that can be sent.
pub const VERSIONS: [&str; 2] = ["v1", "v1beta1"];

pub struct TokenWebhook {
    pub webhook: Webhook,
    /// One of `VERSIONS`.
    pub version: String,
    /// The audiences of a token when the webhook does not name any.
    pub api_audiences: Vec<String>,
    /// The time for which an answer is cached.
    pub holds: Duration,
    answers: Cache<Verdict>,
    /// Reviews in flight: requests with the same token wait for the same answer.
    asking: Mutex<HashMap<Fingerprint, Arc<OnceCell<Verdict>>>>,
}

impl TokenWebhook {
    pub fn new(webhook: Webhook, version: &str, api_audiences: Vec<String>, holds: Duration) -> TokenWebhook {
        TokenWebhook {
            webhook,
            version: version.into(),
            api_audiences,
            holds,
            answers: Cache::default(),
            asking: Mutex::default(),
        }
    }

    async fn verdict(&self, token: &str, wanted: Option<&[String]>) -> Verdict {
        // A request's token must be for this server.
        let wanted = wanted.unwrap_or(&self.api_audiences);
        let parts = std::iter::once(token).chain(wanted.iter().map(String::as_str));
        let fingerprint = self.answers.fingerprint(parts.map(str::as_bytes));
        if let Some(verdict) = self.answers.get(&fingerprint) {
            return verdict;
        }
        let cell = self.asking().entry(fingerprint).or_default().clone();
        let waiting = WaitingReview { webhook: self, fingerprint, cell };
        let verdict = waiting.cell.get_or_init(|| self.ask_now(token, wanted)).await.clone();
        // Failures of the webhook are not cached, nor answers with `error`.
        if !matches!(verdict, Verdict::Refused(_)) {
            self.answers.set(fingerprint, verdict.clone(), self.holds);
        }
        verdict
    }

    fn asking(&self) -> std::sync::MutexGuard<'_, HashMap<Fingerprint, Arc<OnceCell<Verdict>>>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask_now(&self, token: &str, wanted: &[String]) -> Verdict {
        let review = self.review(token, wanted);
        let answer = match tokio::time::timeout(ASK_MAX, self.webhook.call(&review)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => return unreachable(failure.to_string()),
            Err(_) => return unreachable("timed out".into()),
        };
        if let Err(why) = self.check_kind(&answer) {
            return unreachable(why);
        }
        self.read(&answer, wanted)
    }

    fn review(&self, token: &str, wanted: &[String]) -> Value {
        let mut review = Value::map();
        review.set(&["kind"], "TokenReview");
        review.set(&["apiVersion"], format!("authentication.k8s.io/{}", self.version));
        review.set(&["metadata"], Map::new());
        review.set(&["spec", "token"], token);
        if !wanted.is_empty() {
            let wanted = wanted.iter().map(|audience| Value::from(audience.as_str()));
            review.set(&["spec", "audiences"], wanted.collect::<Vec<_>>());
        }
        let mut status = Map::new();
        status.insert("user", Map::new());
        review.set(&["status"], status);
        review
    }

    fn check_kind(&self, answer: &Value) -> Result<(), String> {
        let wanted = format!("authentication.k8s.io/{}", self.version);
        match (answer.str_at(&["kind"]), answer.str_at(&["apiVersion"])) {
            ("TokenReview", version) if version == wanted => Ok(()),
            (kind, version) => {
                Err(format!("the answer is {version:?}, kind {kind:?}, and no TokenReview of {wanted}"))
            }
        }
    }

    fn read(&self, answer: &Value, wanted: &[String]) -> Verdict {
        let named = texts(answer.list_at(&["status", "audiences"]));
        let own = if named.is_empty() { &self.api_audiences } else { &named };
        let audiences = intersect(own, wanted);
        if !wanted.is_empty() && audiences.is_empty() {
            return Verdict::Unknown;
        }
        if !answer.bool_at(&["status", "authenticated"]) {
            return match answer.str_at(&["status", "error"]) {
                "" => Verdict::Unknown,
                why => Verdict::Refused(why.into()),
            };
        }
        let part = |name: &str| answer.str_at(&["status", "user", name]).to_string();
        let extra = answer.map_at(&["status", "user", "extra"]).into_iter().flat_map(Map::iter);
        let extra = extra.map(|(key, values)| (key.into(), texts(values.as_list().unwrap_or_default())));
        let user = User {
            name: part("username"),
            uid: part("uid"),
            groups: texts(answer.list_at(&["status", "user", "groups"])),
            extra: extra.collect(),
        };
        Verdict::Known(Box::new(Known { user: user.into(), audiences, annotations: Vec::new() }))
    }
}

/// A request that waits for an answer. The last one to leave, even because its client left, cancels the review.
struct WaitingReview<'a> {
    webhook: &'a TokenWebhook,
    fingerprint: Fingerprint,
    cell: Arc<OnceCell<Verdict>>,
}

impl Drop for WaitingReview<'_> {
    fn drop(&mut self) {
        let mut asking = self.webhook.asking();
        // Given back under the lock, so that two that go at once do not take each other for one that stays.
        self.cell = Arc::default();
        if asking.get(&self.fingerprint).is_some_and(|cell| Arc::strong_count(cell) == 1) {
            asking.remove(&self.fingerprint);
        }
    }
}

fn unreachable(why: String) -> Verdict {
    tracing::error!("Failed to make webhook authenticator request: {why}");
    Verdict::Refused(why)
}

fn texts(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(Value::as_str).map(String::from).collect()
}

impl RemoteAuthenticator for TokenWebhook {
    fn ask<'a>(&'a self, token: &'a str, wanted: Option<&'a [String]>, _: i64) -> PendingVerdict<'a> {
        Box::pin(self.verdict(token, wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_outbound::{Backoff, Credential, Kubeconfig, Tls, Url};

    #[tokio::test]
    async fn questions_whose_clients_leave_are_forgotten() {
        // Takes connections, and never says anything.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let server = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        let kubeconfig = Kubeconfig { server, tls: Tls::default(), credential: Credential::None };
        let backoff = Backoff { first: Duration::from_millis(1), factor: 1.0, jitter: 0.0, tries_max: 1 };
        let webhook = Webhook::new(kubeconfig, backoff).unwrap();
        let webhook = TokenWebhook::new(webhook, "v1", Vec::new(), Duration::from_secs(1));
        for token in 0..10 {
            let token = token.to_string();
            let (mut one, mut other) =
                (Box::pin(webhook.verdict(&token, None)), Box::pin(webhook.verdict(&token, None)));
            std::future::poll_fn(|context| {
                assert!(one.as_mut().poll(context).is_pending() && other.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            assert_eq!(webhook.asking().len(), 1);
            drop(one);
            assert_eq!(webhook.asking().len(), 1);
        }
        assert_eq!(webhook.asking().len(), 0);
    }
}
