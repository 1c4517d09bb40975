//! `Verbosity`: the verbosity of the log, for everything and for single files.

use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tracing::{Level, Metadata};

/// The highest verbosity that makes a difference.
pub const VERBOSITY_MAX: u8 = 10;
/// The target of our own events begins like this.
const OWN: &str = "pintle";
/// Targets whose events have a verbosity of their own: request lines are klog's `V(3)`.
const VERBOSITIES: [(&str, u8); 1] = [("pintle::http", 3)];
const DEBUG: u8 = 2;
const TRACE: u8 = 5;
/// Errors and warnings of libraries, and everything else that they say.
const LIBRARIES_WARN: u8 = 4;
const LIBRARIES_ALL: u8 = 10;

/// The verbosity of files whose names fit a pattern (`--vmodule`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// A name without `.rs`, in which `*` stands for any text and `?` for one character. With a slash it is matched
    /// with the whole path.
    pub pattern: String,
    pub verbosity: u8,
}

/// The verbosity of a process. Clones are the same.
#[derive(Clone, Default)]
pub struct Verbosity(Arc<Inner>);

#[derive(Default)]
struct Inner {
    everywhere: AtomicU8,
    modules: ArcSwap<Vec<Module>>,
}

impl Verbosity {
    pub fn new(everywhere: u8, modules: Vec<Module>) -> Verbosity {
        let modules = ArcSwap::from_pointee(modules);
        Verbosity(Arc::new(Inner { everywhere: AtomicU8::new(everywhere), modules }))
    }

    pub fn get(&self) -> u8 {
        self.0.everywhere.load(Ordering::Relaxed)
    }

    /// Another verbosity from now on; modules keep theirs.
    pub fn set(&self, everywhere: u8) {
        self.0.everywhere.store(everywhere, Ordering::Relaxed);
        // Cached decisions for single places in the code are made again.
        tracing::callsite::rebuild_interest_cache();
    }

    /// Whether an event of a place in the code is logged.
    pub fn is_on(&self, metadata: &Metadata<'_>) -> bool {
        verbosity_of(metadata) <= self.at(metadata.file().unwrap_or_default())
    }

    fn at(&self, file: &str) -> u8 {
        let modules = self.0.modules.load();
        let module = modules.iter().find(|module| module.is_about(file));
        module.map_or_else(|| self.get(), |module| module.verbosity)
    }
}

/// klog's verbosity of an event.
pub fn verbosity_of(metadata: &Metadata<'_>) -> u8 {
    let level = *metadata.level();
    if !metadata.target().starts_with(OWN) {
        return if level <= Level::WARN { LIBRARIES_WARN } else { LIBRARIES_ALL };
    }
    if let Some((_, verbosity)) = VERBOSITIES.iter().find(|(target, _)| *target == metadata.target()) {
        return *verbosity;
    }
    match level {
        Level::ERROR | Level::WARN | Level::INFO => 0,
        Level::DEBUG => DEBUG,
        Level::TRACE => TRACE,
    }
}

impl Module {
    /// Parses `pattern=N`.
    pub fn parse(text: &str) -> Result<Module, String> {
        let (pattern, verbosity) = text
            .split_once('=')
            .filter(|(pattern, _)| !pattern.is_empty())
            .ok_or_else(|| format!("{text:?} does not have the pattern=N format"))?;
        let verbosity: u32 = verbosity.parse().map_err(|_| {
            format!("parsing verbosity in {text:?}: strconv.ParseUint: parsing {verbosity:?}: invalid syntax")
        })?;
        let verbosity = u8::try_from(verbosity).unwrap_or(VERBOSITY_MAX).min(VERBOSITY_MAX);
        Ok(Module { pattern: pattern.into(), verbosity })
    }

    fn is_about(&self, file: &str) -> bool {
        let path = file.strip_suffix(".rs").unwrap_or(file);
        let name = if self.pattern.contains('/') { path } else { path.rsplit('/').next().unwrap_or(path) };
        fits(self.pattern.as_bytes(), name.as_bytes())
    }
}

/// Whether a name fits a pattern with `*` and `?`.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match pattern {
        [] => name.is_empty(),
        [b'*', rest @ ..] => {
            (0..=name.len()).any(|skipped| fits(rest, name.get(skipped..).unwrap_or_default()))
        }
        [b'?', rest @ ..] => name.split_first().is_some_and(|(_, after)| fits(rest, after)),
        [one, rest @ ..] => {
            name.split_first().is_some_and(|(first, after)| first == one && fits(rest, after))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_by_their_files() {
        let check = |text: &str, file: &str, expected: bool| {
            let module = Module::parse(text).unwrap();
            assert_eq!((module.is_about(file), module.verbosity), (expected, 4), "{text} {file}");
        };
        check("pipeline=4", "crates/server/src/pipeline.rs", true);
        check("pipe*=4", "crates/server/src/pipeline.rs", true);
        check("pipe?=4", "crates/server/src/pipeline.rs", false);
        check("crates/server/*=4", "crates/server/src/pipeline.rs", true);
        check("server/*=4", "crates/server/src/pipeline.rs", false);
        for wrong in ["", "a", "=1", "a=b", "a=-1"] {
            assert!(Module::parse(wrong).is_err(), "{wrong}");
        }
        let verbosity = Verbosity::new(1, vec![Module::parse("conn=7").unwrap()]);
        assert_eq!((verbosity.at("src/conn.rs"), verbosity.at("src/a.rs")), (7, 1));
        verbosity.set(3);
        assert_eq!((verbosity.at("src/conn.rs"), verbosity.at("src/a.rs")), (7, 3));
    }
}
