//! Whether KMS plugins are well, as health endpoints ask.

use crate::failure::joined;
use crate::kms::Plugin;
use std::sync::Arc;

/// The plugins of a configuration, in its order.
#[derive(Clone, Default)]
pub(crate) struct Plugins(pub Vec<Arc<Plugin>>);

impl Plugins {
    /// Fails with the errors of the plugins, which are checked one after the other, as upstream does.
    pub async fn check(&self) -> Result<(), String> {
        let mut errors = Vec::new();
        for (index, plugin) in self.0.iter().enumerate() {
            let result = plugin.check().await;
            errors.extend(result.err().map(|why| format!("kms-provider-{index}: {why}")));
        }
        if errors.is_empty() { Ok(()) } else { Err(joined(errors)) }
    }
}
