//! Objects that a piece of work needs before it begins.

use super::client::{Ask, LoadClient};
use super::options::TargetServer;
use tokio::task::JoinSet;

/// Connections that make objects.
const MAKERS: u64 = 32;

/// Makes objects number 0 to `count`, as `ask` gives them.
pub async fn make(
    target: &TargetServer,
    count: u64,
    ask: impl Fn(u64) -> Ask + Clone + Send + 'static,
) -> Result<(), String> {
    let mut makers = JoinSet::new();
    for first in 0..MAKERS.min(count) {
        let (target, ask) = (target.clone(), ask.clone());
        makers.spawn(async move {
            let mut client = LoadClient::connect(&target).await?;
            for n in (first..count).step_by(MAKERS as usize) {
                client.fetch(&ask(n)).await?;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(made) = makers.join_next().await {
        made.map_err(|error| error.to_string())??;
    }
    Ok(())
}
