//! Selectors of the object of a request.

use super::namespace::labels;
use crate::request::Request;
pub(crate) use crate::webhook::predicates::selector::parsed;
use pintle_object::selector::LabelSelector;
use pintle_object::{Status, Value};

/// Decides by the labels of the object, as it was or as it will be.
pub struct ObjectMatcher {
    selector: Result<LabelSelector, String>,
}

impl ObjectMatcher {
    /// The matcher of an `objectSelector`; without one every object matches.
    pub fn new(selector: Option<&Value>) -> ObjectMatcher {
        ObjectMatcher { selector: parsed(selector) }
    }

    pub fn matches(&self, request: &Request<'_>, object: &Value) -> Result<bool, Status> {
        let selector = self.selector.as_ref().map_err(|why| Status::internal(why.clone()))?;
        if selector.is_everything() {
            return Ok(true);
        }
        // A scale has no labels, even if its object has.
        let is_scale = request.subresource() == "scale";
        let fits = |of: &Value| match of.is_null() {
            true => false,
            false if is_scale => selector.matches(&pintle_object::Map::new()),
            false => selector.matches(&labels(of)),
        };
        Ok(fits(object) || request.attributes.old.is_some_and(fits))
    }
}
