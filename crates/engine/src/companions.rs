//! What an object brings with it: a share of the server's pools, and objects that the server keeps beside it.

use crate::admission::User;
use crate::allocate::{Draw, Held, IpPool, Pools};
use crate::engine::{Engine, Served, Target};
use crate::meta;
use crate::options::DeleteOptions;
use pintle_object::time::Time;
use pintle_object::{GroupResource, Value};
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;

/// An object that the server keeps beside another, under its name in its resource.
pub struct Companion {
    pub resource: GroupResource,
    pub object: Value,
}

type Boxed<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl Companion {
    fn is_same(&self, other: &Companion) -> bool {
        self.resource == other.resource && meta::name(&self.object) == meta::name(&other.object)
    }
}

impl Engine {
    /// Hands out addresses of these pools, the default family's first, and node ports of this range, and counts what
    /// stored objects hold.
    pub fn set_pools(&mut self, ips: Vec<IpPool>, ports: RangeInclusive<u16>) {
        let pools = Pools::new(ips, ports);
        for served in self.table().served().iter().filter(|served| served.rules.allocates()) {
            let Some(collection) = served.collection else { continue };
            let snapshot = self.store.snapshot(collection);
            for object in snapshot.range(&served.prefix(""), None) {
                if let Ok(tree) = self.storage_tree(served, object) {
                    pools.fill(&served.rules.held(&tree));
                }
            }
        }
        self.pools = pools;
    }

    /// Begins to take from the pools for one write.
    pub(crate) fn draw(&self, dry_run: bool) -> Draw<'_> {
        self.pools.draw(&self.generator, dry_run)
    }

    /// A write is stored: settles what the object holds, and what stands beside it.
    pub(crate) async fn settle_holdings(
        &self,
        served: &Served,
        old: Option<&Value>,
        new: Option<&Value>,
        draw: Draw<'_>,
        now: Time,
    ) {
        if !served.rules.allocates() {
            return;
        }
        let held =
            |object: Option<&Value>| object.map(|object| served.rules.held(object)).unwrap_or_default();
        let (before, after): (Held, Held) = (held(old), held(new));
        let companions =
            |object: Option<&Value>| object.map(|object| served.rules.companions(object)).unwrap_or_default();
        let (old, new): (Vec<Companion>, Vec<Companion>) = (companions(old), companions(new));
        // Records go before what they record is free again.
        for gone in old.iter().filter(|companion| !new.iter().any(|other| other.is_same(companion))) {
            self.drop_companion(gone, now).await;
        }
        for added in new.into_iter().filter(|companion| !old.iter().any(|other| other.is_same(companion))) {
            self.add_companion(added, now).await;
        }
        draw.keep(&before, &after);
    }

    /// A record that is there already is as good; any other failure leaves the object without it, no worse.
    /// Boxed, since a write of a companion is a write like the one that brings it.
    fn add_companion(&self, companion: Companion, now: Time) -> Boxed<'_> {
        Box::pin(async move {
            let resource = &companion.resource;
            let Some(served) = self.find_any(&resource.group, &resource.resource) else { return };
            let target = Target { served: &served, subresource: "", namespace: "", name: "" };
            let user = system();
            let _ = self.create(target, companion.object, &mut self.own_call(&user, now)).await;
        })
    }

    fn drop_companion<'a>(&'a self, companion: &'a Companion, now: Time) -> Boxed<'a> {
        Box::pin(async move {
            let resource = &companion.resource;
            let Some(served) = self.find_any(&resource.group, &resource.resource) else { return };
            let target = Target {
                served: &served,
                subresource: "",
                namespace: "",
                name: meta::name(&companion.object),
            };
            let user = system();
            let _ = self.delete(target, &DeleteOptions::default(), &mut self.own_call(&user, now)).await;
        })
    }
}

fn system() -> User {
    User {
        name: String::from("system:apiserver"),
        groups: vec![String::from("system:masters")],
        ..User::default()
    }
}
