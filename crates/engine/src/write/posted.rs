//! Objects that are posted and not stored: admission completes and judges them like others.

use crate::engine::Engine;
use crate::request::admission::Operation;
use crate::request::write_context::WriteContext;
use crate::resource::ObjectRef;
use pintle_object::{Status, Value};

impl Engine {
    /// Has admission complete an object that is posted and not stored.
    pub async fn complete_posted(
        &self,
        target: ObjectRef<'_>,
        object: &mut Value,
        context: &mut WriteContext<'_>,
    ) -> Result<(), Status> {
        let attributes = context.attributes(Operation::Create, target, None, None);
        self.admission().mutate(self, attributes, object, &mut context.warnings).await
    }

    /// Has admission judge an object that is posted and not stored.
    pub async fn judge_posted(
        &self,
        target: ObjectRef<'_>,
        object: &Value,
        context: &mut WriteContext<'_>,
    ) -> Result<(), Status> {
        let attributes = context.attributes(Operation::Create, target, None, None);
        self.admission().validate(self, attributes, object, &mut context.warnings).await
    }
}
