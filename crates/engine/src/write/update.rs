//! Update and patch: a new version of an existing object.

use crate::engine::Engine;
use crate::request::write_context::{WriteContext, WriteResult};
use crate::resource::ObjectRef;
use crate::spans;
use crate::write::create::refuse;
use crate::write::preconditions::check_name;
use crate::write::replace::Replace;
use crate::write::source::UpdateSource;
use pintle_object::{Status, Value, meta};

impl Engine {
    /// Replaces an object, or one of its subresources.
    pub async fn update(
        &self,
        target: ObjectRef<'_>,
        mut body: Value,
        context: &mut WriteContext<'_>,
    ) -> Result<WriteResult, Status> {
        refuse(target.served, &body)?;
        context.default(target.served, &mut body)?;
        meta::ensure_namespace(&mut body, target.namespace)?;
        check_name(&target, &body)?;
        context.dedup_owners(&mut body, false);
        self.replace(target, UpdateSource::Body(body), false, context).await
    }

    /// Writes the next version of the target; `may_create` is for apply patches.
    pub async fn replace(
        &self,
        target: ObjectRef<'_>,
        source: UpdateSource<'_>,
        may_create: bool,
        context: &mut WriteContext<'_>,
    ) -> Result<WriteResult, Status> {
        let served = target.served;
        let may_create = may_create || (target.subresource.is_empty() && served.facts.creates_on_update);
        let dry_run = context.dry_run;
        let _span = spans::write("GuaranteedUpdate etcd3", served, || target.key());
        let mut replace = Replace::new(target, source, may_create, self.store.is_shared(), context);
        self.guaranteed_update(&target, dry_run, &mut replace).await
    }
}
