//! Other API servers behind the one under load: objects of theirs, discovery with many of them, and OpenAPI documents
//! that change.

use super::client::{Ask, LoadClient};
use super::measure::{Figures, LoadShape, SpentTime, hammer};
use super::options::TargetServer;
use crate::load::requests::{JSON, MERGE, post};
use pintle_testkit::ApiServer;
use std::time::{Duration, Instant};

const APIS: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
const SERVICES: &str = "/api/v1/namespaces/default/services";
const DEFINITIONS_PATH: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const GETS: LoadShape = LoadShape { connections: 20, streams: 5 };
/// Groups of other servers, and how many of those servers hang.
const GROUPS: usize = 30;
const HANGING: usize = 5;
const DEFINITIONS: usize = 500;
/// The time that others may take to be known, and a change to be seen.
const KNOWN_MAX: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Gets one object of another server. Beside `get` it shows what passing on costs.
pub async fn get(target: &TargetServer, length: Duration) -> Result<Figures, String> {
    let mut client = LoadClient::connect(target).await?;
    let _behind = begin(&mut client, "bench").await?;
    let objects = "/apis/bench.bench.example.com/v1/namespaces/default/flunders";
    until(&mut client, &Ask::get(objects, JSON), |_| true).await?;
    client.fetch(&post(objects, r#"{"metadata":{"name":"one"},"spec":"a"}"#)).await?;
    let path = format!("{objects}/one");
    let figures = hammer(target, GETS, length, move |_| Ask::get(path.clone(), JSON)).await;
    end(&mut client, "bench").await?;
    figures
}

/// Gets discovery of all groups while some of the servers behind hang.
pub async fn discovery(target: &TargetServer, length: Duration) -> Result<Figures, String> {
    let mut client = LoadClient::connect(target).await?;
    let mut behind = Vec::new();
    let names: Vec<String> = (0..GROUPS).map(|n| format!("bench{n}")).collect();
    for (place, name) in names.iter().enumerate() {
        let server = begin(&mut client, name).await?;
        server.hang(place < HANGING);
        behind.push(server);
    }
    let ask = Ask::get("/apis", AGGREGATED);
    let known = |body: &[u8]| memchr::memmem::find_iter(body, b"\"flunders\"").count() >= GROUPS - HANGING;
    until(&mut client, &ask, known).await?;
    let figures = hammer(target, GETS, length, move |_| ask.clone()).await;
    for name in &names {
        end(&mut client, name).await?;
    }
    figures
}

/// Changes one of many definitions, and asks for the document of version 2 until it has the change. One request of the
/// figures is one such round.
pub async fn openapi(target: &TargetServer, length: Duration) -> Result<Figures, String> {
    let mut client = LoadClient::connect(target).await?;
    for n in 0..DEFINITIONS {
        client.fetch(&post(DEFINITIONS_PATH, definition(n, "first"))).await?;
    }
    let last = format!("bench-document-{}", DEFINITIONS - 1);
    let document = Ask::get("/openapi/v2", JSON);
    until(&mut client, &document, |body| memchr::memmem::find(body, last.as_bytes()).is_some()).await?;
    let spent = SpentTime::begin(target);
    let (begin, mut figures) = (Instant::now(), Figures::default());
    while begin.elapsed() < length {
        let round = Instant::now();
        let text = format!("round-{}.", figures.requests);
        let change = Ask {
            method: "PATCH",
            path: format!("{DEFINITIONS_PATH}/{}", name(0)),
            content_type: MERGE,
            body: definition(0, &text).into(),
            ..Ask::default()
        };
        client.fetch(&change).await?;
        let body =
            until(&mut client, &document, |body| memchr::memmem::find(body, text.as_bytes()).is_some())
                .await?;
        figures.requests += 1;
        figures.bytes += body as u64;
        figures.latencies.push(u32::try_from(round.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    figures.seconds = begin.elapsed().as_secs_f64();
    figures.latencies.sort_unstable();
    spent.end(&mut figures);
    for n in 0..DEFINITIONS {
        client.fetch(&delete(format!("{DEFINITIONS_PATH}/{}", name(n)))).await?;
    }
    Ok(figures)
}

/// Asks until an answer is a success of the expected content; how many bytes it has.
async fn until(
    client: &mut LoadClient,
    ask: &Ask,
    is_expected: impl Fn(&[u8]) -> bool,
) -> Result<usize, String> {
    let begin = Instant::now();
    loop {
        let answer = client.fetch(ask).await;
        match answer {
            Ok(body) if is_expected(&body) => return Ok(body.len()),
            _ if begin.elapsed() < KNOWN_MAX => tokio::time::sleep(PAUSE).await,
            Ok(_) => return Err(format!("{} is not what is expected after {KNOWN_MAX:?}", ask.path)),
            Err(why) => return Err(why),
        }
    }
}

/// Starts a server of the group `NAME.bench.example.com` on loopback, behind the one under load.
async fn begin(client: &mut LoadClient, name: &str) -> Result<ApiServer, String> {
    let (server, authority) = ApiServer::open(name, &format!("{name}.bench.example.com"));
    let authority = pintle_object::bytes::encode(authority.as_bytes());
    let port = server.port();
    let service = format!(
        r#"{{"metadata":{{"name":"{name}"}},"spec":{{"type":"ExternalName","externalName":"localhost","ports":[{{"port":{port}}}]}}}}"#
    );
    client.fetch(&post(SERVICES, service)).await?;
    let api = format!(
        r#"{{"metadata":{{"name":"v1.{name}.bench.example.com"}},"spec":{{"group":"{name}.bench.example.com","version":"v1","groupPriorityMinimum":1000,"versionPriority":15,"caBundle":"{authority}","service":{{"namespace":"default","name":"{name}","port":{port}}}}}}}"#
    );
    client.fetch(&post(APIS, api)).await?;
    Ok(server)
}

async fn end(client: &mut LoadClient, name: &str) -> Result<(), String> {
    client.fetch(&delete(format!("{APIS}/v1.{name}.bench.example.com"))).await?;
    client.fetch(&delete(format!("{SERVICES}/{name}"))).await.map(drop)
}

fn delete(path: String) -> Ask {
    Ask { method: "DELETE", path, ..Ask::default() }
}

fn name(n: usize) -> String {
    format!("documents{n}.bench.example.com")
}

/// A definition with a schema of twenty fields.
fn definition(n: usize, text: &str) -> String {
    let field = |n: usize| {
        format!(
            r#""field{n}":{{"type":"object","description":"{}","properties":{{"a":{{"type":"string"}}}}}}"#,
            "x".repeat(80)
        )
    };
    let fields: Vec<String> = (0..20).map(field).collect();
    format!(
        r#"{{"metadata":{{"name":"{}"}},"spec":{{"group":"bench.example.com","scope":"Namespaced","names":{{"plural":"documents{n}","singular":"document{n}","kind":"Document{n}","listKind":"Document{n}List"}},"versions":[{{"name":"v1","served":true,"storage":true,"schema":{{"openAPIV3Schema":{{"type":"object","description":"bench-document-{n} {text}","properties":{{"spec":{{"type":"object","properties":{{{}}}}}}}}}}}}}]}}}}"#,
        name(n),
        fields.join(",")
    )
}
