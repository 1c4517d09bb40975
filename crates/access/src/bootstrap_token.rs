//! Bootstrap tokens: `<id>.<secret>`, held in Secrets of `kube-system`, with which a new node introduces itself.

use crate::token::{Objects, TokenAuthenticator, Verdict, for_server, is_same};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pintle_object::Value;
use pintle_object::time::Time;
use pintle_object::user::User;
use std::sync::Arc;

const GROUP: &str = "system:bootstrappers";
/// The longest name of an extra group after its prefix.
const GROUP_LEN_MAX: usize = 256;

pub struct BootstrapTokens {
    pub api_audiences: Vec<String>,
    pub objects: Arc<dyn Objects>,
}

impl TokenAuthenticator for BootstrapTokens {
    fn authenticate(&self, token: &str, wanted: Option<&[String]>, now_seconds: i64) -> Verdict {
        let Some((id, secret)) = parse(token) else { return Verdict::Unknown };
        let name = format!("bootstrap-token-{id}");
        let Some(stored) = self.objects.stored("secrets", "kube-system", &name) else {
            return Verdict::Unknown;
        };
        match groups(&stored, id, secret, now_seconds) {
            Some(groups) => {
                let user = User { name: format!("system:bootstrap:{id}"), groups, ..User::default() };
                for_server(user, &self.api_audiences, wanted)
            }
            None => Verdict::Unknown,
        }
    }
}

fn parse(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('.')?;
    let fits = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    (fits(id, 6) && fits(secret, 16)).then_some((id, secret))
}

/// The groups of the token's user, when its Secret says that it may be used.
fn groups(stored: &Value, id: &str, secret: &str, now_seconds: i64) -> Option<Vec<String>> {
    let data = |key: &str| STANDARD.decode(stored.str_at(&["data", key])).ok();
    let text = |key: &str| data(key).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let expiration = text("expiration");
    let is_fresh =
        expiration.is_empty() || Time::parse(&expiration).is_ok_and(|time| time.seconds > now_seconds);
    let is_usable = stored.str_at(&["type"]) == "bootstrap.kubernetes.io/token"
        && stored.str_at(&["metadata", "deletionTimestamp"]).is_empty()
        && is_same(&data("token-secret")?, secret.as_bytes())
        && text("token-id") == id
        && is_fresh
        && text("usage-bootstrap-authentication") == "true";
    if !is_usable {
        return None;
    }
    let extra = text("auth-extra-groups");
    let extra: Vec<&str> = extra.split(',').filter(|group| !group.is_empty()).collect();
    if !extra.iter().all(|group| is_group(group)) {
        return None;
    }
    let mut groups: Vec<String> = std::iter::once(GROUP).chain(extra).map(String::from).collect();
    groups.sort();
    groups.dedup();
    Some(groups)
}

/// `system:bootstrappers:` and a name.
fn is_group(group: &str) -> bool {
    let Some(name) = group.strip_prefix(GROUP).and_then(|rest| rest.strip_prefix(':')) else { return false };
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b":-".contains(&byte);
    let ends_well =
        name.bytes().next_back().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    name.len() <= GROUP_LEN_MAX && ends_well && name.bytes().all(is_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(&'static str);

    impl Objects for One {
        fn stored(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
            let is_it = (plural, namespace, name) == ("secrets", "kube-system", "bootstrap-token-abcdef");
            let data = self.0.split(' ').filter_map(|pair| pair.split_once('='));
            let mut secret = Value::map();
            secret.set(&["type"], "bootstrap.kubernetes.io/token");
            for (key, value) in data {
                secret.set(&["data", key], STANDARD.encode(value));
            }
            is_it.then_some(secret)
        }
    }

    #[test]
    fn a_token_must_be_the_one_of_its_secret_and_meant_for_this() {
        let check = |data: &'static str, token: &str, expected: &str| {
            let tokens = BootstrapTokens { api_audiences: vec!["api".into()], objects: Arc::new(One(data)) };
            let found = match tokens.authenticate(token, None, 1000) {
                Verdict::Known(known) => format!("{} {}", known.user.name, known.user.groups.join(",")),
                other => format!("{other:?}"),
            };
            assert_eq!(found, expected, "{data} {token}");
        };
        const GOOD: &str =
            "token-id=abcdef token-secret=0123456789abcdef usage-bootstrap-authentication=true";
        let token = "abcdef.0123456789abcdef";
        check(GOOD, token, "system:bootstrap:abcdef system:bootstrappers");
        for bad in ["abcdef.0123456789abcdee", "abcdeg.0123456789abcdef", "abcdef.short", "x", "a.b.c"] {
            check(GOOD, bad, "Unknown");
        }
        check("token-id=abcdef token-secret=0123456789abcdef", token, "Unknown");
        check(
            "token-id=other1 token-secret=0123456789abcdef usage-bootstrap-authentication=true",
            token,
            "Unknown",
        );
        let expired = "token-id=abcdef token-secret=0123456789abcdef usage-bootstrap-authentication=true \
                       expiration=1970-01-01T00:00:01Z";
        check(expired, token, "Unknown");
        let groups = "token-id=abcdef token-secret=0123456789abcdef usage-bootstrap-authentication=true \
                      auth-extra-groups=system:bootstrappers:a";
        check(groups, token, "system:bootstrap:abcdef system:bootstrappers,system:bootstrappers:a");
        let masters = "token-id=abcdef token-secret=0123456789abcdef usage-bootstrap-authentication=true \
                       auth-extra-groups=system:masters";
        check(masters, token, "Unknown");
    }
}
