//! `Kubeconfig`: from a kubeconfig file's current context to a server and credentials.

use crate::auth_info::AuthInfo;
use crate::credential::{Credential, Impersonation};
use crate::tls::{Pem, Tls};
use crate::url::Url;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pintle_object::config_file::{Fields, Form, unknown_fields};
use pintle_object::{Value, yaml};
use std::path::Path;

/// The server of a context, with the cluster's and the user's side of TLS.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    pub server: Url,
    pub tls: Tls,
    pub credential: Credential,
}

/// Fields of users of kubeconfig files that this program does not support.
const UNSUPPORTED: [&str; 4] = ["exec", "auth-provider", "as", "as-groups"];

impl Kubeconfig {
    pub fn read(path: &Path) -> Result<Kubeconfig, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
        let dir = path.parent().unwrap_or(Path::new(""));
        Kubeconfig::parse(&bytes, dir).map_err(|error| failed(&error))
    }

    /// Reads the text of a file; files that it names are looked for from its directory.
    pub fn parse(text: &[u8], dir: &Path) -> Result<Kubeconfig, String> {
        let document = document(text)?;
        let invalid = |why: String| format!("invalid configuration: {why}");
        let current = document.str_at(&["current-context"]);
        if current.is_empty() {
            return Err(invalid("no current-context is set".into()));
        }
        let context = named(&document, "contexts", "context", current)
            .ok_or_else(|| invalid(format!("context was not found for specified context: {current}")))?;
        let wanted = context.str_at(&["cluster"]);
        let cluster = named(&document, "clusters", "cluster", wanted)
            .ok_or_else(|| invalid(format!("cluster {wanted:?} was not found for context {current:?}")))?;
        let nobody = Value::map();
        let user = match context.str_at(&["user"]) {
            "" => &nobody,
            wanted => named(&document, "users", "user", wanted)
                .ok_or_else(|| invalid(format!("user {wanted:?} was not found for context {current:?}")))?,
        };
        let files = Files { dir };
        Ok(Kubeconfig {
            server: server(cluster).map_err(|why| invalid(format!("cluster {wanted:?}: {why}")))?,
            tls: tls(cluster, user, &files).map_err(invalid)?,
            credential: credential(user, &files).map_err(invalid)?,
        })
    }
}

const CLUSTER: Fields = &[
    ("server", Form::Text),
    ("tls-server-name", Form::Text),
    ("insecure-skip-tls-verify", Form::Bool),
    ("certificate-authority", Form::Text),
    ("certificate-authority-data", Form::Text),
    ("proxy-url", Form::Text),
    ("disable-compression", Form::Bool),
    ("extensions", Form::Any),
];
const USER: Fields = &[
    ("client-certificate", Form::Text),
    ("client-certificate-data", Form::Text),
    ("client-key", Form::Text),
    ("client-key-data", Form::Text),
    ("token", Form::Text),
    ("tokenFile", Form::Text),
    ("as", Form::Text),
    ("as-uid", Form::Text),
    ("as-groups", Form::Texts),
    ("as-user-extra", Form::Any),
    ("username", Form::Text),
    ("password", Form::Text),
    ("auth-provider", Form::Any),
    ("exec", Form::Any),
    ("extensions", Form::Any),
];
const CONTEXT: Fields =
    &[("cluster", Form::Text), ("user", Form::Text), ("namespace", Form::Text), ("extensions", Form::Any)];
const FILE: Fields = &[
    ("apiVersion", Form::Text),
    ("kind", Form::Text),
    ("preferences", Form::Any),
    ("clusters", Form::List(&[("name", Form::Text), ("cluster", Form::Struct(CLUSTER))])),
    ("users", Form::List(&[("name", Form::Text), ("user", Form::Struct(USER))])),
    ("contexts", Form::List(&[("name", Form::Text), ("context", Form::Struct(CONTEXT))])),
    ("current-context", Form::Text),
    ("extensions", Form::Any),
];

/// A file of the kind. Unknown and repeated fields are allowed, as upstream does, and logged: a misspelt name is one of
/// them.
fn document(text: &[u8]) -> Result<Value, String> {
    let read = yaml::parse(text).map_err(|error| error.0)?;
    let (version, kind) = (read.value.str_at(&["apiVersion"]), read.value.str_at(&["kind"]));
    if !matches!(version, "" | "v1") || !matches!(kind, "" | "Config") {
        return Err(format!("no kind {kind:?} is registered for version {version:?}"));
    }
    if !read.duplicates.is_empty() {
        return Err(format!("yaml: unmarshal errors:\n  {}", read.duplicates.join("\n  ")));
    }
    for field in unknown_fields(&read.value, FILE)? {
        tracing::warn!("kubeconfig: {field}");
    }
    Ok(read.value)
}

/// The entry of a named list: `clusters: [{name, cluster: {...}}]`.
fn named<'a>(document: &'a Value, list: &str, field: &str, name: &str) -> Option<&'a Value> {
    document.list_at(&[list]).iter().find(|entry| entry.str_at(&["name"]) == name)?.get(field)
}

