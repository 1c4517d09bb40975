//! The pieces of work, and the objects that they need.

use super::client::{Ask, LoadClient};
use super::make::make;
use super::measure::{Figures, LoadShape, hammer};
use super::options::{LoadOptions, TargetServer};
use super::report::ReportRow;
use super::watches::Scope;
use super::{fill, mixed, outward, ready, start, storm, tenant, watches, webhooks};
use crate::load::requests::{JSON, PROTOBUF, WRITES, config_map, name, post, secret};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const APPLY: &str = "application/apply-patch+yaml";
const LISTED: u64 = 3_000;
/// Objects that updates and applies go round.
const WRITTEN: u64 = 1_000;

const GETS: LoadShape = LoadShape { connections: 20, streams: 5 };
const LISTS: LoadShape = LoadShape { connections: 4, streams: 1 };

/// Does all the work on all servers, one after the other.
pub async fn run(options: &LoadOptions) -> Result<Vec<ReportRow>, String> {
    let mut rows = Vec::new();
    for work in &options.work {
        if work == "start" {
            let binary = options.binaries.first().ok_or("start needs --binary")?;
            for (work, figures) in start::run(binary).await? {
                rows.push(ReportRow { work, figures: vec![figures] });
            }
            continue;
        }
        if work == "ready" {
            rows.push(ReportRow { work: work.clone(), figures: ready::run(options).await? });
            continue;
        }
        let mut figures = Vec::new();
        for target in &options.targets {
            figures.push(match work.as_str() {
                "fill" => fill::run(options, target).await?,
                "storm" => storm::run(options, target, JSON, "").await?,
                "storm-protobuf" => storm::run(options, target, PROTOBUF, "").await?,
                "storm-gzip" => storm::run(options, target, JSON, "gzip").await?,
                _ => {
                    eprintln!("{work} on {} for {} s", target.url, options.length.as_secs());
                    one(options, work, target).await?
                }
            });
        }
        rows.push(ReportRow { work: work.clone(), figures });
    }
    Ok(rows)
}

/// One piece of work on one server, in a namespace of its own that is deleted afterwards.
async fn one(options: &LoadOptions, work: &str, target: &TargetServer) -> Result<Figures, String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let namespace = format!("bench-{}", since.as_millis());
    if let Some(scope) = Scope::of(work) {
        return watches::run(options, target, scope, &namespace).await;
    }
    let mut client = LoadClient::connect(target).await?;
    let body = format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{namespace}"}}}}"#);
    client.fetch(&post("/api/v1/namespaces", body)).await?;
    let figures = in_namespace(options, work, target, &namespace).await;
    for resource in ["configmaps", "secrets"] {
        let path = format!("/api/v1/namespaces/{namespace}/{resource}");
        client.fetch(&Ask { method: "DELETE", path, ..Ask::default() }).await?;
    }
    let path = format!("/api/v1/namespaces/{namespace}");
    client.fetch(&Ask { method: "DELETE", path, ..Ask::default() }).await?;
    figures
}

async fn in_namespace(
    options: &LoadOptions,
    work: &str,
    target: &TargetServer,
    namespace: &str,
) -> Result<Figures, String> {
    let all = format!("/api/v1/namespaces/{namespace}/configmaps");
    let secrets = format!("/api/v1/namespaces/{namespace}/secrets");
    let length = options.length;
    match work {
        "create" => creates(target, length, all, config_map).await,
        "create-secret" => creates(target, length, secrets, secret).await,
        "update" => rewrites(target, length, all, config_map, update).await,
        "update-secret" => rewrites(target, length, secrets, secret, update).await,
        "apply" => rewrites(target, length, all, config_map, apply).await,
        "get" => gets(target, length, all, config_map).await,
        "get-secret" => gets(target, length, secrets, secret).await,
        "list-json" => list(target, length, Ask::get(all, JSON)).await,
        "list-protobuf" => list(target, length, Ask::get(all, PROTOBUF)).await,
        "list-gzip" => list(target, length, Ask { encoding: "gzip", ..Ask::get(all, JSON) }).await,
        "list-paged" => list(target, length, Ask::get(all + "?limit=500", JSON)).await,
        "create-asked" => webhooks::asked(target, length, all).await,
        "create-beside" => webhooks::beside(target, length, all).await,
        "storm-tenant" => tenant::run(options, target, namespace).await,
        "aggregated-get" => outward::get(target, length).await,
        "aggregated-discovery" => outward::discovery(target, length).await,
        "openapi-rebuild" => outward::openapi(target, length).await,
        "mixed" => mixed::run(target, namespace, length).await,
        _ => Err(format!("{work:?} is no work")),
    }
}

/// The object of a number, with a value.
type Object = fn(u64, &str) -> String;

async fn creates(
    target: &TargetServer,
    length: Duration,
    all: String,
    object: Object,
) -> Result<Figures, String> {
    hammer(target, WRITES, length, move |n| post(&all, object(n, "v"))).await
}

/// Writes some objects over and over, by the request that `write` gives for the path of one.
async fn rewrites(
    target: &TargetServer,
    length: Duration,
    all: String,
    object: Object,
    write: fn(String) -> Ask,
) -> Result<Figures, String> {
    objects(target, &all, WRITTEN, object).await?;
    let ask = move |n: u64| {
        let body = object(n % WRITTEN, &n.to_string()).into();
        Ask { body, ..write(format!("{all}/{}", name(n % WRITTEN))) }
    };
    hammer(target, WRITES, length, ask).await
}

fn update(path: String) -> Ask {
    Ask { method: "PUT", path, content_type: JSON, ..Ask::default() }
}

fn apply(path: String) -> Ask {
    Ask {
        method: "PATCH",
        path: path + "?fieldManager=bench&force=true",
        content_type: APPLY,
        ..Ask::default()
    }
}

async fn gets(
    target: &TargetServer,
    length: Duration,
    all: String,
    object: Object,
) -> Result<Figures, String> {
    objects(target, &all, 1, object).await?;
    hammer(target, GETS, length, move |_| Ask::get(format!("{all}/{}", name(0)), JSON)).await
}

async fn list(target: &TargetServer, length: Duration, ask: Ask) -> Result<Figures, String> {
    let all = ask.path.split('?').next().unwrap_or_default();
    config_maps(target, all, LISTED).await?;
    hammer(target, LISTS, length, move |_| ask.clone()).await
}

/// Makes ConfigMaps number 0 to `count`.
async fn config_maps(target: &TargetServer, all: &str, count: u64) -> Result<(), String> {
    objects(target, all, count, config_map).await
}

async fn objects(target: &TargetServer, all: &str, count: u64, object: Object) -> Result<(), String> {
    let all = String::from(all);
    make(target, count, move |n| post(&all, object(n, "v"))).await
}
