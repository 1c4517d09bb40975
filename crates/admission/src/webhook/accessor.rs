//! A webhook as it is configured, and whether it is to be called for a request.

use super::Kind;
use super::match_conditions::Matcher;
use super::predicates::rules::RuleWithOperations;
use super::predicates::{Matched, Selectors, matched};
use super::versioned::Versions;
use crate::cel::Variables;
use crate::request::Request;
use pintle_cel::Scope;
use pintle_object::{Status, Value};
use std::sync::OnceLock;

/// How long a webhook may take without a word about it.
const TIMEOUT_SECONDS: i64 = 10;

pub struct Webhook {
    pub kind: Kind,
    pub configuration: String,
    pub name: String,
    /// Whether what fails is let through.
    pub is_lenient: bool,
    /// Namespace and name of the service that answers.
    pub service: Option<(String, String)>,
    /// Where it is called, without a query.
    pub url: String,
    pub timeout_seconds: i64,
    rules: Vec<RuleWithOperations>,
    is_equivalent: bool,
    selectors: Selectors,
    conditions: Vec<Value>,
    matcher: OnceLock<Matcher>,
}

impl Webhook {
    pub fn read(kind: Kind, configuration: &str, of: &Value) -> Webhook {
        let client = of.get("clientConfig").unwrap_or(&Value::Null);
        let service = client.get("service").filter(|service| !service.is_null());
        let text = |of: &Value, field: &str| of.str_at(&[field]).to_owned();
        let url = match service {
            Some(service) => {
                let port = service.int_at(&["port"]).unwrap_or(443);
                let (namespace, name) = (service.str_at(&["namespace"]), service.str_at(&["name"]));
                format!("https://{name}.{namespace}.svc:{port}{}", service.str_at(&["path"]))
            }
            None => text(client, "url"),
        };
        Webhook {
            kind,
            configuration: configuration.to_owned(),
            name: text(of, "name"),
            is_lenient: of.str_at(&["failurePolicy"]) == "Ignore",
            service: service.map(|service| (text(service, "namespace"), text(service, "name"))),
            url,
            timeout_seconds: of.int_at(&["timeoutSeconds"]).unwrap_or(TIMEOUT_SECONDS),
            rules: RuleWithOperations::list(of.list_at(&["rules"])),
            is_equivalent: of.str_at(&["matchPolicy"]) == "Equivalent",
            selectors: Selectors::from_value(of),
            conditions: of.list_at(&["matchConditions"]).to_vec(),
            matcher: OnceLock::new(),
        }
    }

    /// The resource by whose objects the webhook is to be called, if it is. What cannot be asked counts only for
    /// what the rules match.
    pub fn should_call(
        &self,
        request: &Request<'_>,
        object: &Value,
        versions: &mut Versions<'_>,
    ) -> Result<Option<Matched>, Status> {
        let Some(selected) = self.selectors.select(request, object) else { return Ok(None) };
        let name = request.admission_name(object);
        let Some(matched) = matched(request, name, &self.rules, self.is_equivalent) else { return Ok(None) };
        selected?;
        if self.conditions.is_empty() {
            return Ok(Some(matched));
        }
        let versioned = versions.of(&matched)?;
        let nothing = (&Value::Null, &Variables::default());
        match self.matcher().matches(request, object, &versioned, nothing) {
            Ok(true) => Ok(Some(matched)),
            Ok(false) => Ok(None),
            Err(why) => Err(Status::forbidden(&request.resource(), name, &why)),
        }
    }

    /// The conditions, compiled when they are needed first.
    fn matcher(&self) -> &Matcher {
        self.matcher.get_or_init(|| Matcher::new(&self.conditions, &Scope::admission(), self.is_lenient))
    }
}
