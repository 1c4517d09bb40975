//! Managed fields: which manager last set which field.

use crate::call::Call;
use crate::engine::{Engine, Target};
use pintle_object::{Status, Value};

impl Engine {
    /// Accounts the difference between `live` and `new` to the manager of the call.
    pub(crate) fn track(
        &self,
        target: &Target<'_>,
        live: Option<&Value>,
        new: &mut Value,
        call: &Call<'_>,
    ) -> Result<(), Status> {
        let _ = (target, live, new, call);
        Ok(())
    }
}
