//! Impersonation: a user acts as another, as far as they may.
//!
//! The constrained modes come first (impersonating a user, and making a request as that user, are authorized
//! separately), then the one old permission `impersonate`. Without success, the first refusal is the answer.

use crate::asking::Asking;
use crate::authorize::{Authorizer, check, refusal};
use pintle_object::field::quote;
use pintle_object::user::{ANONYMOUS, AUTHENTICATED, MASTERS, UNAUTHENTICATED, User};
use pintle_object::{RequestInfo, Status, Verb, content};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

const AUTHENTICATION: &str = "authentication.k8s.io";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const NODE_KEYS: &str = "authentication.kubernetes.io/associated-node-keys";
const PREFIX: &str = "impersonate-";
const EXTRA_PREFIX: &str = "impersonate-extra-";
const NODE_PREFIX: &str = "system:node:";

/// The number of values of a kind from which permission for all values is checked first.
const MANY: usize = 4;

/// Users whose last successful mode is remembered; beyond it everything is forgotten.
const REMEMBERED_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ImpersonationMode {
    AssociatedNode,
    ArbitraryNode,
    ServiceAccount,
    UserInfo,
    Legacy,
}

const MODES: &[ImpersonationMode] = &[
    ImpersonationMode::AssociatedNode,
    ImpersonationMode::ArbitraryNode,
    ImpersonationMode::ServiceAccount,
    ImpersonationMode::UserInfo,
    ImpersonationMode::Legacy,
];

/// The impersonation stage. Remembers the mode in which a user last succeeded, and tries it first.
#[derive(Debug)]
pub struct Impersonation {
    modes: &'static [ImpersonationMode],
    last: Mutex<HashMap<String, ImpersonationMode>>,
}

impl Impersonation {
    pub fn constrained() -> Impersonation {
        Impersonation { modes: MODES, last: Mutex::default() }
    }

    /// By the one old permission alone (without the gate ConstrainedImpersonation).
    pub fn legacy() -> Impersonation {
        Impersonation { modes: &[ImpersonationMode::Legacy], last: Mutex::default() }
    }

    /// The user that a request is to act as, and the verb of the mode that allows it; empty for the old permission.
    pub async fn impersonate(
        &self,
        authorizer: &Arc<dyn Authorizer>,
        requestor: &User,
        wanted: &User,
        info: &RequestInfo,
    ) -> Result<(User, String), Status> {
        let (user, mode) = if authorizer.waits() {
            let asking = Asking::new(authorizer.clone());
            loop {
                let found = self.find(&asking, requestor, wanted, info);
                if !asking.learns().await {
                    break found;
                }
            }
        } else {
            self.find(authorizer.as_ref(), requestor, wanted, info)
        }?;
        self.remember(&requestor.name, mode);
        let constraint = if mode == ImpersonationMode::Legacy { String::new() } else { mode.verb() };
        Ok((user, constraint))
    }

    /// The first mode that allows the impersonation, and the resulting user.
    fn find(
        &self,
        authorizer: &dyn Authorizer,
        requestor: &User,
        wanted: &User,
        info: &RequestInfo,
    ) -> Result<(User, ImpersonationMode), Status> {
        let last = self.remembered(&requestor.name);
        let rest = self.modes.iter().copied().filter(|mode| Some(*mode) != last);
        let mut refused = None;
        for mode in last.into_iter().chain(rest).filter(|mode| mode.fits(wanted, requestor)) {
            let attempt = Attempt { mode, authorizer, requestor };
            match attempt.run(wanted, info) {
                Ok(user) => return Ok((user, mode)),
                Err(status) => drop(refused.get_or_insert(status)),
            }
        }
        Err(refused.unwrap_or_else(|| Status::internal("all impersonation modes failed")))
    }

    fn remembered(&self, name: &str) -> Option<ImpersonationMode> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    fn remember(&self, name: &str, mode: ImpersonationMode) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(name) == Some(&mode) {
            return;
        }
        if last.len() >= REMEMBERED_MAX {
            last.clear();
        }
        last.insert(name.into(), mode);
    }
}

