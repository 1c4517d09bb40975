//! `NodeSource`: the kinds of objects in the graph of the Node authorizer.

/// A kind of object that nodes can be connected with.
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
