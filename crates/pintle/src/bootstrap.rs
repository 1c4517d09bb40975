//! What a cluster starts with: the namespaces that upstream's API server makes.

use pintle_engine::admission::User;
use pintle_engine::{Call, Engine, Target};
use pintle_object::time::Time;
use pintle_object::{Reason, Status, Value};

const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Makes what is missing.
pub async fn run(engine: &Engine, now: Time) -> Result<(), Status> {
    let Some(served) = engine.find("", "v1", "namespaces") else { return Ok(()) };
    let user =
        User { name: "system:apiserver".into(), groups: vec!["system:masters".into()], ..User::default() };
    for name in NAMESPACES {
        let target = Target { served, subresource: "", namespace: "", name };
        let mut namespace = Value::map();
        namespace.set(&["apiVersion"], "v1");
        namespace.set(&["kind"], "Namespace");
        namespace.set(&["metadata", "name"], name);
        namespace.set(&["spec", "finalizers"], vec![Value::from("kubernetes")]);
        namespace.set(&["status", "phase"], "Active");
        let mut call = Call {
            user: &user,
            now,
            manager: String::from("kube-apiserver"),
            dry_run: false,
            warnings: Vec::new(),
        };
        match engine.create(target, namespace, &mut call).await {
            Ok(_) => {}
            Err(status) if status.reason == Reason::AlreadyExists => {}
            Err(status) => return Err(status),
        }
    }
    Ok(())
}