/// The user that the headers ask for; none without any. Header names are in lower case; of repeated single headers the
/// first value counts. If it is empty and another is not, the request is refused, unlike upstream, which goes on as the
/// impersonator.
pub fn wanted<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Option<User>, Status> {
    let mut user = User::default();
    let (mut user_name, mut uid) = (None, None);
    let mut is_wanted = false;
    for (name, value) in headers.filter(|(name, _)| name.starts_with(PREFIX)) {
        let text = || {
            let text = std::str::from_utf8(value).map(String::from);
            text.map_err(|_| Status::bad_request(format!("the value of the header {name} is not UTF-8")))
        };
        match name {
            "impersonate-user" if user_name.is_none() => user_name = Some(text()?),
            "impersonate-uid" if uid.is_none() => uid = Some(text()?),
            "impersonate-user" | "impersonate-uid" => {
                let first = if name == "impersonate-user" { &user_name } else { &uid };
                if first.as_ref().is_some_and(String::is_empty) && !value.is_empty() {
                    let why = format!("the header {name} is given twice, and is empty first");
                    return Err(Status::bad_request(why));
                }
            }
            "impersonate-group" => {
                user.groups.push(text()?);
                is_wanted = true;
            }
            _ => {
                let Some(key) = name.strip_prefix(EXTRA_PREFIX) else { continue };
                user.extra.entry(unescape(key)).or_default().push(text()?);
                is_wanted = true;
            }
        }
    }
    (user.name, user.uid) = (user_name.unwrap_or_default(), uid.unwrap_or_default());
    if !user.name.is_empty() {
        return Ok(Some(user));
    }
    if is_wanted || !user.uid.is_empty() {
        let shown = go_syntax(&user);
        return Err(Status::bad_request(format!("requested {shown} without impersonating a user name")));
    }
    Ok(None)
}

/// Keys of extra values are escaped to be header names.
pub(crate) fn unescape(key: &str) -> String {
    let mut out = Vec::with_capacity(key.len());
    let mut bytes = key.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else { return key.into() };
        out.push((high * 16 + low) as u8);
    }
    String::from_utf8(out).unwrap_or_else(|_| key.into())
}

/// Go's `%#v` of the user, which upstream's refusal shows.
fn go_syntax(user: &User) -> String {
    let list = |texts: &[String]| {
        let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
        format!("[]string{{{}}}", quoted.join(", "))
    };
    let groups = if user.groups.is_empty() { "[]string(nil)".into() } else { list(&user.groups) };
    let entries: Vec<String> =
        user.extra.iter().map(|(key, values)| format!("{}:{}", quote(key), list(values))).collect();
    let extra = match entries.is_empty() {
        true => String::from("map[string][]string(nil)"),
        false => format!("map[string][]string{{{}}}", entries.join(", ")),
    };
    let (name, uid) = (quote(&user.name), quote(&user.uid));
    format!("&user.DefaultInfo{{Name:{name}, UID:{uid}, Groups:{groups}, Extra:{extra}}}")
}

impl ImpersonationMode {
    fn name(self) -> &'static str {
        match self {
            ImpersonationMode::AssociatedNode => "associated-node",
            ImpersonationMode::ArbitraryNode => "arbitrary-node",
            ImpersonationMode::ServiceAccount => "serviceaccount",
            ImpersonationMode::UserInfo => "user-info",
            ImpersonationMode::Legacy => "",
        }
    }

    fn verb(self) -> String {
        match self {
            ImpersonationMode::Legacy => String::from("impersonate"),
            mode => format!("impersonate:{}", mode.name()),
        }
    }

    /// Whether a mode applies to such a user.
    fn fits(self, wanted: &User, requestor: &User) -> bool {
        let is_only_name = wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
        let node = node_name(&wanted.name);
        match self {
            ImpersonationMode::AssociatedNode => {
                let own = requestor.extra.get(NODE_NAME).filter(|values| values.len() == 1);
                is_only_name
                    && service_account(&requestor.name).is_some()
                    && node.is_some_and(|node| own.is_some_and(|own| own.iter().any(|own| own == node)))
            }
            ImpersonationMode::ArbitraryNode => is_only_name && node.is_some(),
            ImpersonationMode::ServiceAccount => is_only_name && service_account(&wanted.name).is_some(),
            ImpersonationMode::UserInfo => node.is_none() && service_account(&wanted.name).is_none(),
            ImpersonationMode::Legacy => true,
        }
    }
}

