//! Connections through to others: nothing is written, but admission judges their options.

use crate::engine::Engine;
use crate::request::admission::Operation;
use crate::request::write_context::WriteContext;
use crate::resource::ObjectRef;
use pintle_object::{Status, Value};

impl Engine {
    /// Has admission complete and judge the options of a connection (`PodExecOptions` and its like).
    pub async fn admit_connect(
        &self,
        target: ObjectRef<'_>,
        options: &mut Value,
        context: &mut WriteContext<'_>,
    ) -> Result<(), Status> {
        let attributes = context.attributes(Operation::Connect, target, None, None);
        self.admission().mutate(self, attributes, options, &mut context.warnings).await?;
        let attributes = context.attributes(Operation::Connect, target, None, None);
        self.admission().validate(self, attributes, options, &mut context.warnings).await
    }
}
