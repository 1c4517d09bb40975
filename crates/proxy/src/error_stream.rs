//! Ends of processes: from the kubelet's error stream to the client's protocol.

use pintle_object::{Value, json};

/// The versions of the protocol for processes, the preferred first.
pub const VERSIONS: [&str; 5] =
    ["v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];

/// The reason of a Status with the exit code of a process.
pub const NON_ZERO_EXIT: &str = "NonZeroExitCode";

/// The form of errors in a version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelVersion {
    pub is_status: bool,
    pub has_resize: bool,
    text_prefix: &'static str,
}

impl ChannelVersion {
    /// The version that a kubelet chose; the first one when it says nothing.
    pub fn of(name: &str) -> ChannelVersion {
        let later = "error executing remote command: ";
        match name {
            "v5.channel.k8s.io" | "v4.channel.k8s.io" => {
                ChannelVersion { is_status: true, has_resize: true, text_prefix: "" }
            }
            "v3.channel.k8s.io" => ChannelVersion { is_status: false, has_resize: true, text_prefix: later },
            "v2.channel.k8s.io" => ChannelVersion { is_status: false, has_resize: false, text_prefix: later },
            _ => ChannelVersion {
                is_status: false,
                has_resize: false,
                text_prefix: "Error executing remote command: ",
            },
        }
    }

    /// The status of a process from its error stream, in JSON with upstream's order of fields.
    pub fn status(self, said: &[u8]) -> String {
        let outcome = match said {
            [] => Ok(()),
            said if self.is_status => of_status(said),
            said => {
                Err(StreamEnded::Failed(format!("{}{}", self.text_prefix, String::from_utf8_lossy(said))))
            }
        };
        match outcome {
            Ok(()) => r#"{"metadata":{},"status":"Success"}"#.into(),
            Err(StreamEnded::Code(code)) => exit(code),
            Err(StreamEnded::Failed(why)) => internal(&why),
        }
    }
}

enum StreamEnded {
    Code(u8),
    Failed(String),
}

fn of_status(said: &[u8]) -> Result<(), StreamEnded> {
    let wrong = |why: &str| StreamEnded::Failed(format!("error stream protocol error: {why}"));
    let status = json::parse(said).map_err(|error| {
        let quoted = pintle_object::field::quote(&String::from_utf8_lossy(said));
        wrong(&format!("{error} in {quoted}"))
    })?;
    match status.str_at(&["status"]) {
        "Success" => return Ok(()),
        "Failure" => {}
        _ => return Err(wrong("unknown error")),
    }
    if status.str_at(&["reason"]) != NON_ZERO_EXIT {
        return Err(StreamEnded::Failed(status.str_at(&["message"]).to_string()));
    }
    let Some(details) = status.get("details").filter(|details| !details.is_null()) else {
        return Err(wrong("details must be set"));
    };
    let causes = details.list_at(&["causes"]);
    match causes.iter().find(|cause| cause.str_at(&["reason"]) == "ExitCode") {
        Some(cause) => {
            let code = cause.str_at(&["message"]);
            let bad = |_| wrong(&format!("invalid exit code value {}", pintle_object::field::quote(code)));
            Err(StreamEnded::Code(code.parse().map_err(bad)?))
        }
        None => Err(wrong("no ExitCode cause given")),
    }
}

fn text(text: &str) -> String {
    json::to_string(&Value::text(text))
}

/// The failure of this server to bring process and client together.
pub fn internal(why: &str) -> String {
    format!(
        "{{\"metadata\":{{}},\"status\":\"Failure\",\"message\":{},\"reason\":\"InternalError\",\
         \"details\":{{\"causes\":[{{\"message\":{}}}]}},\"code\":500}}",
        text(&format!("Internal error occurred: {why}")),
        text(why)
    )
}

fn exit(code: u8) -> String {
    let message =
        format!("command terminated with non-zero exit code: command terminated with exit code {code}");
    format!(
        "{{\"metadata\":{{}},\"status\":\"Failure\",\"message\":{},\"reason\":\"NonZeroExitCode\",\
         \"details\":{{\"causes\":[{{\"reason\":\"ExitCode\",\"message\":\"{code}\"}}]}}}}",
        text(&message)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: &str, said: &str, expected: &str) {
        let told = ChannelVersion::of(version).status(said.as_bytes());
        assert_eq!(told, expected, "{version} {said}");
    }

    #[test]
    fn ends_of_processes_are_told() {
        let success = r#"{"metadata":{},"status":"Success"}"#;
        check("v5.channel.k8s.io", success, success);
        check("v4.channel.k8s.io", "", success);
        check("", "", success);
        check(
            "v4.channel.k8s.io",
            r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#,
            r#"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: command terminated with exit code 3","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#,
        );
        let failed = |why: &str| {
            let why = why.replace('"', "\\\"");
            format!(
                r#"{{"metadata":{{}},"status":"Failure","message":"Internal error occurred: {why}","reason":"InternalError","details":{{"causes":[{{"message":"{why}"}}]}},"code":500}}"#
            )
        };
        for (version, said, why) in [
            ("v4.channel.k8s.io", r#"{"status":"Failure","message":"gone"}"#, "gone"),
            ("v4.channel.k8s.io", "{}", "error stream protocol error: unknown error"),
            (
                "v4.channel.k8s.io",
                r#"{"status":"Failure","reason":"NonZeroExitCode"}"#,
                "error stream protocol error: details must be set",
            ),
            (
                "v4.channel.k8s.io",
                r#"{"status":"Failure","reason":"NonZeroExitCode","details":{}}"#,
                "error stream protocol error: no ExitCode cause given",
            ),
            ("v2.channel.k8s.io", "gone", "error executing remote command: gone"),
            ("channel.k8s.io", "gone", "Error executing remote command: gone"),
        ] {
            check(version, said, &failed(why));
        }
    }
}
