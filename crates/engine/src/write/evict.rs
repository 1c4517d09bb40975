//! The eviction subresource: spends a budget, marks the object, and deletes it.

use crate::engine::Engine;
use crate::request::options::DeleteOptions;
use crate::request::write_context::WriteContext;
use crate::resource::{ObjectRef, ServedResource};
use pintle_kinds::eviction;
use pintle_object::meta;
use pintle_object::{GroupVersionKind, Reason, Status, Value};
use pintle_patch::track_update;
use pintle_store::Object;
use std::sync::Arc;

impl Engine {
    /// Evicts the pod of `pod`, by the body of an Eviction.
    pub async fn evict(
        &self,
        pod: ObjectRef<'_>,
        mut body: Value,
        context: &mut WriteContext<'_>,
    ) -> Result<(), Status> {
        meta::ensure_namespace(&mut body, pod.namespace)?;
        if meta::name(&body) != pod.name {
            return Err(Status::bad_request("name in URL does not match name in Eviction object"));
        }
        check_dry_run(&body, context.dry_run)?;
        let null = Value::map();
        let options = DeleteOptions::from_body(body.get("deleteOptions").unwrap_or(&null))?;
        context.dry_run |= options.dry_run;
        self.track_body(&GroupVersionKind::new("policy", "v1", "Eviction"), "eviction", &mut body, context);
        self.complete_posted(pod, &mut body, context).await?;
        self.judge_posted(pod, &body, context).await?;

        let collection = pod.served.collection().ok_or_else(|| pod.missing())?;
        let existing = self.store.get(collection, &pod.key()).ok_or_else(|| pod.missing())?;
        let object = self.storage_tree(pod.served, &existing)?;
        if !eviction::needs_no_budget(&object) {
            self.spend_budget(&pod, &object, context).await?;
        }
        if !context.dry_run {
            crate::write::delete::check_preconditions(pod.served, &object, &options)?;
            let now = context.now;
            self.rewrite(&pod, context, |object| {
                eviction::mark(object, now);
                Ok(())
            })
            .await?;
        }
        let mut options = options;
        // The mark above was a write of our own.
        options.preconditions.resource_version = None;
        // Admission has judged the eviction, and does not judge the resulting deletion.
        self.delete_asked(ObjectRef { subresource: "", ..pod }, &options, false, context).await.map(drop)
    }

    async fn spend_budget(
        &self,
        pod: &ObjectRef<'_>,
        object: &Value,
        context: &WriteContext<'_>,
    ) -> Result<(), Status> {
        let Some(budgets) = self.find("policy", "v1", "poddisruptionbudgets") else { return Ok(()) };
        let covering = self.covering(&budgets, pod.namespace, object)?;
        let budget = match covering.as_slice() {
            [] => return Ok(()),
            [only] => only,
            _ => return Err(eviction::too_many_budgets()),
        };
        if eviction::lets_unhealthy_go(&self.storage_tree(&budgets, budget)?, object) {
            return Ok(());
        }
        let name = budget.attrs.name.to_string();
        let target =
            ObjectRef { served: &budgets, subresource: "status", namespace: pod.namespace, name: &name };
        self.rewrite(&target, context, |budget| {
            let mut old = budget.clone();
            eviction::spend(budget, pod.name, context.now)?;
            budgets.set_kind(&mut old);
            budgets.set_kind(budget);
            // Budgets are spent in the server's own name.
            self.tracked(&target, (&self.manager, &context.conversions), context.now, |tracking| {
                track_update(tracking, Some(&old), budget)
            });
            budget.remove(&["kind"]);
            budget.remove(&["apiVersion"]);
            Ok(())
        })
        .await
    }

    fn covering(
        &self,
        budgets: &ServedResource,
        namespace: &str,
        pod: &Value,
    ) -> Result<Vec<Arc<Object>>, Status> {
        let Some(collection) = budgets.collection() else { return Ok(Vec::new()) };
        let snapshot = self.store.snapshot(collection);
        let prefix = budgets.prefix(namespace);
        let mut covering = Vec::new();
        for budget in snapshot.range(&prefix, None) {
            if eviction::covers(&self.storage_tree(budgets, budget)?, pod) {
                covering.push(budget.clone());
            }
        }
        Ok(covering)
    }
}

/// Refuses a query and a content that differ about a dry run, when both say something.
fn check_dry_run(body: &Value, is_dry_run: bool) -> Result<(), Status> {
    let content = body.list_at(&["deleteOptions", "dryRun"]);
    if !is_dry_run || content.is_empty() || content == [Value::from("All")] {
        return Ok(());
    }
    let texts: Vec<&str> = content.iter().map(|value| value.as_str().unwrap_or("")).collect();
    let message =
        format!("Non-matching dry-run options in request and content: [All] and [{}]", texts.join(" "));
    Err(Status::new(500, Reason::Unknown, message))
}
