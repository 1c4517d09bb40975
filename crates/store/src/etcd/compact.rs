//! Compaction of etcd's past, by one of all the API servers that share an etcd.
//!
//! They agree through one key, as kube-apiserver does: the one that finds it at the version that it left behind moves
//! it on and compacts up to the revision of one interval ago. The others find a new version, and remember it.

use crate::compaction::Compacted;
use crate::etcd::client::{EtcdClient, EtcdFailure, Repeat};
use crate::etcd::wire::{
    self, CompactRequest, Compare, Number, Op, PutRequest, RangeRequest, RangeResponse, TxnRequest,
    TxnResponse, WireOperation, WireTarget,
};
use crate::object::Revision;
use std::time::Duration;

/// Shared with kube-apiserver.
const KEY: &[u8] = b"compact_rev_key";

/// The revision up to which any server compacted last; zero when the key does not say.
pub(crate) async fn latest(client: &EtcdClient) -> Result<Revision, EtcdFailure> {
    let ask = RangeRequest { key: KEY.to_vec(), ..RangeRequest::default() };
    let answer: RangeResponse = client.call(wire::RANGE, ask, Repeat::Always).await?;
    let text = answer.kvs.first().and_then(|found| std::str::from_utf8(&found.value).ok());
    Ok(Revision(text.and_then(|text| text.parse().ok()).unwrap_or(0)))
}

/// Compacts at every interval; ends only with the task that it runs in.
pub(crate) async fn run(client: EtcdClient, interval: Duration, compacted: Compacted) {
    let mut turn = Turn { compacted, ..Turn::default() };
    loop {
        tokio::time::sleep(interval).await;
        match turn.take(&client).await {
            Ok(()) | Err(EtcdFailure::Compacted) => {}
            Err(failure) => tracing::warn!("cannot compact etcd: {failure}"),
        }
    }
}

/// The state of the shared key as one of the servers knows it.
#[derive(Debug, Default)]
struct Turn {
    /// The key's version when it was last seen.
    version: i64,
    /// etcd's revision at that time, up to which the next turn compacts.
    revision: i64,
    compacted: Compacted,
}

impl Turn {
    async fn take(&mut self, client: &EtcdClient) -> Result<(), EtcdFailure> {
        let past = self.revision;
        let answer: TxnResponse = client.call(wire::TXN, self.ask(), Repeat::Unsent).await?;
        self.revision = answer.header.as_ref().map_or(0, |header| header.revision);
        // The revision of the last turn is compacted, by whichever server.
        self.compacted.raise(Revision(past.unsigned_abs()));
        if !answer.succeeded {
            let found = answer.responses.into_iter().find_map(|answer| answer.range?.kvs.into_iter().next());
            self.version = found.map_or(0, |found| found.version);
            return Ok(());
        }
        self.version += 1;
        // Nothing is known of the past at the first turn.
        if past == 0 {
            return Ok(());
        }
        let ask = CompactRequest { revision: past };
        client.call::<_, wire::Nothing>(wire::COMPACT, ask, Repeat::Always).await.map(|_| ())
    }

    fn ask(&self) -> TxnRequest {
        let compare = Compare {
            target: WireTarget::Version.into(),
            key: KEY.to_vec(),
            number: Some(Number::Version(self.version)),
        };
        let value = self.revision.to_string().into();
        let put = WireOperation::Put(PutRequest { key: KEY.to_vec(), value, lease: 0 });
        let get = WireOperation::Range(RangeRequest { key: KEY.to_vec(), ..RangeRequest::default() });
        TxnRequest {
            compare: vec![compare],
            success: vec![Op { operation: Some(put) }],
            failure: vec![Op { operation: Some(get) }],
        }
    }
}
