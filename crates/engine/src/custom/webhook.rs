//! The conversion webhook of a definition, and the conversions by it that are under way.

use bytes::Bytes;
use pintle_object::{Status, Value};
use pintle_outbound::{HookAddress, HookTarget};
use pintle_store::{Key, Revision};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

/// Conversions in flight of single objects, shared by all that wait for them.
type UnderWay = HashMap<(Key, Revision), Arc<OnceCell<Result<Bytes, Status>>>>;

/// The webhook that converts to one version of a definition.
pub(crate) struct ConversionWebhook {
    pub(super) target: HookTarget,
    /// The first version of reviews that the webhook takes and the server knows.
    pub(super) review: Option<&'static str>,
    under_way: Mutex<UnderWay>,
}

impl ConversionWebhook {
    /// The webhook of a definition, if it has one.
    pub fn of(definition: &Value) -> Option<ConversionWebhook> {
        let conversion = definition.at(&["spec", "conversion"])?;
        if conversion.str_at(&["strategy"]) != "Webhook" {
            return None;
        }
        let webhook = conversion.get("webhook")?;
        let known = |version: &str| ["v1", "v1beta1"].into_iter().find(|known| *known == version);
        let mut versions = webhook.list_at(&["conversionReviewVersions"]).iter().filter_map(Value::as_str);
        Some(ConversionWebhook {
            target: target(webhook.get("clientConfig")?),
            review: versions.find_map(known),
            under_way: Mutex::default(),
        })
    }

    /// The conversion of a stored object that is under way, or is to begin.
    pub fn conversion(&self, key: &Key, revision: Revision) -> Arc<OnceCell<Result<Bytes, Status>>> {
        self.under_way().entry((key.clone(), revision)).or_default().clone()
    }

    /// Lets go of a conversion that has ended.
    pub fn end(&self, key: &Key, revision: Revision) {
        self.under_way().remove(&(key.clone(), revision));
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The URL or Service of a webhook, and its authorities.
fn target(client: &Value) -> HookTarget {
    let address = match client.str_at(&["url"]) {
        "" => {
            let service = |field: &str| client.str_at(&["service", field]).to_string();
            HookAddress::Service {
                namespace: service("namespace"),
                name: service("name"),
                path: service("path"),
                port: client
                    .int_at(&["service", "port"])
                    .and_then(|port| u16::try_from(port).ok())
                    .unwrap_or(0),
            }
        }
        url => HookAddress::Url(url.into()),
    };
    let bundle = pintle_object::bytes::decode(client.str_at(&["caBundle"])).unwrap_or_default();
    // A bundle of only whitespace counts as absent.
    let is_blank = bundle.iter().all(u8::is_ascii_whitespace);
    HookTarget { address, ca_bundle: if is_blank { Vec::new() } else { bundle } }
}
