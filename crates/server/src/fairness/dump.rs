//! `/debug/api_priority_and_fairness/`: levels, queues and waiting requests, as text.

use super::Turns;
use crate::request::Request;
use crate::response::Response;

const ROOT: &str = "/debug/api_priority_and_fairness/";

/// Whether a path is one of the dumps.
pub fn is_dump(path: &str) -> bool {
    matches!(path.strip_prefix(ROOT), Some("dump_priority_levels" | "dump_queues" | "dump_requests"))
}

/// The answer, when the path is one of the dumps.
pub fn answer(turns: &Turns, request: &Request) -> Option<Response> {
    let fairness = &turns.fairness;
    let text = match request.path().strip_prefix(ROOT)? {
        "dump_priority_levels" => fairness.dump_levels(),
        "dump_queues" => fairness.dump_queues(),
        "dump_requests" => {
            let has_details = !request.query.text("includeRequestDetails").is_empty();
            fairness.dump_requests(has_details, &|moment| turns.clock.wall(moment))
        }
        _ => return None,
    };
    Some(Response::new(200, "text/plain; charset=utf-8", text))
}