/// One mode, tried.
struct Attempt<'a> {
    mode: ImpersonationMode,
    authorizer: &'a dyn Authorizer,
    requestor: &'a User,
}

impl Attempt<'_> {
    fn run(&self, wanted: &User, info: &RequestInfo) -> Result<User, Status> {
        if self.mode != ImpersonationMode::Legacy {
            let verb = format!("impersonate-on:{}:{}", self.mode.name(), info.verb.as_str());
            self.ask(&info.with_verb(Verb::named(&verb)))?;
        }
        let mut user = wanted.clone();
        self.check_name(wanted, &mut user)?;
        if !wanted.uid.is_empty() {
            self.ask(&self.about(AUTHENTICATION, "uids", &wanted.uid))?;
        }
        self.check_groups(&wanted.groups)?;
        self.check_extra(&wanted.extra)?;
        let missing = match user.name.as_str() {
            ANONYMOUS => Some(UNAUTHENTICATED),
            _ if user.is_in(UNAUTHENTICATED) => None,
            _ => Some(AUTHENTICATED),
        };
        if let Some(group) = missing.filter(|group| !user.is_in(group)) {
            user.groups.push(group.into());
        }
        Ok(user)
    }

    fn check_name(&self, wanted: &User, user: &mut User) -> Result<(), Status> {
        let mut about = self.about(self.group(), "users", &wanted.name);
        if let (true, Some(node)) = (self.is_constrained(), node_name(&wanted.name)) {
            about.resource = "nodes".into();
            // A permission for the pods of a daemon on their own node names no node.
            about.name = if self.mode == ImpersonationMode::AssociatedNode { "*" } else { node }.into();
            user.groups = vec![String::from("system:nodes")];
        }
        if let Some((namespace, name)) = service_account(&wanted.name) {
            about.resource = "serviceaccounts".into();
            (about.namespace, about.name) = (namespace.into(), name.into());
            if wanted.groups.is_empty() {
                user.groups = service_account_groups(namespace).to_vec();
            }
        }
        self.ask(&about)
    }

    fn check_groups(&self, groups: &[String]) -> Result<(), Status> {
        if groups.is_empty() {
            return Ok(());
        }
        let about = |name: &str| self.about(self.group(), "groups", name);
        if self.is_constrained() {
            if groups.iter().any(String::is_empty) {
                let why = "impersonating the empty string group is not allowed";
                return Err(refusal(self.requestor, &about(""), why));
            }
            if groups.iter().any(|group| group == MASTERS) {
                let why = "impersonating the system:masters group is not allowed";
                return Err(refusal(self.requestor, &about(MASTERS), why));
            }
            if groups.len() >= MANY && self.ask(&about("*")).is_ok() {
                return Ok(());
            }
        }
        groups.iter().try_for_each(|group| self.ask(&about(group)))
    }

    fn check_extra(&self, extra: &BTreeMap<String, Vec<String>>) -> Result<(), Status> {
        if extra.is_empty() {
            return Ok(());
        }
        let about = |key: &str, value: &str| RequestInfo {
            subresource: key.into(),
            ..self.about(AUTHENTICATION, "userextras", value)
        };
        if self.is_constrained() {
            if let Some(why) = extra.iter().find_map(|(key, values)| bad_extra(key, values)) {
                return Err(refusal(self.requestor, &about("", ""), &why));
            }
            let count: usize = extra.values().map(Vec::len).sum();
            if count >= MANY && self.ask(&about("*", "*")).is_ok() {
                return Ok(());
            }
        }
        for (key, values) in extra {
            values.iter().try_for_each(|value| self.ask(&about(key, value)))?;
        }
        Ok(())
    }

    fn is_constrained(&self) -> bool {
        self.mode != ImpersonationMode::Legacy
    }

    fn group(&self) -> &'static str {
        if self.is_constrained() { AUTHENTICATION } else { "" }
    }

    /// The attributes for authorizing the impersonation of a name in the mode.
    fn about(&self, group: &str, resource: &str, name: &str) -> RequestInfo {
        RequestInfo {
            verb: Verb::named(&self.mode.verb()),
            is_resource: true,
            group: group.into(),
            version: "v1".into(),
            resource: resource.into(),
            name: name.into(),
            ..RequestInfo::default()
        }
    }

    fn ask(&self, info: &RequestInfo) -> Result<(), Status> {
        if self.mode != ImpersonationMode::AssociatedNode {
            return check(self.authorizer, self.requestor, info);
        }
        // The node is checked; where else the pod belongs must not matter.
        let keys = self.requestor.extra.keys().cloned().collect();
        let extra = BTreeMap::from([(String::from(NODE_KEYS), keys)]);
        check(self.authorizer, &User { extra, ..self.requestor.clone() }, info)
    }
}

