//! Connections through to others: nothing is written, but admission judges their options.

use crate::engine::Engine;
use crate::request::admission::Operation;
use crate::request::write_context::Call;
use crate::resource::Target;
use pintle_object::{Status, Value};

impl Engine {
    /// Has admission complete and judge the options of a connection (`PodExecOptions` and its like).
    pub async fn admit_connect(
        &self,
        target: Target<'_>,
        options: &mut Value,
        call: &mut Call<'_>,
    ) -> Result<(), Status> {
        let attributes = call.attributes(Operation::Connect, target, None, None);
        self.admission().mutate(self, attributes, options, &mut call.warnings).await?;
        let attributes = call.attributes(Operation::Connect, target, None, None);
        self.admission().validate(self, attributes, options, &mut call.warnings).await
    }
}
