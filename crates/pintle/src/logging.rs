//! The flags for the log, with upstream's refusals. (`k8s.io/component-base/logs/api/v1`.)

use crate::flags::FlagValues;
use pintle_logs::{LogFormat, LogSettings, Module};
use pintle_object::quantity::Quantity;

/// The log of a server: its format and streams, and how much is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    pub settings: LogSettings,
    pub verbosity: u8,
    pub modules: Vec<Module>,
}

impl Logging {
    pub fn read(given: &FlagValues) -> Result<Logging, String> {
        let format = match given.text("logging-format") {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            other => {
                return Err(format!(
                    "format: Invalid value: {other:?}: Unsupported log format, supported formats: \"json\", \"text\""
                ));
            }
        };
        let modules =
            given.list("vmodule").iter().map(|text| Module::parse(text)).collect::<Result<Vec<_>, _>>();
        let modules = modules.map_err(|error| format!("--vmodule: {error}"))?;
        if format == LogFormat::Json && !modules.is_empty() {
            return Err(String::from("vmodule: Forbidden: Only supported for text log format"));
        }
        let name = if format == LogFormat::Json { "json" } else { "text" };
        Ok(Logging {
            settings: LogSettings {
                format,
                is_split: given.bool(&format!("log-{name}-split-stream")),
                buffer_bytes: bytes(given, &format!("log-{name}-info-buffer-size"))?,
                flush_every: given.duration("log-flush-frequency")?,
            },
            verbosity: u8::try_from(given.number("v", 0..=i64::from(u8::MAX))?).unwrap_or(u8::MAX),
            modules,
        })
    }
}

/// A number of bytes, as quantities are written: `512`, `64Ki`.
fn bytes(given: &FlagValues, flag: &str) -> Result<usize, String> {
    let text = given.text(flag);
    let quantity = Quantity::parse(text).map_err(|error| format!("--{flag}: {text:?}: {error}"))?;
    usize::try_from(quantity.value()).map_err(|_| format!("--{flag}: {text:?} is not a number of bytes"))
}
