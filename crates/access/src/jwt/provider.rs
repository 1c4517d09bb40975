//! `Provider`: an issuer's public keys, found by OIDC discovery and fetched again when they change.

use super::compact::Unproven;
use super::keys::KeySet;
use pintle_object::{Value, field, json};
use pintle_outbound::{Answer, Tls, fetch};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

const WELL_KNOWN: &str = "/.well-known/openid-configuration";
/// The timeout of one request to an issuer.
const FETCH_MAX: Duration = Duration::from_secs(30);
/// The time between two tries to reach an issuer that could not be reached.
const DISCOVER_EVERY: Duration = Duration::from_secs(10);
/// Keys are thought to have expired this much earlier than their issuer says.
const EXPIRY_SKEW: Duration = Duration::from_secs(30);
/// Tokens of unknown keys let the keys be fetched this often in a row, and then once in a while.
const FETCHES_MAX: u32 = 5;
const FETCH_AGAIN: Duration = Duration::from_secs(10);

pub struct Provider {
    issuer: String,
    /// The URL of the discovery document.
    discovery: String,
    tls: Tls,
    jwks_uri: OnceLock<String>,
    fetched: RwLock<Arc<Fetched>>,
    /// One fetch at a time, and not too many.
    fetching: tokio::sync::Mutex<Allowance>,
}

/// The keys of one fetch.
struct Fetched {
    keys: KeySet,
    /// Until then the issuer will not change them.
    holds_until: Option<Instant>,
}

struct Allowance {
    left: u32,
    counted: Instant,
}

impl Provider {
    pub fn new(issuer: &str, discovery: Option<&str>, tls: Tls) -> Provider {
        let own = || format!("{}{WELL_KNOWN}", issuer.strip_suffix('/').unwrap_or(issuer));
        let fetched = Fetched { keys: KeySet::default(), holds_until: None };
        Provider {
            issuer: issuer.into(),
            discovery: discovery.map_or_else(own, String::from),
            tls,
            jwks_uri: OnceLock::new(),
            fetched: RwLock::new(Arc::new(fetched)),
            fetching: tokio::sync::Mutex::new(Allowance { left: FETCHES_MAX, counted: Instant::now() }),
        }
    }

    pub fn is_ready(&self) -> bool {
        self.jwks_uri.get().is_some()
    }

    /// Asks the issuer where its keys are until it says so.
    pub async fn discover(&self) {
        while let Err(error) = self.try_discover().await {
            tracing::warn!(issuer = self.issuer, "oidc authenticator: initializing plugin: {error}");
            tokio::time::sleep(DISCOVER_EVERY).await;
        }
    }

    async fn try_discover(&self) -> Result<(), String> {
        let document = parse(&self.get(&self.discovery).await?)?;
        let issuer = document.str_at(&["issuer"]);
        if issuer != self.issuer {
            let (own, given) = (field::quote(&self.issuer), field::quote(issuer));
            return Err(format!(
                "oidc: issuer did not match the issuer returned by provider, expected {own} got {given}"
            ));
        }
        match document.str_at(&["jwks_uri"]) {
            "" => Err("provider did not return JWKS URL".into()),
            uri => {
                let _ = self.jwks_uri.set(uri.into());
                Ok(())
            }
        }
    }

    /// Verifies a token's signature with the cached keys, and then with the issuer's current ones.
    pub async fn verify(&self, token: &Unproven<'_>) -> Result<(), String> {
        let Some(uri) = self.jwks_uri.get() else { return Err("oidc: authenticator not initialized".into()) };
        let known = self.fetched();
        if known.keys.has_signed(token) {
            return Ok(());
        }
        let failed = || Err(String::from("failed to verify id token signature"));
        if known.holds_until.is_some_and(|until| Instant::now() + EXPIRY_SKEW < until) {
            return failed();
        }
        let mut allowance = self.fetching.lock().await;
        // Another request may have fetched the keys while this one waited for the lock.
        let meanwhile = self.fetched();
        let is_newer = !Arc::ptr_eq(&known, &meanwhile);
        if is_newer && meanwhile.keys.has_signed(token) {
            return Ok(());
        }
        if is_newer || !allowance.take(Instant::now()) {
            return failed();
        }
        let fetched = self.fetch_keys(uri).await.map_err(|error| format!("fetching keys {error}"))?;
        let is_good = fetched.keys.has_signed(token);
        *self.fetched.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fetched);
        if is_good { Ok(()) } else { failed() }
    }

    fn fetched(&self) -> Arc<Fetched> {
        self.fetched.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn fetch_keys(&self, uri: &str) -> Result<Fetched, String> {
        let answer = self.get(uri).await?;
        let holds = answer.header("cache-control").and_then(max_age);
        Ok(Fetched {
            keys: KeySet::read(&parse(&answer)?)?,
            holds_until: holds.map(|age| Instant::now() + age),
        })
    }

    async fn get(&self, address: &str) -> Result<Answer, String> {
        fetch(address, &self.tls, FETCH_MAX).await.map_err(|failure| failure.to_string())
    }
}

impl Allowance {
    fn take(&mut self, now: Instant) -> bool {
        while self.left < FETCHES_MAX && now.duration_since(self.counted) >= FETCH_AGAIN {
            self.left += 1;
            self.counted += FETCH_AGAIN;
        }
        if self.left == FETCHES_MAX {
            self.counted = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

fn parse(answer: &Answer) -> Result<Value, String> {
    json::parse(&answer.body).map_err(|_| String::from("the answer is not JSON"))
}

/// The time for which a response may be cached; none when it may not be, or does not say.
fn max_age(cache_control: &str) -> Option<Duration> {
    let mut directives = cache_control.split(',').map(str::trim);
    if directives.clone().any(|one| ["no-cache", "no-store"].contains(&one.to_ascii_lowercase().as_str())) {
        return None;
    }
    let seconds = directives.find_map(|one| one.to_ascii_lowercase().strip_prefix("max-age=")?.parse().ok());
    // Issuers may not ask for more than a day.
    seconds.map(|seconds: u64| Duration::from_secs(seconds.min(24 * 60 * 60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_may_be_kept_as_they_say() {
        for (text, expected) in [
            ("public, max-age=60", Some(60)),
            ("Max-Age=5", Some(5)),
            ("max-age=60, no-store", None),
            ("no-cache", None),
            ("", None),
            ("max-age=999999999", Some(86_400)),
        ] {
            assert_eq!(max_age(text), expected.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn fetches_are_few() {
        let start = Instant::now();
        let mut allowance = Allowance { left: FETCHES_MAX, counted: start };
        let taken = |allowance: &mut Allowance, now| (0..10).filter(|_| allowance.take(now)).count();
        assert_eq!(taken(&mut allowance, start), 5);
        assert_eq!(taken(&mut allowance, start + FETCH_AGAIN), 1);
        assert_eq!(taken(&mut allowance, start + FETCH_AGAIN * 3), 2);
        assert_eq!(taken(&mut allowance, start + FETCH_AGAIN * 100), 5);
    }
}