/// The error in a pair of extra values, in the constrained modes.
fn bad_extra(key: &str, values: &[String]) -> Option<String> {
    if key.is_empty() {
        return Some("impersonating the empty string key in extra is not allowed".into());
    }
    if let Some(why) = bad_path(key) {
        return Some(format!(
            "impersonating an invalid key in extra is not allowed: extra.key: Invalid value: {}: {why}",
            quote(key)
        ));
    }
    if key.chars().any(char::is_uppercase) {
        let key = quote(key);
        return Some(format!("impersonating a non-lowercase key in extra is not allowed: {key}"));
    }
    if values.iter().any(String::is_empty) {
        return Some("impersonating the empty string value in extra is not allowed".into());
    }
    None
}

/// Keys are paths under a domain: `example.com/key`.
fn bad_path(key: &str) -> Option<String> {
    let Some((host, path)) = key.split_once('/').filter(|(host, path)| !host.is_empty() && !path.is_empty())
    else {
        return Some("must be a domain-prefixed path (such as \"acme.io/foo\")".into());
    };
    if let Some(why) = content::dns1123_subdomain(host).into_iter().next() {
        return Some(why.to_string());
    }
    let is_bad = |c: char| !(c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=%:@/".contains(c));
    path.contains(is_bad).then(|| String::from("Invalid path"))
}

/// The node of a user name `system:node:<name>`.
pub fn node_name(user: &str) -> Option<&str> {
    user.strip_prefix(NODE_PREFIX).filter(|name| content::dns1123_subdomain(name).is_empty())
}

/// Namespace and name of `system:serviceaccount:<namespace>:<name>`.
pub fn service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    let is_valid =
        content::dns1123_label(namespace).is_empty() && content::dns1123_subdomain(name).is_empty();
    is_valid.then_some((namespace, name))
}

