//! Objects of one resource in memory: read, listed, watched and written.

use crate::api_server::body::{Body, json, status};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub struct Objects {
    group: String,
    inner: Mutex<ObjectsInner>,
}

#[derive(Default)]
struct ObjectsInner {
    revision: u64,
    /// By namespace and name.
    objects: BTreeMap<(String, String), Value>,
    watchers: Vec<UnboundedSender<Bytes>>,
}

impl Objects {
    pub fn new(group: &str) -> Objects {
        Objects { group: group.into(), inner: Mutex::default() }
    }

    /// Paths are `/apis/GROUP/v1/namespaces/NAMESPACE/flunders`, and a name after it.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_string();
        let rest = path.strip_prefix(&format!("/apis/{}/v1/", self.group)).unwrap_or_default();
        let parts: Vec<&str> = rest.split('/').collect();
        let (namespace, name) = match parts[..] {
            ["flunders"] => ("", ""),
            ["namespaces", namespace, "flunders"] => (namespace, ""),
            ["namespaces", namespace, "flunders", name] => (namespace, name),
            _ => return status(404, "NotFound"),
        };
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch="));
        let method = request.method().clone();
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let key = (namespace.to_string(), name.to_string());
        match (method, name) {
            (Method::GET, "") if is_watch => self.watch(),
            (Method::GET, "") => self.list(namespace),
            (Method::POST, "") => self.put(namespace, &body),
            (Method::GET, _) => match self.lock().objects.get(&key) {
                Some(found) => json(200, found),
                None => status(404, "NotFound"),
            },
            (Method::PUT, _) => self.put(namespace, &body),
            (Method::DELETE, _) => self.delete(&key),
            _ => status(405, "MethodNotAllowed"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ObjectsInner> {
        self.inner.lock().expect("no request panics with the objects")
    }

    fn list(&self, namespace: &str) -> Response<Body> {
        let inner = self.lock();
        let of_namespace =
            inner.objects.iter().filter(|((of, _), _)| namespace.is_empty() || of == namespace);
        let items: Vec<&Value> = of_namespace.map(|(_, object)| object).collect();
        json(
            200,
            &json!({"kind": "FlunderList", "apiVersion": format!("{}/v1", self.group),
                    "metadata": {"resourceVersion": inner.revision.to_string()}, "items": items}),
        )
    }

    /// Sends all changes from now on.
    fn watch(&self) -> Response<Body> {
        let (sender, events) = unbounded_channel();
        self.lock().watchers.push(sender);
        let response = Response::builder().status(200).header(CONTENT_TYPE, "application/json");
        response.body(Events(events).boxed()).expect("a response")
    }

    fn put(&self, namespace: &str, body: &[u8]) -> Response<Body> {
        let Ok(mut object) = serde_json::from_slice::<Value>(body) else { return status(400, "BadRequest") };
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_string();
        let mut inner = self.lock();
        inner.revision += 1;
        object["kind"] = json!("Flunder");
        object["apiVersion"] = json!(format!("{}/v1", self.group));
        object["metadata"]["namespace"] = json!(namespace);
        object["metadata"]["uid"] = json!(format!("{namespace}/{name}"));
        object["metadata"]["resourceVersion"] = json!(inner.revision.to_string());
        let known = inner.objects.insert((namespace.into(), name), object.clone());
        let (kind, code) = if known.is_some() { ("MODIFIED", 200) } else { ("ADDED", 201) };
        inner.tell(kind, &object);
        json(code, &object)
    }

    fn delete(&self, key: &(String, String)) -> Response<Body> {
        let mut inner = self.lock();
        inner.revision += 1;
        let Some(object) = inner.objects.remove(key) else { return status(404, "NotFound") };
        inner.tell("DELETED", &object);
        json(200, &object)
    }
}

impl ObjectsInner {
    fn tell(&mut self, kind: &str, object: &Value) {
        let line = Bytes::from(format!("{}\n", json!({"type": kind, "object": object})));
        self.watchers.retain(|watcher| watcher.send(line.clone()).is_ok());
    }
}

/// Events as frames of a body.
struct Events(UnboundedReceiver<Bytes>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
