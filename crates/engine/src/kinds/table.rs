//! Which rules a kind has.

use super::*;

/// The rules of a kind, by the group and kind that it is stored as.
pub fn rules(group: &str, kind: &str) -> &'static dyn Rules {
    let row = TABLE.iter().find(|(row_group, row_kind, _)| *row_group == group && *row_kind == kind);
    row.map_or(&plain::Plain as &'static dyn Rules, |(_, _, rules)| *rules)
}

/// Group, kind, rules. Kinds that are not listed, custom resources among them, are plain.
const TABLE: &[(&str, &str, &dyn Rules)] = &[
    ("", "ComponentStatus", &component_status::ComponentStatus),
    ("", "ConfigMap", &config_map::ConfigMap),
    ("", "Endpoints", &endpoints::Endpoints),
    ("", "Event", &event::Event),
    ("", "Namespace", &namespace::Namespace),
    ("", "Node", &node::Node),
    ("", "PersistentVolume", &persistent_volume::PersistentVolume),
    ("", "PersistentVolumeClaim", &persistent_volume_claim::PersistentVolumeClaim),
    ("", "Pod", &pod::Pod),
    ("", "PodTemplate", &pod_template::PodTemplate),
    ("", "ReplicationController", &replication_controller::ReplicationController),
    ("", "ResourceQuota", &resource_quota::ResourceQuota),
    ("", "Secret", &secret::Secret),
    ("", "Service", &service::Service),
    ("", "ServiceAccount", &service_account::ServiceAccount),
    ("apps", "ControllerRevision", &controller_revision::ControllerRevision),
    ("apps", "DaemonSet", &daemon_set::DaemonSet),
    ("apps", "Deployment", &deployment::Deployment),
    ("apps", "ReplicaSet", &replica_set::ReplicaSet),
    ("apps", "StatefulSet", &stateful_set::StatefulSet),
];
