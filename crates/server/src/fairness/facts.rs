//! The input for estimating a request's width: its options, the objects that it is about, and their watchers.

use crate::request::Request;
use pintle_engine::Engine;
use pintle_fairness::{Facts, Fairness, ListShape, ObjectStats};
use pintle_object::RequestInfo;

/// The number of objects whose mean size stands for that of all.
const SAMPLE_OBJECTS: usize = 16;

pub struct StoredFacts<'a> {
    pub engine: &'a Engine,
    pub fairness: &'a Fairness,
    pub request: &'a Request,
}

impl Facts for StoredFacts<'_> {
    fn list_shape(&self) -> Option<ListShape<'_>> {
        let query = &self.request.query;
        let limit = match query.text("limit") {
            "" => 0,
            text => text.parse::<i64>().ok()?,
        };
        let is_given = |name: &str| !query.text(name).is_empty();
        Some(ListShape {
            limit: u64::try_from(limit).unwrap_or(0),
            resource_version: query.text("resourceVersion"),
            resource_version_match: query.text("resourceVersionMatch"),
            has_continue: is_given("continue"),
            has_selector: is_given("fieldSelector") || is_given("labelSelector"),
            sends_initial_events: query.flag("sendInitialEvents").unwrap_or(false),
            is_of_one: !self.request.info.name.is_empty(),
        })
    }

    fn objects(&self) -> Option<ObjectStats> {
        objects(self.engine, &self.request.info)
    }

    fn watchers(&self) -> u64 {
        let info = &self.request.info;
        self.fairness.watches().interested(&info.group, &info.resource, &info.namespace, &info.name)
    }
}

/// The stored objects of a request's resource; none when it is not stored here.
pub fn objects(engine: &Engine, info: &RequestInfo) -> Option<ObjectStats> {
    let collection = engine.find_any(&info.group, &info.resource)?.collection()?;
    let snapshot = engine.store.snapshot(collection);
    let sample = snapshot.range("", None).take(SAMPLE_OBJECTS);
    let (count, bytes) = sample.fold((0, 0), |(count, bytes), one| (count + 1, bytes + one.value.len()));
    let mean = bytes.checked_div(count).unwrap_or(0);
    Some(ObjectStats { count: snapshot.len() as u64, bytes_mean: mean as u64 })
}
