//! The types whose descriptions are taken; those that they refer to come along.

use crate::add;
use schemars::SchemaGenerator;

pub fn add_all(generator: &mut SchemaGenerator) {
    add_admissionregistration_v1(generator);
    add_apps_v1(generator);
    add_authentication_v1(generator);
    add_authorization_v1(generator);
    add_autoscaling_v1(generator);
    add_autoscaling_v2(generator);
    add_batch_v1(generator);
    add_certificates_v1(generator);
    add_coordination_v1(generator);
    add_core_v1(generator);
    add_discovery_v1(generator);
    add_events_v1(generator);
    add_flowcontrol_v1(generator);
    add_networking_v1(generator);
    add_node_v1(generator);
    add_policy_v1(generator);
    add_rbac_v1(generator);
    add_resource_v1(generator);
    add_scheduling_v1(generator);
    add_storage_v1(generator);
    add_apiextensions_apiserver_apiextensions_v1(generator);
    add_meta_v1(generator);
    add_version(generator);
    add_kube_aggregator_apiregistration_v1(generator);
}

fn add_admissionregistration_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::admissionregistration::v1 as package;
    add::<package::MutatingAdmissionPolicy>(generator);
    add::<package::MutatingAdmissionPolicyBinding>(generator);
    add::<package::MutatingWebhookConfiguration>(generator);
    add::<package::ValidatingAdmissionPolicy>(generator);
    add::<package::ValidatingAdmissionPolicyBinding>(generator);
    add::<package::ValidatingWebhookConfiguration>(generator);
}

fn add_apps_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::apps::v1 as package;
    add::<package::ControllerRevision>(generator);
    add::<package::DaemonSet>(generator);
    add::<package::Deployment>(generator);
    add::<package::ReplicaSet>(generator);
    add::<package::StatefulSet>(generator);
}

fn add_authentication_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::authentication::v1 as package;
    add::<package::SelfSubjectReview>(generator);
    add::<package::TokenRequest>(generator);
    add::<package::TokenReview>(generator);
}

fn add_authorization_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::authorization::v1 as package;
    add::<package::LocalSubjectAccessReview>(generator);
    add::<package::SelfSubjectAccessReview>(generator);
    add::<package::SelfSubjectRulesReview>(generator);
    add::<package::SubjectAccessReview>(generator);
}

fn add_autoscaling_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::autoscaling::v1 as package;
    add::<package::HorizontalPodAutoscaler>(generator);
    add::<package::Scale>(generator);
}

fn add_autoscaling_v2(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::autoscaling::v2 as package;
    add::<package::HorizontalPodAutoscaler>(generator);
}

fn add_batch_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::batch::v1 as package;
    add::<package::CronJob>(generator);
    add::<package::Job>(generator);
}

fn add_certificates_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::certificates::v1 as package;
    add::<package::CertificateSigningRequest>(generator);
}

fn add_coordination_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::coordination::v1 as package;
    add::<package::Lease>(generator);
}

fn add_core_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::core::v1 as package;
    add::<package::Binding>(generator);
    add::<package::ComponentStatus>(generator);
    add::<package::ConfigMap>(generator);
    add::<package::Endpoints>(generator);
    add::<package::Event>(generator);
    add::<package::LimitRange>(generator);
    add::<package::Namespace>(generator);
    add::<package::Node>(generator);
    add::<package::PersistentVolume>(generator);
    add::<package::PersistentVolumeClaim>(generator);
    add::<package::Pod>(generator);
    add::<package::PodTemplate>(generator);
    add::<package::ReplicationController>(generator);
    add::<package::ResourceQuota>(generator);
    add::<package::Secret>(generator);
    add::<package::Service>(generator);
    add::<package::ServiceAccount>(generator);
}

fn add_discovery_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::discovery::v1 as package;
    add::<package::EndpointSlice>(generator);
}

fn add_events_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::events::v1 as package;
    add::<package::Event>(generator);
}

fn add_flowcontrol_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::flowcontrol::v1 as package;
    add::<package::FlowSchema>(generator);
    add::<package::PriorityLevelConfiguration>(generator);
}

fn add_networking_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::networking::v1 as package;
    add::<package::IPAddress>(generator);
    add::<package::Ingress>(generator);
    add::<package::IngressClass>(generator);
    add::<package::NetworkPolicy>(generator);
    add::<package::ServiceCIDR>(generator);
}

fn add_node_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::node::v1 as package;
    add::<package::RuntimeClass>(generator);
}

fn add_policy_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::policy::v1 as package;
    add::<package::Eviction>(generator);
    add::<package::PodDisruptionBudget>(generator);
}

fn add_rbac_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::rbac::v1 as package;
    add::<package::ClusterRole>(generator);
    add::<package::ClusterRoleBinding>(generator);
    add::<package::Role>(generator);
    add::<package::RoleBinding>(generator);
}

fn add_resource_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::resource::v1 as package;
    add::<package::DeviceClass>(generator);
    add::<package::ResourceClaim>(generator);
    add::<package::ResourceClaimTemplate>(generator);
    add::<package::ResourceSlice>(generator);
}

fn add_scheduling_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::scheduling::v1 as package;
    add::<package::PriorityClass>(generator);
}

fn add_storage_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::api::storage::v1 as package;
    add::<package::CSIDriver>(generator);
    add::<package::CSINode>(generator);
    add::<package::CSIStorageCapacity>(generator);
    add::<package::StorageClass>(generator);
    add::<package::VolumeAttachment>(generator);
    add::<package::VolumeAttributesClass>(generator);
}

fn add_apiextensions_apiserver_apiextensions_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as package;
    add::<package::CustomResourceDefinition>(generator);
}

fn add_meta_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1 as package;
    add::<package::APIGroup>(generator);
    add::<package::APIGroupList>(generator);
    add::<package::APIResource>(generator);
    add::<package::APIResourceList>(generator);
    add::<package::APIVersions>(generator);
    add::<package::Condition>(generator);
    add::<package::DeleteOptions>(generator);
    add::<package::FieldSelectorRequirement>(generator);
    add::<package::FieldsV1>(generator);
    add::<package::GroupResource>(generator);
    add::<package::GroupVersionForDiscovery>(generator);
    add::<package::LabelSelector>(generator);
    add::<package::LabelSelectorRequirement>(generator);
    add::<package::ListMeta>(generator);
    add::<package::ManagedFieldsEntry>(generator);
    add::<package::MicroTime>(generator);
    add::<package::ObjectMeta>(generator);
    add::<package::OwnerReference>(generator);
    add::<package::Patch>(generator);
    add::<package::Preconditions>(generator);
    add::<package::ServerAddressByClientCIDR>(generator);
    add::<package::ShardInfo>(generator);
    add::<package::Status>(generator);
    add::<package::StatusCause>(generator);
    add::<package::StatusDetails>(generator);
    add::<package::Time>(generator);
}

fn add_version(generator: &mut SchemaGenerator) {
    use k8s_openapi::apimachinery::pkg::version as package;
    add::<package::Info>(generator);
}

fn add_kube_aggregator_apiregistration_v1(generator: &mut SchemaGenerator) {
    use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 as package;
    add::<package::APIService>(generator);
}
