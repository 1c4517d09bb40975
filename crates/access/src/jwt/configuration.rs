//! `Configuration`: AuthenticationConfiguration of `apiserver.config.k8s.io`, read strictly.

use pintle_object::field::quote;
use pintle_object::{Map, Value, yaml};

const GROUP: &str = "apiserver.config.k8s.io";
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];
const KIND: &str = "AuthenticationConfiguration";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    pub jwt: Vec<Jwt>,
    /// None: the flag decides.
    pub anonymous: Option<Anonymous>,
}

/// The setting of anonymous requests: on or off, and the paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anonymous {
    pub enabled: bool,
    /// Empty for all.
    pub paths: Vec<String>,
}

impl Anonymous {
    pub fn allows(&self, path: &str) -> bool {
        self.enabled && (self.paths.is_empty() || self.paths.iter().any(|allowed| allowed == path))
    }
}

/// One issuer, and the mapping of its claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jwt {
    pub issuer: Issuer,
    pub rules: Vec<ClaimRule>,
    pub mappings: ClaimMappings,
    /// Expressions and messages.
    pub user_rules: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issuer {
    pub url: String,
    pub discovery_url: String,
    /// In PEM; empty for the system's authorities.
    pub certificate_authority: String,
    pub audiences: Vec<String>,
    pub audience_match_policy: String,
    pub egress_selector_type: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimRule {
    pub claim: String,
    pub required_value: String,
    pub expression: String,
    pub message: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimMappings {
    pub username: Mapping,
    pub groups: Mapping,
    pub uid: ClaimOrExpression,
    /// Keys and expressions.
    pub extra: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    pub claim: String,
    pub prefix: Option<String>,
    pub expression: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimOrExpression {
    pub claim: String,
    pub expression: String,
}

impl Configuration {
    /// Reads the text of a file, in YAML or JSON.
    pub fn parse(text: &str) -> Result<Configuration, String> {
        if text.is_empty() {
            return Err("empty config data".into());
        }
        let document = yaml::parse(text.as_bytes()).map_err(|error| error.0)?;
        check_kind(&document.value, text)?;
        let mut reader = JwtReader { strict: Vec::new() };
        if !document.duplicates.is_empty() {
            reader.strict.push(format!("yaml: unmarshal errors:\n  {}", document.duplicates.join("\n  ")));
        }
        let configuration = reader.configuration(&document.value)?;
        match reader.strict.as_slice() {
            [] => Ok(configuration),
            strict => Err(format!("strict decoding error: {}", strict.join(", "))),
        }
    }
}

fn check_kind(document: &Value, text: &str) -> Result<(), String> {
    let (api_version, kind) = (document.str_at(&["apiVersion"]), document.str_at(&["kind"]));
    if kind.is_empty() {
        return Err(format!("Object 'Kind' is missing in '{text}'"));
    }
    if api_version.is_empty() {
        return Err(format!("Object 'apiVersion' is missing in '{text}'"));
    }
    let version = api_version.strip_prefix(GROUP).and_then(|rest| rest.strip_prefix('/'));
    let is_known = kind == KIND && version.is_some_and(|version| VERSIONS.contains(&version));
    if is_known {
        return Ok(());
    }
    Err(format!("no kind {} is registered for version {}", quote(kind), quote(api_version)))
}

/// Walks a document, and notes fields that there are not.
struct JwtReader {
    strict: Vec<String>,
}

impl JwtReader {
    fn configuration(&mut self, document: &Value) -> Result<Configuration, String> {
        let root = self.fields(Some(document), "", &["apiVersion", "kind", "jwt", "anonymous"])?;
        let anonymous = match root.value("anonymous") {
            Some(value) => Some(self.anonymous(value)?),
            None => None,
        };
        let jwt = root.items("jwt")?.into_iter().map(|(path, value)| self.jwt(&path, value));
        Ok(Configuration { jwt: jwt.collect::<Result<_, _>>()?, anonymous })
    }

    fn anonymous(&mut self, value: &Value) -> Result<Anonymous, String> {
        let own = self.fields(Some(value), "anonymous", &["enabled", "conditions"])?;
        let mut paths = Vec::new();
        for (path, condition) in own.items("conditions")? {
            paths.push(self.fields(Some(condition), &path, &["path"])?.text("path")?);
        }
        Ok(Anonymous { enabled: own.flag("enabled")?, paths })
    }

    fn jwt(&mut self, path: &str, value: &Value) -> Result<Jwt, String> {
        let known = ["issuer", "claimValidationRules", "claimMappings", "userValidationRules"];
        let own = self.fields(Some(value), path, &known)?;
        let mut jwt = Jwt { issuer: self.issuer(&own)?, ..Jwt::default() };
        for (path, rule) in own.items("claimValidationRules")? {
            let rule =
                self.fields(Some(rule), &path, &["claim", "requiredValue", "expression", "message"])?;
            jwt.rules.push(ClaimRule {
                claim: rule.text("claim")?,
                required_value: rule.text("requiredValue")?,
                expression: rule.text("expression")?,
                message: rule.text("message")?,
            });
        }
        jwt.mappings = self.mappings(&own)?;
        jwt.user_rules = self.pairs(&own, "userValidationRules", ["expression", "message"])?;
        Ok(jwt)
    }

    fn issuer(&mut self, of: &JwtFields<'_>) -> Result<Issuer, String> {
        let known = [
            "url",
            "discoveryURL",
            "certificateAuthority",
            "audiences",
            "audienceMatchPolicy",
            "egressSelectorType",
        ];
        let own = self.fields(of.value("issuer"), &of.path("issuer"), &known)?;
        Ok(Issuer {
            url: own.text("url")?,
            discovery_url: own.text("discoveryURL")?,
            certificate_authority: own.text("certificateAuthority")?,
            audiences: own.texts("audiences")?,
            audience_match_policy: own.text("audienceMatchPolicy")?,
            egress_selector_type: own.text("egressSelectorType")?,
        })
    }

    fn mappings(&mut self, of: &JwtFields<'_>) -> Result<ClaimMappings, String> {
        let known = ["username", "groups", "uid", "extra"];
        let own = self.fields(of.value("claimMappings"), &of.path("claimMappings"), &known)?;
        let uid = self.fields(own.value("uid"), &own.path("uid"), &["claim", "expression"])?;
        Ok(ClaimMappings {
            username: self.mapping(&own, "username")?,
            groups: self.mapping(&own, "groups")?,
            uid: ClaimOrExpression { claim: uid.text("claim")?, expression: uid.text("expression")? },
            extra: self.pairs(&own, "extra", ["key", "valueExpression"])?,
        })
    }

    fn mapping(&mut self, of: &JwtFields<'_>, name: &str) -> Result<Mapping, String> {
        let own = self.fields(of.value(name), &of.path(name), &["claim", "prefix", "expression"])?;
        let prefix = own.value("prefix").is_some();
        Ok(Mapping {
            claim: own.text("claim")?,
            prefix: if prefix { Some(own.text("prefix")?) } else { None },
            expression: own.text("expression")?,
        })
    }

    /// A list of maps of two texts.
    fn pairs(
        &mut self,
        of: &JwtFields<'_>,
        name: &str,
        known: [&str; 2],
    ) -> Result<Vec<(String, String)>, String> {
        let [first, second] = known;
        let mut pairs = Vec::new();
        for (path, value) in of.items(name)? {
            let own = self.fields(Some(value), &path, &known)?;
            pairs.push((own.text(first)?, own.text(second)?));
        }
        Ok(pairs)
    }

    fn fields<'a>(
        &mut self,
        value: Option<&'a Value>,
        path: &str,
        known: &[&str],
    ) -> Result<JwtFields<'a>, String> {
        let map = match value {
            None => None,
            Some(Value::Map(map)) => Some(map),
            Some(_) => return Err(format!("{path} must be an object")),
        };
        let own = JwtFields { map, path: path.into() };
        for name in map.into_iter().flat_map(Map::keys).filter(|name| !known.contains(name)) {
            self.strict.push(format!("unknown field {}", quote(&own.path(name))));
        }
        Ok(own)
    }
}

/// A map at its path, empty if the document lacks it.
struct JwtFields<'a> {
    map: Option<&'a Map>,
    path: String,
}

impl<'a> JwtFields<'a> {
    fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.map?.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<String, String> {
        match self.value(name) {
            None => Ok(String::new()),
            Some(Value::Text(text)) => Ok(text.to_string()),
            Some(_) => Err(format!("{} must be a string", self.path(name))),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, String> {
        match self.value(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(format!("{} must be true or false", self.path(name))),
        }
    }

    /// The items of a list, each with its path.
    fn items(&self, name: &str) -> Result<Vec<(String, &'a Value)>, String> {
        let path = self.path(name);
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::List(list)) => {
                Ok(list.iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect())
            }
            Some(_) => Err(format!("{path} must be a list")),
        }
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let text = |(path, value): (String, &Value)| {
            let text = value.as_str().map(String::from);
            text.ok_or_else(|| format!("{path} must be a string"))
        };
        self.items(name)?.into_iter().map(text).collect()
    }
}
