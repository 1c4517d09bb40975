//! RBAC over the stored roles and bindings.

use super::informer::{Informer, Lagged};
use pintle_access::rbac::{Index, confirm, is_exempt};
use pintle_access::{Authorizer, Decision, Grants, Rules, User};
use pintle_engine::Engine;
use pintle_object::{RequestInfo, Status, Value};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Decides by an index that it brings up to date before each decision.
#[derive(Default)]
pub struct Rbac {
    engine: OnceLock<Weak<Engine>>,
    state: RwLock<IndexState>,
}

#[derive(Default)]
struct IndexState {
    index: Index,
    informers: Vec<(RoleSource, Informer)>,
}

#[derive(Clone, Copy)]
enum RoleSource {
    Roles,
    Bindings,
}

const FOLLOWED: [(RoleSource, &str); 4] = [
    (RoleSource::Roles, "clusterroles"),
    (RoleSource::Roles, "roles"),
    (RoleSource::Bindings, "clusterrolebindings"),
    (RoleSource::Bindings, "rolebindings"),
];

impl Rbac {
    pub fn follow(&self, engine: &Arc<Engine>) {
        let _ = self.engine.set(Arc::downgrade(engine));
        self.renew(engine);
    }

    /// Looks at an index that is no older than the call.
    fn with<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if !state.is_behind() {
            return look(&state.index);
        }
        drop(state);
        if let Some(engine) = self.engine.get().and_then(Weak::upgrade) {
            self.advance(&engine);
        }
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner).index)
    }

    fn advance(&self, engine: &Engine) {
        let caught_up = self.state.write().unwrap_or_else(PoisonError::into_inner).advance(engine);
        if caught_up.is_err() {
            self.renew(engine);
        }
    }

    fn renew(&self, engine: &Engine) {
        let mut state = IndexState::default();
        for (what, plural) in FOLLOWED {
            state.informers.extend(Informer::new(engine, GROUP, plural).map(|informer| (what, informer)));
        }
        // A store that closes meanwhile leaves an index without rights.
        if state.advance(engine).is_err() {
            state = IndexState::default();
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl IndexState {
    fn is_behind(&self) -> bool {
        self.informers.iter().any(|(_, informer)| informer.is_behind())
    }

    fn advance(&mut self, engine: &Engine) -> Result<(), Lagged> {
        let index = &mut self.index;
        for (what, informer) in &mut self.informers {
            informer.advance(engine, |object, tree| {
                let (namespace, name) = (&object.attrs.namespace, &object.attrs.name);
                match what {
                    RoleSource::Roles => index.set_role(namespace, name, tree.as_ref()),
                    RoleSource::Bindings => index.set_binding(namespace, name, tree.as_ref()),
                }
            })?;
        }
        Ok(())
    }
}

impl Authorizer for Rbac {
    fn authorize(&self, user: &User, info: &RequestInfo) -> Decision {
        self.with(|index| index.authorize(user, info))
    }

    fn list_rules(&self, user: &User, namespace: &str, found: &mut Rules) {
        self.with(|index| index.list_rules(user, namespace, found));
    }
}

impl Grants for Rbac {
    fn confirm(
        &self,
        authorizer: &dyn Authorizer,
        user: &User,
        info: &RequestInfo,
        new: &Value,
        old: &Value,
    ) -> Result<(), Status> {
        // Asked apart: the authorizer looks at the index, too.
        if is_exempt(authorizer, user, info, new, old) {
            return Ok(());
        }
        self.with(|index| confirm(index, user, info, new, old))
    }
}
