//! Plugins in order, as the one `Admission` that the engine asks.

use crate::NamespaceLifecycle;
use pintle_engine::Engine;
use pintle_engine::admission::{Admission, Attributes, Verdict};
use pintle_object::Value;

/// One plugin. Both methods admit by default, so that a plugin says only what is its own.
pub trait Plugin: Send + Sync {
    /// The name that `--enable-admission-plugins` knows it by.
    fn name(&self) -> &'static str;

    /// Asked before validation; may change the object, which is null on delete.
    fn mutate<'a>(
        &'a self,
        engine: &'a Engine,
        attributes: Attributes<'a>,
        object: &'a mut Value,
        warnings: &'a mut Vec<String>,
    ) -> Verdict<'a> {
        let _ = (engine, attributes, object, warnings);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Asked with the object as it would be stored.
    fn validate<'a>(
        &'a self,
        engine: &'a Engine,
        attributes: Attributes<'a>,
        object: &'a Value,
        warnings: &'a mut Vec<String>,
    ) -> Verdict<'a> {
        let _ = (engine, attributes, object, warnings);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Plugins, asked one after the other until one refuses.
pub struct Chain {
    plugins: Vec<Box<dyn Plugin>>,
}

impl Chain {
    /// The plugins that upstream runs without being told to, as far as they are built.
    pub fn standard() -> Chain {
        Chain { plugins: vec![Box::new(NamespaceLifecycle)] }
    }

    pub fn of(plugins: Vec<Box<dyn Plugin>>) -> Chain {
        Chain { plugins }
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.plugins.iter().map(|plugin| plugin.name())
    }
}

impl Admission for Chain {
    fn mutate<'a>(
        &'a self,
        engine: &'a Engine,
        attributes: Attributes<'a>,
        object: &'a mut Value,
        warnings: &'a mut Vec<String>,
    ) -> Verdict<'a> {
        Box::pin(async move {
            for plugin in &self.plugins {
                plugin.mutate(engine, attributes, object, warnings).await?;
            }
            Ok(())
        })
    }

    fn validate<'a>(
        &'a self,
        engine: &'a Engine,
        attributes: Attributes<'a>,
        object: &'a Value,
        warnings: &'a mut Vec<String>,
    ) -> Verdict<'a> {
        Box::pin(async move {
            for plugin in &self.plugins {
                plugin.validate(engine, attributes, object, warnings).await?;
            }
            Ok(())
        })
    }
}
