//! The row that `kubectl get pods` shows.

use crate::cells::{NONE, age, name, seconds};
use pintle_object::Value;
use pintle_object::meta;

pub fn row(pod: &Value, now_seconds: i64) -> Vec<Value> {
    let state = PodState::of(pod);
    let restarts = match state.last_restart_seconds {
        Some(then) if state.restarts != 0 => {
            let ago = crate::cells::human_duration(now_seconds - then);
            format!("{} ({ago} ago)", state.restarts)
        }
        _ => state.restarts.to_string(),
    };
    let or_none = |text: &str| Value::from(if text.is_empty() { NONE } else { text });
    let ip = pod.list_at(&["status", "podIPs"]).first().map_or("", |ip| ip.str_at(&["ip"]));
    vec![
        name(pod),
        Value::from(format!("{}/{}", state.ready, state.total)),
        Value::from(state.reason),
        Value::from(restarts),
        age(pod, now_seconds),
        or_none(ip),
        or_none(pod.str_at(&["spec", "nodeName"])),
        or_none(pod.str_at(&["status", "nominatedNodeName"])),
        Value::from(readiness_gates(pod)),
    ]
}

/// The row's condition for a pod that has ended.
pub fn completed(pod: &Value) -> Option<Value> {
    let phase = pod.str_at(&["status", "phase"]);
    let message = match phase {
        "Succeeded" => "The pod has completed successfully.",
        "Failed" => "The pod failed.",
        _ => return None,
    };
    let mut condition = Value::map();
    for (field, text) in [("type", "Completed"), ("status", "True"), ("reason", phase), ("message", message)]
    {
        condition.set(&[field], text);
    }
    Some(condition)
}

/// The state that the statuses of a pod's containers add up to.
struct PodState {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart_seconds: Option<i64>,
}

impl PodState {
    fn of(pod: &Value) -> PodState {
        let sidecars = pod.list_at(&["spec", "initContainers"]).iter().filter(|one| is_sidecar(one)).count();
        let mut state = PodState {
            reason: phase_or_reason(pod),
            ready: 0,
            total: pod.list_at(&["spec", "containers"]).len() + sidecars,
            restarts: 0,
            last_restart_seconds: None,
        };
        let mut sidecar = Restarts::default();
        let is_initializing = state.count_init_containers(pod, &mut sidecar);
        if !is_initializing || has_condition(pod, "Initialized") {
            state.restarts = sidecar.count;
            state.last_restart_seconds = sidecar.last_seconds;
            state.count_containers(pod);
        }
        if meta::is_deleting(pod) {
            let has_ended = matches!(pod.str_at(&["status", "phase"]), "Failed" | "Succeeded");
            if pod.str_at(&["status", "reason"]) == "NodeLost" {
                state.reason = String::from("Unknown");
            } else if !has_ended {
                state.reason = String::from("Terminating");
            }
        }
        state
    }

    /// Whether the pod still waits for an init container.
    fn count_init_containers(&mut self, pod: &Value, sidecar: &mut Restarts) -> bool {
        let specs = pod.list_at(&["spec", "initContainers"]);
        let mut all = Restarts::default();
        let mut is_initializing = false;
        for (index, status) in pod.list_at(&["status", "initContainerStatuses"]).iter().enumerate() {
            all.add(status);
            let is_sidecar = specs
                .iter()
                .any(|spec| spec.str_at(&["name"]) == status.str_at(&["name"]) && is_sidecar(spec));
            if is_sidecar {
                sidecar.add(status);
            }
            if status.int_at(&["state", "terminated", "exitCode"]) == Some(0) {
                continue;
            }
            if is_sidecar && status.bool_at(&["started"]) {
                self.ready += usize::from(status.bool_at(&["ready"]));
                continue;
            }
            self.reason = init_reason(status, index, specs.len());
            is_initializing = true;
            break;
        }
        self.restarts = all.count;
        self.last_restart_seconds = all.last_seconds;
        is_initializing
    }

