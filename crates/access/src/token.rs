//! Token authenticators: the traits, and the verdict of each about a token.

use pintle_object::Value;
use pintle_object::user::User;
use std::pin::Pin;
use std::sync::Arc;

/// The user of a token, and the audiences that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub user: Arc<User>,
    /// The wanted audiences that the token is for.
    pub audiences: Vec<String>,
    /// Annotations about the token for the audit of the request.
    pub annotations: Vec<(&'static str, String)>,
}

impl Known {
    /// The user with the group `system:authenticated`.
    pub fn authenticated(self) -> Known {
        if self.user.is_authenticated() {
            return self;
        }
        Known { user: Arc::new(Arc::unwrap_or_clone(self.user).authenticated()), ..self }
    }
}

/// The answer of one authenticator about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Known(Box<Known>),
    /// The token is of another kind; the next authenticator is asked.
    Unknown,
    /// The token is of this kind, but not valid.
    Refused(String),
}

pub trait TokenAuthenticator: Send + Sync {
    /// `wanted`: the audiences that the token must be for one of; the server's own when absent.
    fn authenticate(&self, token: &str, wanted: Option<&[String]>, now_seconds: i64) -> Verdict;
}

/// A verdict that may take its time.
pub type PendingVerdict<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// An authenticator that may have to ask another server about a token.
pub trait RemoteAuthenticator: Send + Sync {
    /// As `TokenAuthenticator::authenticate`.
    fn ask<'a>(
        &'a self,
        token: &'a str,
        wanted: Option<&'a [String]>,
        now_seconds: i64,
    ) -> PendingVerdict<'a>;
}

/// Lookup of the core group's objects that tokens depend on.
pub trait Objects: Send + Sync {
    fn stored(&self, plural: &str, namespace: &str, name: &str) -> Option<Value>;

    /// The same with nothing but its metadata, where that takes less time.
    fn stored_metadata(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        self.stored(plural, namespace, name)
    }

    /// Notes on a Secret the day on which its token was last used, without waiting for the write.
    fn note_use(&self, namespace: &str, secret: &str, day: &str) {
        let _ = (namespace, secret, day);
    }
}

/// Those of the wanted audiences that are among the own, in the order wanted.
pub fn intersect(own: &[String], wanted: &[String]) -> Vec<String> {
    wanted.iter().filter(|audience| own.contains(audience)).cloned().collect()
}

/// A verdict of an authenticator whose tokens name no audience: they are for the server alone.
pub fn for_server(user: impl Into<Arc<User>>, own: &[String], wanted: Option<&[String]>) -> Verdict {
    let audiences = match wanted {
        Some(wanted) => intersect(own, wanted),
        None => own.to_vec(),
    };
    if wanted.is_some() && audiences.is_empty() {
        return Verdict::Unknown;
    }
    Verdict::Known(Box::new(Known { user: user.into(), audiences, annotations: Vec::new() }))
}

/// Compares two texts in constant time.
pub(crate) fn is_same(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}
