//! Opens the store: its collections, and the readers of attributes.

use crate::engine::Engine;
use crate::resource::ServedResource;
use crate::storage::layout::layout;
use bytes::Bytes;
use pintle_schema::Builtin;
use pintle_store::{AttrReader, Attrs, CollectionId, DurableLog, OpenError, Options, Store, etcd};
use std::collections::HashMap;
use std::sync::Arc;

impl Engine {
    /// Opens the embedded store; takes well under a second for a hundred thousand objects.
    pub fn open(
        api: Arc<Builtin>,
        backend: Box<dyn DurableLog>,
        options: Options,
    ) -> Result<Engine, OpenError> {
        let (served, reader) = plan(&api);
        let store = Store::open(backend, reader.prefixes.clone(), &reader, options)?;
        Ok(Engine::new(api, served, store))
    }

    /// Opens the store on etcd, and follows it.
    pub async fn connect(
        api: Arc<Builtin>,
        etcd: &etcd::EtcdOptions,
        options: Options,
    ) -> Result<Engine, OpenError> {
        let (served, reader) = plan(&api);
        let store = Store::connect(etcd, reader.prefixes.clone(), Arc::new(reader), options).await?;
        Ok(Engine::new(api, served, store))
    }
}

/// The served resources, and the reader of their collections.
fn plan(api: &Arc<Builtin>) -> (Vec<Arc<ServedResource>>, Reader) {
    let served: Vec<Arc<ServedResource>> = layout(api).into_iter().map(Arc::new).collect();
    let mut owners: Vec<Arc<ServedResource>> = Vec::new();
    for one in &served {
        // The first of a collection owns it.
        if one.collection() == Some(CollectionId(owners.len() as u32)) {
            owners.push(one.clone());
        }
    }
    let prefixes: Vec<String> = owners.iter().map(|owner| owner.prefix("")).collect();
    let places = prefixes.iter().cloned().zip(0..).collect();
    (served, Reader { prefixes, places, owners })
}

/// Reads attributes from stored bytes. `prefixes` and `owners` are in the order of the collections.
struct Reader {
    prefixes: Vec<String>,
    places: HashMap<String, usize>,
    owners: Vec<Arc<ServedResource>>,
}

impl Reader {
    fn owner(&self, key: &str) -> Option<&ServedResource> {
        // No prefix is the beginning of another: each ends in a slash.
        let slashes = key.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
        let place = *slashes.filter_map(|(slash, _)| self.places.get(key.get(..=slash)?)).next()?;
        self.owners.get(place).map(AsRef::as_ref)
    }
}

impl AttrReader for Reader {
    fn attrs(&self, key: &str, value: &[u8]) -> Option<Attrs> {
        self.owner(key)?.attrs(key, value)
    }

    fn upgraded(&self, key: &str, value: &[u8]) -> Option<Bytes> {
        self.owner(key)?.upgraded(key, value)
    }
}

impl AttrReader for ServedResource {
    fn attrs(&self, _: &str, value: &[u8]) -> Option<Attrs> {
        self.codec.attrs(self, value)
    }

    fn upgraded(&self, _: &str, value: &[u8]) -> Option<Bytes> {
        self.codec.upgraded(self, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::{GroupVersionKind, json};
    use pintle_schema::encode;

    const CLAIM: &str = r#"{"kind":"ResourceClaim","apiVersion":"resource.k8s.io/v1beta1","metadata":{"name":"c"},
        "spec":{"devices":{"requests":[{"name":"r","deviceClassName":"x","allocationMode":"All"}]}}}"#;
    const SCALER: &str = r#"{"metadata":{"name":"a","namespace":"n"},"spec":{"maxReplicas":3,
        "scaleTargetRef":{"kind":"Deployment","name":"d"},"targetCPUUtilizationPercentage":77}}"#;

    #[test]
    fn values_in_older_versions_are_upgraded() {
        let api = Arc::new(pintle_schema::known());
        let (_, reader) = plan(&api);
        let upgraded = |key: &str, value: &[u8], kind: &GroupVersionKind| {
            let upgraded = reader.upgraded(key, value)?;
            let envelope = pintle_schema::decode::protobuf::envelope(&upgraded).unwrap();
            assert_eq!(envelope.api_version, kind.group_version().to_string());
            let ty = api.kind(kind).unwrap();
            assert!(reader.upgraded(key, &upgraded).is_none(), "it is as it should be");
            Some(json::to_string(
                &pintle_schema::decode::protobuf::decode(&api.schema, ty, envelope.raw).unwrap(),
            ))
        };
        let v1 = GroupVersionKind::new("autoscaling", "v1", "HorizontalPodAutoscaler");
        let tree = json::parse(SCALER.as_bytes()).unwrap();
        let ty = api.kind(&v1).unwrap();
        let stored =
            encode::protobuf::document(&api.schema, ty, "autoscaling/v1", "HorizontalPodAutoscaler", &tree);
        let (key, v2) =
            ("/registry/horizontalpodautoscalers/n/a", GroupVersionKind { version: "v2".into(), ..v1 });
        let scaler = upgraded(key, &stored, &v2).unwrap();
        assert!(scaler.contains(r#""averageUtilization":77"#), "{scaler}");
        assert_eq!(reader.attrs(key, &reader.upgraded(key, &stored).unwrap()).unwrap().name.as_str(), "a");
        let claim = GroupVersionKind::new("resource.k8s.io", "v1", "ResourceClaim");
        let claim = upgraded("/registry/resourceclaims/n/c", CLAIM.as_bytes(), &claim).unwrap();
        assert!(claim.contains(r#""exactly":{"allocationMode":"All","deviceClassName":"x"}"#), "{claim}");
    }

    #[test]
    fn values_in_versions_that_nobody_knows_are_not_read() {
        let (_, reader) = plan(&Arc::new(pintle_schema::known()));
        let check = |key: &str, value: &str, is_read: bool| {
            assert!(reader.upgraded(key, value.as_bytes()).is_none(), "{value}");
            assert_eq!(reader.attrs(key, value.as_bytes()).is_some(), is_read, "{value}");
        };
        let value = |version: &str, kind: &str| {
            format!(r#"{{"apiVersion":"{version}","kind":"{kind}","metadata":{{"name":"a"}}}}"#)
        };
        check("/registry/secrets/n/a", &value("v1", "Secret"), true);
        check("/registry/secrets/n/a", &value("v9", "Secret"), false);
        check("/registry/secrets/n/a", &value("v1", "ConfigMap"), false);
        check("/registry/deployments/n/a", &value("apps/v1beta2", "Deployment"), true);
        check("/registry/ingress/n/a", &value("extensions/v1beta1", "Ingress"), false);
        check("/registry/secrets/n/a", "garbage", false);
    }
}