/// The groups that every service account of a namespace is in.
pub fn service_account_groups(namespace: &str) -> [String; 2] {
    ["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::Decision;

    /// Allows listed requests, as `verb resource/subresource name`.
    struct Listed(&'static [&'static str]);

    impl Authorizer for Listed {
        fn authorize(&self, _: &User, asked: &RequestInfo) -> Decision {
            let sub = if asked.subresource.is_empty() { "" } else { "/" };
            let text = format!(
                "{} {}{sub}{} {}",
                asked.verb.as_str(),
                asked.resource,
                asked.subresource,
                asked.name
            );
            if self.0.contains(&text.as_str()) {
                Decision::Allow(String::new())
            } else {
                Decision::NoOpinion(String::new())
            }
        }
    }

    fn act(allowed: &'static [&'static str], headers: &[(&str, &str)]) -> Result<String, String> {
        let requestor = User { name: "alice".into(), ..User::default() };
        let info = RequestInfo {
            verb: Verb::Get,
            is_resource: true,
            resource: "pods".into(),
            name: "p".into(),
            ..RequestInfo::default()
        };
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let wanted = wanted(headers).map_err(|status| status.message)?.unwrap();
        let found = Impersonation::constrained().find(&Listed(allowed), &requestor, &wanted, &info);
        let (user, _) = found.map_err(|status| status.message)?;
        Ok(format!("{} {} {:?}", user.name, user.groups.join(","), user.extra))
    }

    #[test]
    fn one_may_act_as_those_one_may_impersonate() {
        let user = ("impersonate-user", "bob");
        let group = ("impersonate-group", "ops");
        assert_eq!(act(&["impersonate users bob"], &[user]), Ok("bob system:authenticated {}".into()));
        assert_eq!(
            act(&["impersonate users bob", "impersonate groups ops"], &[user, group]),
            Ok("bob ops,system:authenticated {}".into())
        );
        assert_eq!(
            act(&["impersonate-on:user-info:get pods p", "impersonate:user-info users bob"], &[user]),
            Ok("bob system:authenticated {}".into())
        );
        assert_eq!(
            act(&["impersonate serviceaccounts s"], &[("impersonate-user", "system:serviceaccount:n:s")]),
            Ok("system:serviceaccount:n:s system:serviceaccounts,system:serviceaccounts:n,system:authenticated {}"
                .into())
        );
        assert_eq!(
            act(&["impersonate users system:anonymous"], &[("impersonate-user", "system:anonymous")]),
            Ok("system:anonymous system:unauthenticated {}".into())
        );
        assert_eq!(
            act(
                &["impersonate users bob", "impersonate userextras/a/b x"],
                &[user, ("impersonate-extra-a%2fb", "x")]
            ),
            Ok("bob system:authenticated {\"a/b\": [\"x\"]}".into())
        );
    }

    #[test]
    fn the_first_refusal_is_the_answer() {
        let check = |allowed, headers: &[(&str, &str)], expected: &str| {
            assert_eq!(act(allowed, headers), Err(expected.into()));
        };
        let place = "in API group \"\" at the cluster scope";
        check(
            &[],
            &[("impersonate-user", "bob")],
            &format!(
                "pods \"p\" is forbidden: User \"alice\" cannot impersonate-on:user-info:get resource \"pods\" {place}"
            ),
        );
        check(
            &["impersonate users system:node:n"],
            &[("impersonate-user", "system:node:n"), ("impersonate-group", "g")],
            &format!(
                "groups \"g\" is forbidden: User \"alice\" cannot impersonate resource \"groups\" {place}"
            ),
        );
        check(
            &[],
            &[("impersonate-group", "dev")],
            "requested &user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string{\"dev\"}, \
             Extra:map[string][]string(nil)} without impersonating a user name",
        );
    }

    #[test]
    fn headers_are_utf_8_and_none_is_passed_over() {
        let check = |headers: &[(&str, &[u8])], expected: Result<&str, &str>| {
            let found =
                wanted(headers.iter().copied()).map(|user| user.map_or(String::new(), |user| user.name));
            let found = found.map_err(|status| status.message);
            assert_eq!(found, expected.map(String::from).map_err(String::from), "{headers:?}");
        };
        check(&[("impersonate-user", "jos\u{e9}".as_bytes())], Ok("jos\u{e9}"));
        check(&[("impersonate-user", b"bob"), ("impersonate-user", b"admin")], Ok("bob"));
        check(&[("accept", b"\xff")], Ok(""));
        check(&[("impersonate-user", b""), ("impersonate-user", b"")], Ok(""));
        let twice = "the header impersonate-user is given twice, and is empty first";
        check(&[("impersonate-user", b""), ("impersonate-user", b"bob")], Err(twice));
        let lost = "requested &user.DefaultInfo{Name:\"\", UID:\"u\", Groups:[]string(nil), \
                    Extra:map[string][]string(nil)} without impersonating a user name";
        check(&[("impersonate-user", b""), ("impersonate-uid", b"u")], Err(lost));
        for name in ["impersonate-user", "impersonate-uid", "impersonate-group", "impersonate-extra-a"] {
            let why = format!("the value of the header {name} is not UTF-8");
            check(&[(name, b"jos\xe9")], Err(&why));
        }
    }
}
