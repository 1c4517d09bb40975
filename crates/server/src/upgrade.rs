//! Connections that become streams of their own.

use crate::activity::InFlight;
use crate::guard::{Guard, Waiting};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::fmt;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

/// A client's connection after the upgrade. What is written is held until it is flushed.
pub type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

/// An answer that makes a stream of the connection, and the handler of the stream.
pub struct Upgrade {
    on: OnUpgrade,
    serve: Box<dyn FnOnce(Upgraded) -> Waiting<'static, ()> + Send>,
}

impl Upgrade {
    pub fn new<F>(on: OnUpgrade, serve: impl FnOnce(Upgraded) -> F + Send + 'static) -> Upgrade
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Upgrade { on, serve: Box::new(move |stream| Box::pin(serve(stream))) }
    }

    /// Serves the stream as soon as it is established. The request is in flight until the stream ends.
    pub fn begin(self, held: Vec<Guard>, in_flight: InFlight) -> JoinHandle<()> {
        tokio::spawn(async move {
            match self.on.await {
                Ok(stream) => {
                    let mut stream = TokioIo::new(stream);
                    // The head of the answer may not be sent yet, and hyper no longer sends it.
                    match stream.flush().await {
                        Ok(()) => (self.serve)(stream).await,
                        Err(error) => tracing::debug!(%error, "a client left before its upgrade"),
                    }
                }
                Err(error) => tracing::debug!(%error, "cannot upgrade a connection"),
            }
            drop((held, in_flight));
        })
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").finish_non_exhaustive()
    }
}
