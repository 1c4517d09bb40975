//! Options of connections, as a query has them and as admission sees them (`PodExecOptions` and the like).

use crate::request::Request;
use pintle_engine::ObjectRef;
use pintle_object::{Map, Status, Value};
use pintle_object::{Query, parse_uint};
use pintle_proxy::pod::Streams;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectOptions {
    Exec {
        container: String,
        streams: Streams,
        command: Vec<String>,
    },
    Attach {
        container: String,
        streams: Streams,
    },
    PortForward {
        ports: Vec<i32>,
    },
    /// The rest of the request's path, with a slash in front unless it is empty.
    Proxy {
        path: String,
    },
}

impl ConnectOptions {
    pub fn read(request: &Request, target: ObjectRef<'_>, query: &Query) -> Result<ConnectOptions, Status> {
        let container = || query.text("container").to_string();
        Ok(match target.subresource {
            "exec" => ConnectOptions::Exec {
                container: container(),
                streams: streams(query),
                command: query.all("command").map(String::from).collect(),
            },
            "attach" => ConnectOptions::Attach { container: container(), streams: streams(query) },
            "portforward" => ConnectOptions::PortForward { ports: ports(query.all("ports"))? },
            _ => ConnectOptions::Proxy { path: rest_of_path(request) },
        })
    }

    /// The object that admission judges.
    pub fn to_value(&self, target: ObjectRef<'_>) -> Value {
        let mut map = Map::new();
        map.insert("kind", self.kind(target));
        map.insert("apiVersion", "v1");
        match self {
            ConnectOptions::Exec { container, streams, command } => {
                put_streams(&mut map, container, *streams);
                map.insert("command", command.iter().map(Value::text).collect::<Vec<_>>());
            }
            ConnectOptions::Attach { container, streams } => put_streams(&mut map, container, *streams),
            ConnectOptions::PortForward { ports } if ports.is_empty() => {}
            ConnectOptions::PortForward { ports } => {
                map.insert(
                    "ports",
                    ports.iter().map(|port| Value::from(i64::from(*port))).collect::<Vec<_>>(),
                );
            }
            ConnectOptions::Proxy { path } if path.is_empty() => {}
            ConnectOptions::Proxy { path } => drop(map.insert("path", path.as_str())),
        }
        Value::Map(map)
    }

    /// The same options as admission may have changed them.
    pub fn changed(self, value: &Value) -> ConnectOptions {
        let container = || value.str_at(&["container"]).to_string();
        let of = |name| value.bool_at(&[name]);
        let streams =
            || Streams { stdin: of("stdin"), stdout: of("stdout"), stderr: of("stderr"), tty: of("tty") };
        match self {
            ConnectOptions::Exec { .. } => {
                let words = value.list_at(&["command"]).iter().filter_map(Value::as_str);
                ConnectOptions::Exec {
                    container: container(),
                    streams: streams(),
                    command: words.map(String::from).collect(),
                }
            }
            ConnectOptions::Attach { .. } => {
                ConnectOptions::Attach { container: container(), streams: streams() }
            }
            ConnectOptions::PortForward { .. } => {
                let ports = value.list_at(&["ports"]).iter().filter_map(Value::as_i64);
                ConnectOptions::PortForward {
                    ports: ports.filter_map(|port| i32::try_from(port).ok()).collect(),
                }
            }
            ConnectOptions::Proxy { .. } => {
                ConnectOptions::Proxy { path: value.str_at(&["path"]).to_string() }
            }
        }
    }

    fn kind(&self, target: ObjectRef<'_>) -> &'static str {
        match (self, target.served.resource.plural.as_ref()) {
            (ConnectOptions::Exec { .. }, _) => "PodExecOptions",
            (ConnectOptions::Attach { .. }, _) => "PodAttachOptions",
            (ConnectOptions::PortForward { .. }, _) => "PodPortForwardOptions",
            (ConnectOptions::Proxy { .. }, "nodes") => "NodeProxyOptions",
            (ConnectOptions::Proxy { .. }, "services") => "ServiceProxyOptions",
            (ConnectOptions::Proxy { .. }, _) => "PodProxyOptions",
        }
    }
}

fn streams(query: &Query) -> Streams {
    let of = |name| query.flag(name).unwrap_or(false);
    Streams { stdin: of("stdin"), stdout: of("stdout"), stderr: of("stderr"), tty: of("tty") }
}

fn put_streams(map: &mut Map, container: &str, streams: Streams) {
    let all = [
        ("stdin", streams.stdin),
        ("stdout", streams.stdout),
        ("stderr", streams.stderr),
        ("tty", streams.tty),
    ];
    for (name, _) in all.into_iter().filter(|(_, is_wanted)| *is_wanted) {
        map.insert(name, true);
    }
    if !container.is_empty() {
        map.insert("container", container);
    }
}

/// Ports as Go's conversion of queries reads them, several in one value too.
fn ports<'a>(values: impl Iterator<Item = &'a str>) -> Result<Vec<i32>, Status> {
    let texts = values.flat_map(|value| value.split(','));
    texts
        .map(port)
        .collect::<Result<_, String>>()
        .map_err(|why| Status::bad_request(format!("cannot convert to []int32: {why}")))
}

fn port(text: &str) -> Result<i32, String> {
    let number = parse_uint(text)?;
    let quoted = pintle_object::field::quote(text);
    let port = u16::try_from(number)
        .map_err(|_| format!("strconv.ParseUint: parsing {quoted}: value out of range"))?;
    Ok(port.into())
}

/// The path after the subresource, with its leading slash.
fn rest_of_path(request: &Request) -> String {
    let rest = request.resource_path.parts.get(3..).unwrap_or_default().join("/");
    let mut path = if rest.is_empty() || rest.starts_with('/') { rest } else { format!("/{rest}") };
    if request.path().ends_with('/') && !path.ends_with('/') {
        path.push('/');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_in_go() {
        let read = |values: &[&str]| ports(values.iter().copied()).map_err(|status| status.message);
        assert_eq!(read(&["80", "81,82"]), Ok(vec![80, 81, 82]));
        assert_eq!(read(&[]), Ok(vec![]));
        let bad = "cannot convert to []int32: strconv.ParseUint: parsing \"abc\": invalid syntax";
        assert_eq!(read(&["abc"]).unwrap_err(), bad);
        let far = "cannot convert to []int32: strconv.ParseUint: parsing \"70000\": value out of range";
        assert_eq!(read(&["70000"]).unwrap_err(), far);
    }
}
