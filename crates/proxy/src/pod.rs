//! Locations of a Pod's containers and ports: `pkg/registry/core/pod/strategy.go` upstream.

use crate::kubelet::{Kubelet, is_global_unicast};
use crate::location::{Location, encode_query, split_scheme_name_port};
use pintle_object::{Status, Value};

/// Streams of a process in a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
}

impl Streams {
    fn pairs(self) -> Vec<(&'static str, String)> {
        let all = [("input", self.stdin), ("output", self.stdout), ("error", self.stderr), ("tty", self.tty)];
        all.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(name, _)| (name, "1".into())).collect()
    }
}

/// The container that is meant: the named one, or the only one.
pub fn container(pod: &Value, wanted: &str) -> Result<String, Status> {
    let name = pod.str_at(&["metadata", "name"]);
    let of = |field| pod.list_at(&["spec", field]).iter().map(|container| container.str_at(&["name"]));
    let main: Vec<&str> = of("containers").collect();
    let all: Vec<&str> =
        of("initContainers").chain(of("containers")).chain(of("ephemeralContainers")).collect();
    if !wanted.is_empty() {
        return match all.contains(&wanted) {
            true => Ok(wanted.into()),
            false => Err(Status::bad_request(format!("container {wanted} is not valid for pod {name}"))),
        };
    }
    match main.as_slice() {
        [only] => Ok((*only).into()),
        [] => Err(Status::bad_request(format!("a container name must be specified for pod {name}"))),
        _ => Err(Status::bad_request(format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            all.join(" ")
        ))),
    }
}

/// The node that a Pod runs on, or an error if it has none.
pub fn node(pod: &Value) -> Result<&str, Status> {
    match pod.str_at(&["spec", "nodeName"]) {
        "" => {
            let name = pod.str_at(&["metadata", "name"]);
            Err(Status::bad_request(format!("pod {name} does not have a host assigned")))
        }
        node => Ok(node),
    }
}

/// The kubelet's path for one of a Pod's containers, or for the Pod without one.
fn path(of: &str, pod: &Value, container: &str) -> String {
    let (namespace, name) = (pod.str_at(&["metadata", "namespace"]), pod.str_at(&["metadata", "name"]));
    let container = if container.is_empty() { String::new() } else { format!("/{container}") };
    format!("/{of}/{namespace}/{name}{container}")
}

/// The location of a container's log.
pub fn log(kubelet: &Kubelet, pod: &Value, container: &str, options: &[(&str, String)]) -> Location {
    kubelet.location().with_path(path("containerLogs", pod, container)).with_query(encode_query(options))
}

/// The location for running a command in a container.
pub fn exec(
    kubelet: &Kubelet,
    pod: &Value,
    container: &str,
    streams: Streams,
    command: &[String],
) -> Location {
    let mut pairs = streams.pairs();
    pairs.extend(command.iter().map(|word| ("command", word.clone())));
    kubelet.location().with_path(path("exec", pod, container)).with_query(encode_query(&pairs))
}

/// The location for attaching to a container's process.
pub fn attach(kubelet: &Kubelet, pod: &Value, container: &str, streams: Streams) -> Location {
    kubelet.location().with_path(path("attach", pod, container)).with_query(encode_query(&streams.pairs()))
}

/// The location for forwarding ports of a Pod.
pub fn port_forward(kubelet: &Kubelet, pod: &Value, ports: &[i32]) -> Location {
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let pairs = if ports.is_empty() { Vec::new() } else { vec![("port", ports.join(","))] };
    kubelet.location().with_path(path("portForward", pod, "")).with_query(encode_query(&pairs))
}

/// The Pod of `[scheme:]name[:port]`.
pub fn proxied_name(id: &str) -> Result<(&str, &str, &str), Status> {
    let bad = || Status::bad_request(format!("invalid pod request {}", pintle_object::field::quote(id)));
    split_scheme_name_port(id).ok_or_else(bad)
}

/// The location of a Pod's port; of its first one when none is named.
pub fn proxied(pod: &Value, scheme: &str, port: &str) -> Result<Location, Status> {
    let mut ports =
        pod.list_at(&["spec", "containers"]).iter().map(|container| container.list_at(&["ports"]));
    let first = ports.find_map(|ports| ports.first()?.int_at(&["containerPort"]));
    let port = match (port, first) {
        ("", Some(first)) => first.to_string(),
        (port, _) => port.to_string(),
    };
    let address = match pod.list_at(&["status", "podIPs"]).first() {
        Some(first) => first.str_at(&["ip"]),
        None => "",
    };
    match address.parse() {
        Ok(address) if is_global_unicast(address) => {}
        _ => return Err(Status::bad_request("address not allowed")),
    }
    Ok(Location::new(scheme == "https", address, &port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::json;

    fn pod(text: &str) -> Value {
        json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn containers_are_named_or_alone() {
        let two = pod(
            r#"{"metadata":{"name":"p"},"spec":{"initContainers":[{"name":"i"}],"containers":[{"name":"a"},{"name":"b"}]}}"#,
        );
        let why = |wanted| container(&two, wanted).unwrap_err().message.to_string();
        assert_eq!(container(&two, "i").unwrap(), "i");
        assert_eq!(why(""), "a container name must be specified for pod p, choose one of: [i a b]");
        assert_eq!(why("z"), "container z is not valid for pod p");
        assert_eq!(container(&pod(r#"{"spec":{"containers":[{"name":"a"}]}}"#), "").unwrap(), "a");
        assert!(node(&two).is_err_and(|why| why.message == "pod p does not have a host assigned"));
    }

    #[test]
    fn kubelets_are_asked_with_sorted_options() {
        let kubelet = Kubelet { host: "10.0.0.1".into(), port: 10250, speaks_websocket: false };
        let pod = pod(r#"{"metadata":{"name":"p","namespace":"n"}}"#);
        let streams = Streams { stdin: true, stdout: true, stderr: false, tty: true };
        let command = ["sh".to_string(), "-c".to_string()];
        assert_eq!(
            exec(&kubelet, &pod, "c", streams, &command).to_string(),
            "https://10.0.0.1:10250/exec/n/p/c?command=sh&command=-c&input=1&output=1&tty=1"
        );
        assert_eq!(
            port_forward(&kubelet, &pod, &[80, 81]).to_string(),
            "https://10.0.0.1:10250/portForward/n/p?port=80%2C81"
        );
        let options = [("sinceTime", "2026-01-02T03:04:05Z".to_string()), ("follow", "true".to_string())];
        assert_eq!(
            log(&kubelet, &pod, "c", &options).to_string(),
            "https://10.0.0.1:10250/containerLogs/n/p/c?follow=true&sinceTime=2026-01-02T03%3A04%3A05Z"
        );
    }

    #[test]
    fn pods_are_proxied_to_at_their_first_address_and_port() {
        let of = |ip: &str| {
            pod(&format!(
                r#"{{"spec":{{"containers":[{{"name":"a"}},{{"name":"b","ports":[{{"containerPort":8080}}]}}]}},
               "status":{{"podIPs":[{{"ip":"{ip}"}}]}}}}"#
            ))
        };
        assert_eq!(proxied(&of("10.0.0.1"), "", "").unwrap().to_string(), "http://10.0.0.1:8080");
        assert_eq!(proxied(&of("fd00::1"), "https", "1").unwrap().to_string(), "https://[fd00::1]:1");
        for ip in ["127.0.0.1", "169.254.0.1", "", "x"] {
            assert!(proxied(&of(ip), "", "").is_err_and(|why| why.message == "address not allowed"), "{ip}");
        }
    }
}
