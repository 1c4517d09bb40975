//! `--tracing-config-file`: which requests are traced, and where their spans go.

use crate::compatibility::Compatibility;
use crate::flags::FlagValues;
use pintle_outbound::Dialer;
use pintle_traces::{Connect, Stream, Tracer, TracingConfiguration, read_file};
use std::io;
use std::sync::Arc;

/// Reads the file of the flag; errors are upstream's.
pub fn read(
    given: &FlagValues,
    compatibility: &Compatibility,
) -> Result<Option<TracingConfiguration>, String> {
    let Some(path) = given.path("tracing-config-file") else { return Ok(None) };
    if !compatibility.is_on("APIServerTracing") {
        return Err("APIServerTracing feature is not enabled, but tracing config file was provided".into());
    }
    read_file(&path).map(Some)
}

/// Begins to trace under a service name. The collector is reached like webhooks with URLs.
pub fn begin(configuration: &TracingConfiguration, name: &str, dialer: Arc<dyn Dialer>) -> Arc<Tracer> {
    let connect: Connect = Arc::new(move |host, port| {
        let dialer = dialer.clone();
        Box::pin(async move {
            let dialed = dialer.dial(&host, port).await;
            let dialed = dialed.map_err(|failure| io::Error::other(failure.to_string()))?;
            Ok(Box::new(dialed.stream) as Box<dyn Stream>)
        })
    });
    Arc::new(Tracer::begin(configuration, name, connect))
}
