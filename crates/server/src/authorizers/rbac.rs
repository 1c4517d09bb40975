//! RBAC over the stored roles and bindings.

use super::follow::{Follower, Lost};
use pintle_access::rbac::{Index, confirm, is_exempt};
use pintle_access::{Attributes, Authorizer, Decision, Grants, Rules, User};
use pintle_engine::Engine;
use pintle_object::{Status, Value};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Decides by an index that it brings up to date before each decision.
#[derive(Default)]
pub struct Rbac {
    engine: OnceLock<Weak<Engine>>,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    index: Index,
    followers: Vec<(What, Follower)>,
}

#[derive(Clone, Copy)]
enum What {
    Roles,
    Bindings,
}

const FOLLOWED: [(What, &str); 4] = [
    (What::Roles, "clusterroles"),
    (What::Roles, "roles"),
    (What::Bindings, "clusterrolebindings"),
    (What::Bindings, "rolebindings"),
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
            self.catch_up(&engine);
        }
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner).index)
    }

    fn catch_up(&self, engine: &Engine) {
        let caught_up = self.state.write().unwrap_or_else(PoisonError::into_inner).catch_up(engine);
        if caught_up.is_err() {
            self.renew(engine);
        }
    }

    fn renew(&self, engine: &Engine) {
        let mut state = State::default();
        for (what, plural) in FOLLOWED {
            state.followers.extend(Follower::new(engine, GROUP, plural).map(|follower| (what, follower)));
        }
        // A store that closes meanwhile leaves an index without rights.
        if state.catch_up(engine).is_err() {
            state = State::default();
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl State {
    fn is_behind(&self) -> bool {
        self.followers.iter().any(|(_, follower)| follower.is_behind())
    }

    fn catch_up(&mut self, engine: &Engine) -> Result<(), Lost> {
        let index = &mut self.index;
        for (what, follower) in &mut self.followers {
            follower.catch_up(engine, |object, tree| {
                let (namespace, name) = (&object.attrs.namespace, &object.attrs.name);
                match what {
                    What::Roles => index.set_role(namespace, name, tree.as_ref()),
                    What::Bindings => index.set_binding(namespace, name, tree.as_ref()),
                }
            })?;
        }
        Ok(())
    }
}

impl Authorizer for Rbac {
    fn authorize(&self, user: &User, attributes: &Attributes<'_>) -> Decision {
        self.with(|index| index.authorize(user, attributes))
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
        attributes: &Attributes<'_>,
        new: &Value,
        old: &Value,
    ) -> Result<(), Status> {
        // Asked apart: the authorizer looks at the index, too.
        if is_exempt(authorizer, user, attributes, new, old) {
            return Ok(());
        }
        self.with(|index| confirm(index, user, attributes, new, old))
    }
}