fn server(cluster: &Value) -> Result<Url, String> {
    if !cluster.str_at(&["proxy-url"]).is_empty() {
        return Err("proxy-url is not supported".into());
    }
    match cluster.str_at(&["server"]) {
        "" => Err("no server found".into()),
        text if !text.contains("://") => {
            // An address without a scheme means HTTPS where there is something to trust.
            let has = |field: &str| cluster.get(field).is_some_and(|value| !value.is_null());
            let is_tls = has("certificate-authority") || has("certificate-authority-data");
            let is_tls = is_tls || cluster.bool_at(&["insecure-skip-tls-verify"]);
            Url::parse(&format!("{}://{text}", if is_tls { "https" } else { "http" }))
        }
        text => Url::parse(text),
    }
}

fn tls(cluster: &Value, user: &Value, files: &Files<'_>) -> Result<Tls, String> {
    let is_insecure = cluster.bool_at(&["insecure-skip-tls-verify"]);
    let authorities = files.pem(cluster, "certificate-authority")?;
    if is_insecure && authorities.is_some() {
        return Err("specifying a root certificates file with the insecure flag is not allowed".into());
    }
    let identity = identity(user, files)?;
    let server_name = Some(cluster.str_at(&["tls-server-name"])).filter(|name| !name.is_empty());
    Ok(Tls { authorities, is_insecure, server_name: server_name.map(String::from), identity })
}

fn identity(user: &Value, files: &Files<'_>) -> Result<Option<(Pem, Pem)>, String> {
    let (certificate, key) = (files.pem(user, "client-certificate")?, files.pem(user, "client-key")?);
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err("client-key-data or client-key must be specified to use the clientCert authentication method"
                .into())
        }
        (None, Some(_)) => Err(
            "client-cert-data or client-cert must be specified to use the clientCert authentication method"
                .into(),
        ),
    }
}

fn credential(user: &Value, files: &Files<'_>) -> Result<Credential, String> {
    refuse(user, &UNSUPPORTED)?;
    Ok(secret(user, files))
}

fn secret(user: &Value, files: &Files<'_>) -> Credential {
    let text = |field: &str| user.str_at(&[field]);
    // A token file is read again from time to time, and takes precedence.
    match (text("tokenFile"), text("token"), text("username")) {
        ("", "", "") => Credential::None,
        ("", "", name) => Credential::Basic(STANDARD.encode(format!("{name}:{}", text("password")))),
        ("", token, _) => Credential::Token(token.into()),
        (file, ..) => Credential::TokenFile(files.dir.join(file)),
    }
}

fn refuse(user: &Value, fields: &[&str]) -> Result<(), String> {
    let is_given = |field: &&&str| user.get(field).is_some_and(|value| !value.is_null());
    match fields.iter().find(is_given) {
        Some(field) => Err(format!("{field} is not supported for webhooks")),
        None => Ok(()),
    }
}

/// The users of a file by their names, and which of them the current context has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Users {
    named: Vec<(String, AuthInfo)>,
    pub current: Option<String>,
}

impl Users {
    pub fn find(&self, name: &str) -> Option<&AuthInfo> {
        self.named.iter().find(|(of, _)| of == name).map(|(_, user)| user)
    }
}

/// Reads every user of a file, whose contexts may lead nowhere.
pub(crate) fn parse_users(text: &[u8], dir: &Path) -> Result<Users, String> {
    let document = document(text)?;
    let context = named(&document, "contexts", "context", document.str_at(&["current-context"]));
    let current = context.map(|context| context.str_at(&["user"]).to_string());
    let files = Files { dir };
    let mut users = Vec::new();
    for entry in document.list_at(&["users"]) {
        let name = entry.str_at(&["name"]);
        let nobody = Value::map();
        let user = entry.get("user").unwrap_or(&nobody);
        let info = auth_info(user, &files).map_err(|why| format!("user {name:?}: {why}"))?;
        users.push((name.to_string(), info));
    }
    Ok(Users { named: users, current: current.filter(|user| !user.is_empty()) })
}

fn auth_info(user: &Value, files: &Files<'_>) -> Result<AuthInfo, String> {
    refuse(user, &["exec", "auth-provider"])?;
    let texts = |field: &str| -> Vec<String> {
        user.list_at(&[field]).iter().filter_map(Value::as_str).map(String::from).collect()
    };
    let extra = user.get("as-user-extra").and_then(Value::as_map);
    let extra = extra.into_iter().flat_map(|extra| extra.iter()).map(|(key, values)| {
        let values = values.as_list().unwrap_or_default().iter().filter_map(Value::as_str);
        (key.to_string(), values.map(String::from).collect())
    });
    let impersonation = match user.str_at(&["as"]) {
        "" => Impersonation::default(),
        name => Impersonation {
            user: name.into(),
            uid: user.str_at(&["as-uid"]).into(),
            groups: texts("as-groups"),
            extra: extra.collect(),
        },
    };
    Ok(AuthInfo { credential: secret(user, files), identity: identity(user, files)?, impersonation })
}

/// The directory that relative names of files begin at.
struct Files<'a> {
    dir: &'a Path,
}

impl Files<'_> {
    /// `<field>-data` holds base64, and goes before the file that `<field>` names.
    fn pem(&self, of: &Value, field: &str) -> Result<Option<Pem>, String> {
        let inline = format!("{field}-data");
        match (of.str_at(&[&inline]), of.str_at(&[field])) {
            ("", "") => Ok(None),
            ("", file) => Ok(Some(Pem::File(self.dir.join(file)))),
            (data, _) => {
                let bytes = STANDARD.decode(data.split_whitespace().collect::<String>());
                bytes.map(|bytes| Some(Pem::Inline(bytes))).map_err(|_| format!("{inline} is not base64"))
            }
        }
    }
}