    fn count_containers(&mut self, pod: &Value) {
        let mut restarts = Restarts { count: self.restarts, last_seconds: self.last_restart_seconds };
        let mut has_running = false;
        for status in pod.list_at(&["status", "containerStatuses"]).iter().rev() {
            restarts.add(status);
            let waiting = status.str_at(&["state", "waiting", "reason"]);
            if !waiting.is_empty() {
                self.reason = waiting.to_string();
            } else if status.map_at(&["state", "terminated"]).is_some() {
                self.reason = terminated_reason(status);
            } else if status.bool_at(&["ready"]) && status.map_at(&["state", "running"]).is_some() {
                has_running = true;
                self.ready += 1;
            }
        }
        self.restarts = restarts.count;
        self.last_restart_seconds = restarts.last_seconds;
        if self.reason == "Completed" && has_running {
            self.reason = String::from(if has_condition(pod, "Ready") { "Running" } else { "NotReady" });
        }
    }
}

#[derive(Default)]
struct Restarts {
    count: i64,
    last_seconds: Option<i64>,
}

impl Restarts {
    fn add(&mut self, status: &Value) {
        self.count += status.int_at(&["restartCount"]).unwrap_or(0);
        let finished = seconds(status.str_at(&["lastState", "terminated", "finishedAt"]));
        self.last_seconds = self.last_seconds.max(finished);
    }
}

fn phase_or_reason(pod: &Value) -> String {
    let is_gated = pod.list_at(&["status", "conditions"]).iter().any(|condition| {
        condition.str_at(&["type"]) == "PodScheduled" && condition.str_at(&["reason"]) == "SchedulingGated"
    });
    if is_gated {
        return String::from("SchedulingGated");
    }
    let reason = pod.str_at(&["status", "reason"]);
    if reason.is_empty() { pod.str_at(&["status", "phase"]).to_string() } else { reason.to_string() }
}

fn init_reason(status: &Value, index: usize, total: usize) -> String {
    if status.map_at(&["state", "terminated"]).is_some() {
        return format!("Init:{}", terminated_reason(status));
    }
    match status.str_at(&["state", "waiting", "reason"]) {
        "" | "PodInitializing" => format!("Init:{index}/{total}"),
        reason => format!("Init:{reason}"),
    }
}

fn terminated_reason(status: &Value) -> String {
    let terminated = |field: &str| status.int_at(&["state", "terminated", field]).unwrap_or(0);
    match (status.str_at(&["state", "terminated", "reason"]), terminated("signal")) {
        ("", 0) => format!("ExitCode:{}", terminated("exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_string(),
    }
}

fn readiness_gates(pod: &Value) -> String {
    let gates = pod.list_at(&["spec", "readinessGates"]);
    if gates.is_empty() {
        return NONE.to_string();
    }
    let open = gates.iter().filter(|gate| has_condition(pod, gate.str_at(&["conditionType"]))).count();
    format!("{open}/{}", gates.len())
}

fn has_condition(pod: &Value, kind: &str) -> bool {
    pod.list_at(&["status", "conditions"])
        .iter()
        .any(|condition| condition.str_at(&["type"]) == kind && condition.str_at(&["status"]) == "True")
}

fn is_sidecar(container: &Value) -> bool {
    container.str_at(&["restartPolicy"]) == "Always"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_containers_is_the_state_of_the_pod() {
        let spec = r#""spec":{"containers":[{"name":"a"},{"name":"b"}],"initContainers":[{"name":"i"}]}"#;
        let cases = [
            (r#"{"phase":"Running"}"#, "0/2", "Running", "0"),
            (
                r#"{"phase":"Running","containerStatuses":[{"ready":true,"state":{"running":{}}},{"restartCount":3,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}"#,
                "1/2",
                "CrashLoopBackOff",
                "3",
            ),
            (
                r#"{"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":2}}}]}"#,
                "0/2",
                "Init:ExitCode:2",
                "0",
            ),
            (
                r#"{"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"waiting":{"reason":"PodInitializing"}}}]}"#,
                "0/2",
                "Init:0/1",
                "0",
            ),
        ];
        for (status, ready, reason, restarts) in cases {
            let json = format!(r#"{{{spec},"status":{status}}}"#);
            let pod = pintle_object::json::parse(json.as_bytes()).expect("test data is JSON");
            let cells = row(&pod, 0);
            let shown: Vec<&str> = cells.iter().skip(1).take(3).filter_map(Value::as_str).collect();
            assert_eq!(shown, [ready, reason, restarts], "{status}");
        }
    }
}
