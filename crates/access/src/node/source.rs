//! Kinds of objects that open others to nodes.

/// Kinds of objects that nodes can have to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeSource {
    Secret,
    ConfigMap,
    Claim,
    Volume,
    Pod,
    ServiceAccount,
    ResourceClaim,
    ResourceSlice,
    Attachment,
    PodCertificateRequest,
}
