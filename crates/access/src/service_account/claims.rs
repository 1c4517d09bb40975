//! The claims of a service account's token: its subject, audiences, lifetime, and the objects that it is bound to.

use crate::jwt::{audiences, number};
use pintle_object::user::User;
use pintle_object::{Map, Value};

/// An object by name and uid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    pub name: String,
    pub uid: String,
}

/// Everything that a token grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    pub namespace: String,
    pub account: Bound,
    pub pod: Option<Bound>,
    pub secret: Option<Bound>,
    /// The node that the token is bound to, or that its pod is on.
    pub node: Option<Bound>,
    pub audiences: Vec<String>,
    pub issuer: String,
    /// The id of this token (`jti`).
    pub id: String,
    /// Seconds since 1970, as all times here.
    pub issued: i64,
    pub not_before: i64,
    pub expires: i64,
    /// The time after which its use is noted as stale: the client should have read a renewed token.
    pub warn_after: Option<i64>,
}

impl Grant {
    pub fn subject(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.account.name)
    }

    /// The claims as JSON, keys in order.
    pub fn to_json(&self) -> String {
        let mut own = Map::new();
        own.insert("namespace", self.namespace.as_str());
        own.insert("serviceaccount", reference(&self.account));
        for (field, bound) in [("pod", &self.pod), ("secret", &self.secret), ("node", &self.node)] {
            if let Some(bound) = bound {
                own.insert(field, reference(bound));
            }
        }
        if let Some(time) = self.warn_after {
            own.insert("warnafter", time);
        }
        let mut claims = Map::new();
        let audiences = self.audiences.iter().map(|audience| Value::from(audience.as_str()));
        claims.insert("aud", audiences.collect::<Vec<_>>());
        claims.insert("exp", self.expires);
        claims.insert("iat", self.issued);
        claims.insert("iss", self.issuer.as_str());
        claims.insert("jti", self.id.as_str());
        claims.insert("kubernetes.io", own);
        claims.insert("nbf", self.not_before);
        claims.insert("sub", self.subject());
        pintle_object::json::to_string(&Value::Map(claims))
    }

    /// Reads the claims of a token whose signature is valid.
    pub fn read(claims: &Value) -> Grant {
        let own = |field| read_reference(claims.at(&["kubernetes.io", field]));
        let time = |field| number(claims.get(field));
        Grant {
            namespace: claims.str_at(&["kubernetes.io", "namespace"]).into(),
            account: own("serviceaccount").unwrap_or_default(),
            pod: own("pod"),
            secret: own("secret"),
            node: own("node"),
            audiences: audiences(claims),
            issuer: claims.str_at(&["iss"]).into(),
            id: claims.str_at(&["jti"]).into(),
            issued: time("iat").unwrap_or(0),
            not_before: time("nbf").unwrap_or(0),
            expires: time("exp").unwrap_or(0),
            warn_after: number(claims.at(&["kubernetes.io", "warnafter"])),
        }
    }

    /// The user of the token.
    pub fn user(&self) -> User {
        let groups = crate::impersonate::service_account_groups(&self.namespace).to_vec();
        let mut user =
            User { name: self.subject(), uid: self.account.uid.clone(), groups, ..User::default() };
        let mut add = |key: &str, value: String| {
            if !value.is_empty() {
                user.extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
            }
        };
        if !self.id.is_empty() {
            add("credential-id", format!("JTI={}", self.id));
        }
        for (kind, bound) in [("pod", &self.pod), ("node", &self.node)] {
            let Some(bound) = bound else { continue };
            add(&format!("{kind}-name"), bound.name.clone());
            add(&format!("{kind}-uid"), bound.uid.clone());
        }
        user
    }
}

fn reference(bound: &Bound) -> Map {
    let mut map = Map::new();
    map.insert("name", bound.name.as_str());
    if !bound.uid.is_empty() {
        map.insert("uid", bound.uid.as_str());
    }
    map
}

fn read_reference(value: Option<&Value>) -> Option<Bound> {
    let value = value.filter(|value| !value.is_null())?;
    Some(Bound { name: value.str_at(&["name"]).into(), uid: value.str_at(&["uid"]).into() })
}
