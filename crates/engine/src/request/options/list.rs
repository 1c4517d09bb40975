//! Options of list and watch.

use super::refusal::refuse;
use pintle_object::{FieldErrors, Path, Query, Status, parse_uint};

/// `resourceVersionMatch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionMatch {
    Unset,
    Exact,
    NotOlderThan,
}

/// `metav1.ListOptions`, validated, save the selectors, which the resource's field labels decide.
#[derive(Clone, Debug)]
pub struct ListOptions {
    pub label_selector: String,
    pub field_selector: String,
    pub watch: bool,
    pub allow_watch_bookmarks: bool,
    pub resource_version: String,
    pub version_match: VersionMatch,
    pub timeout_seconds: Option<i64>,
    pub limit: i64,
    pub continue_token: String,
    pub send_initial_events: Option<bool>,
}

impl ListOptions {
    pub fn read(query: &Query) -> Result<ListOptions, Status> {
        ListOptions::read_as(query, query.flag("watch").unwrap_or(false), true)
    }

    /// The options of a path that is a watch, whatever its query says. Without watch lists, `sendInitialEvents` is
    /// refused.
    pub fn read_watch(query: &Query, has_watch_lists: bool) -> Result<ListOptions, Status> {
        ListOptions::read_as(query, true, has_watch_lists)
    }

    fn read_as(query: &Query, watch: bool, has_watch_lists: bool) -> Result<ListOptions, Status> {
        let timeout_seconds = query.int("timeoutSeconds")?;
        let limit = query.int("limit")?.unwrap_or(0);
        let mut options = ListOptions {
            label_selector: query.text("labelSelector").to_string(),
            field_selector: query.text("fieldSelector").to_string(),
            watch,
            allow_watch_bookmarks: query.flag("allowWatchBookmarks").unwrap_or(false),
            resource_version: query.text("resourceVersion").to_string(),
            version_match: VersionMatch::Unset,
            timeout_seconds,
            limit,
            continue_token: query.text("continue").to_string(),
            send_initial_events: query.flag("sendInitialEvents"),
        };
        let given = query.text("resourceVersionMatch");
        let wanted = if has_watch_lists { options.default_match(given) } else { given };
        let mut errors = FieldErrors::new();
        if options.watch {
            options.validate_watch(wanted, has_watch_lists, &mut errors);
        } else {
            options.validate_list(wanted, &mut errors);
        }
        refuse("ListOptions", errors)?;
        options.version_match = match wanted {
            "Exact" => VersionMatch::Exact,
            "NotOlderThan" => VersionMatch::NotOlderThan,
            _ => VersionMatch::Unset,
        };
        Ok(options)
    }

    /// Without a version and a match, a watch that may take the legacy form starts with the current state:
    /// upstream says so by defaulting `sendInitialEvents` and the match.
    fn default_match<'a>(&mut self, given: &'a str) -> &'a str {
        let starts_anywhere = self.resource_version.is_empty() || self.resource_version == "0";
        if self.watch && self.send_initial_events.is_none() && given.is_empty() && starts_anywhere {
            self.send_initial_events = Some(true);
            return "NotOlderThan";
        }
        given
    }

    fn validate_list(&self, wanted: &str, errors: &mut FieldErrors) {
        let path = Path::root("resourceVersionMatch");
        if !wanted.is_empty() {
            if self.resource_version.is_empty() {
                let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                errors.forbidden(&path, why);
            }
            if !self.continue_token.is_empty() {
                errors.forbidden(&path, "resourceVersionMatch is forbidden when continue is provided");
            }
            if !matches!(wanted, "Exact" | "NotOlderThan") {
                errors.not_supported(&path, wanted, &["Exact", "NotOlderThan", ""]);
            }
            if wanted == "Exact" && self.resource_version == "0" {
                let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                errors.forbidden(&path, why);
            }
        }
        if self.send_initial_events.is_some() {
            let path = Path::root("sendInitialEvents");
            errors.forbidden(&path, "sendInitialEvents is forbidden for list");
        }
    }

    fn validate_watch(&self, wanted: &str, has_watch_lists: bool, errors: &mut FieldErrors) {
        let path = Path::root("resourceVersionMatch");
        if self.send_initial_events.is_some() && wanted != "NotOlderThan" {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            errors.forbidden(&path, why);
        }
        if self.send_initial_events.is_some() && !has_watch_lists {
            let why = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
            errors.forbidden(&Path::root("sendInitialEvents"), why);
        }
        if wanted.is_empty() {
            return;
        }
        if self.send_initial_events.is_none() {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.forbidden(&path, why);
        }
        if wanted != "NotOlderThan" {
            errors.not_supported(&path, wanted, &["NotOlderThan"]);
        }
        if !self.continue_token.is_empty() {
            errors.forbidden(&path, "resourceVersionMatch is forbidden when continue is provided");
        }
    }

    /// The resource version as a number; `None` when unset.
    pub fn version(&self) -> Result<Option<u64>, String> {
        if self.resource_version.is_empty() {
            return Ok(None);
        }
        let invalid = |why| {
            let quoted = pintle_object::field::quote(&self.resource_version);
            format!("resourceVersion: Invalid value: {quoted}: {why}")
        };
        parse_uint(&self.resource_version).map(Some).map_err(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: &str) {
        let message = ListOptions::read(&Query::parse(query)).err().map(|status| status.message);
        let message = message.as_deref().unwrap_or("");
        assert_eq!(
            message.trim_start_matches("ListOptions.meta.k8s.io \"\" is invalid: "),
            expected,
            "{query}"
        );
    }

    #[test]
    fn combinations_that_upstream_refuses() {
        let unless = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion \
                      is provided";
        check("resourceVersion=5&resourceVersionMatch=Exact", "");
        check("resourceVersionMatch=Exact", unless);
        check(
            "resourceVersion=0&resourceVersionMatch=Exact",
            "resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        );
        check(
            "sendInitialEvents=true",
            "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
        );
        check("watch=true", "");
        check(
            "watch=true&sendInitialEvents=false",
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        );
        check(
            "watch=true&continue=abc",
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided",
        );
        check("limit=x", "strconv.ParseInt: parsing \"x\": invalid syntax");
    }
}
