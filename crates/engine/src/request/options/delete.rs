//! Options of delete and deletecollection, from the query or from a body.

use super::refusal::{refuse, validate_dry_run};
use pintle_object::{FieldErrors, Path, Query, Status, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// Preconditions of the object that is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    pub grace_period_seconds: Option<i64>,
    pub preconditions: Preconditions,
    pub orphan_dependents: Option<bool>,
    pub propagation: Option<Propagation>,
    pub dry_run: bool,
    /// `ignoreStoreReadErrorWithClusterBreakingPotential`: unreadable objects are deleted too.
    pub ignores_read_errors: bool,
}

const IGNORES_READ_ERRORS: &str = "ignoreStoreReadErrorWithClusterBreakingPotential";

/// The options as they came, before validation.
#[derive(Default)]
struct Raw<'a> {
    grace_period_seconds: Option<i64>,
    orphan_dependents: Option<bool>,
    propagation: Option<&'a str>,
    dry_run: Vec<&'a str>,
    preconditions: Preconditions,
    ignores_read_errors: bool,
}

impl DeleteOptions {
    pub fn from_query(query: &Query) -> Result<DeleteOptions, Status> {
        // An empty precondition in a query counts as absent.
        let given = |name| query.first(name).filter(|text| !text.is_empty()).map(String::from);
        Raw {
            grace_period_seconds: query.int("gracePeriodSeconds")?,
            orphan_dependents: query.flag("orphanDependents"),
            propagation: query.first("propagationPolicy"),
            dry_run: query.all("dryRun").collect(),
            preconditions: Preconditions { uid: given("uid"), resource_version: given("resourceVersion") },
            ignores_read_errors: query.flag(IGNORES_READ_ERRORS) == Some(true),
        }
        .check()
    }

    /// From a decoded `DeleteOptions`.
    pub fn from_body(body: &Value) -> Result<DeleteOptions, Status> {
        let text = |path: &[&str]| body.at(path).and_then(Value::as_str).map(ToString::to_string);
        Raw {
            grace_period_seconds: body.int_at(&["gracePeriodSeconds"]),
            orphan_dependents: body.get("orphanDependents").and_then(Value::as_bool),
            propagation: body.get("propagationPolicy").and_then(Value::as_str),
            dry_run: body.list_at(&["dryRun"]).iter().filter_map(Value::as_str).collect(),
            preconditions: Preconditions {
                uid: text(&["preconditions", "uid"]),
                resource_version: text(&["preconditions", "resourceVersion"]),
            },
            ignores_read_errors: body.bool_at(&[IGNORES_READ_ERRORS]),
        }
        .check()
    }
}

impl DeleteOptions {
    /// Refuses options that cannot be combined with the deletion of unreadable objects. Without the feature
    /// AllowUnsafeMalformedObjectDeletion that option is ignored.
    pub fn gated(mut self, deletes_unreadable: bool) -> Result<DeleteOptions, Status> {
        self.ignores_read_errors &= deletes_unreadable;
        if !self.ignores_read_errors {
            return Ok(self);
        }
        let mut errors = FieldErrors::new();
        let given = [
            (self.dry_run, "dryRun"),
            (self.propagation.is_some(), "propagationPolicy"),
            (self.orphan_dependents.is_some(), "orphanDependents"),
            (self.grace_period_seconds.is_some(), "gracePeriodSeconds"),
            (self.preconditions != Preconditions::default(), "preconditions"),
        ];
        for (_, field) in given.into_iter().filter(|(is_given, _)| *is_given) {
            let why = format!("cannot be set together with .{field}");
            errors.invalid(&Path::root(IGNORES_READ_ERRORS), true, &why);
        }
        refuse("DeleteOptions", errors).map(|()| self)
    }

    /// Refuses the same for many objects at once.
    pub fn of_collection(self) -> Result<DeleteOptions, Status> {
        let mut errors = FieldErrors::new();
        if self.ignores_read_errors {
            let why = "is not allowed with DELETECOLLECTION, try again after removing the option";
            errors.invalid(&Path::root(IGNORES_READ_ERRORS), true, why);
        }
        refuse("DeleteOptions", errors).map(|()| self)
    }
}

impl Raw<'_> {
    fn check(self) -> Result<DeleteOptions, Status> {
        let mut errors = FieldErrors::new();
        let path = Path::root("propagationPolicy");
        if let (Some(_), Some(policy)) = (self.orphan_dependents, self.propagation) {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            errors.invalid(&path, policy, why);
        }
        let propagation = match self.propagation {
            None => None,
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Background") => Some(Propagation::Background),
            Some("Orphan") => Some(Propagation::Orphan),
            Some(other) => {
                errors.not_supported(&path, other, &["Foreground", "Background", "Orphan", "nil"]);
                None
            }
        };
        validate_dry_run(&self.dry_run, &mut errors);
        refuse("DeleteOptions", errors)?;
        Ok(DeleteOptions {
            grace_period_seconds: self.grace_period_seconds,
            preconditions: self.preconditions,
            orphan_dependents: self.orphan_dependents,
            propagation,
            dry_run: !self.dry_run.is_empty(),
            ignores_read_errors: self.ignores_read_errors,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_may_hold_preconditions() {
        let check = |pairs: &[(&str, &str)], uid: Option<&str>, version: Option<&str>| {
            let query = Query::of(pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())));
            let found = DeleteOptions::from_query(&query).unwrap().preconditions;
            assert_eq!(
                (found.uid.as_deref(), found.resource_version.as_deref()),
                (uid, version),
                "{pairs:?}"
            );
        };
        check(&[], None, None);
        check(&[("uid", ""), ("resourceVersion", "")], None, None);
        check(&[("uid", "a"), ("uid", "b")], Some("a"), None);
        check(&[("uid", "a"), ("resourceVersion", "7")], Some("a"), Some("7"));
    }

    #[test]
    fn what_cannot_be_read_is_deleted_alone() {
        let check = |body: &str, is_on: bool, expected: Result<bool, &str>| {
            let body = pintle_object::json::parse(body.as_bytes()).unwrap();
            let found = DeleteOptions::from_body(&body).unwrap().gated(is_on);
            let found = found.map(|options| options.ignores_read_errors).map_err(|status| status.message);
            assert_eq!(found, expected.map_err(String::from));
        };
        let asked = r#"{"ignoreStoreReadErrorWithClusterBreakingPotential":true}"#;
        check("{}", true, Ok(false));
        check(asked, true, Ok(true));
        check(asked, false, Ok(false));
        let both = r#"{"ignoreStoreReadErrorWithClusterBreakingPotential":true,"gracePeriodSeconds":0}"#;
        check(both, false, Ok(false));
        let why = "DeleteOptions.meta.k8s.io \"\" is invalid: ignoreStoreReadErrorWithClusterBreakingPotential: Invalid \
                   value: true: cannot be set together with .gracePeriodSeconds";
        check(both, true, Err(why));
    }

    #[test]
    fn policies_that_exclude_each_other_are_refused() {
        let mut body = Value::map();
        body.set(&["propagationPolicy"], "Orphan");
        assert_eq!(DeleteOptions::from_body(&body).unwrap().propagation, Some(Propagation::Orphan));
        body.set(&["orphanDependents"], true);
        assert_eq!(
            DeleteOptions::from_body(&body).unwrap_err().message,
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"Orphan\": \
             orphanDependents and deletionPropagation cannot be both set"
        );
    }
}
