//! CertificateApproval, CertificateSigning, CertificateSubjectRestriction: permissions for approving and signing
//! certificate requests, and limits on their subjects.

use crate::plugin::Plugin;
use crate::request::Request;
use pintle_object::bytes;
use pintle_object::field::{Shown, quote};
use pintle_object::time::Time;
use pintle_object::{FieldErrors, Path, RequestInfo, Status, Value, Verb};
use pintle_x509::{CertificateRequest, Malformed};

const GROUP: &str = "certificates.k8s.io";
const REQUESTS: &str = "certificatesigningrequests";
const POD_REQUESTS: &str = "podcertificaterequests";
/// The greatest clock difference between a signer and this server, in seconds.
const CLOCK_SKEW_SECONDS: i64 = 5 * 60;
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";
const MASTERS: &str = "system:masters";

/// Requires the verb `approve` on the signer for approvals of its requests.
pub struct CertificateApproval;

impl Plugin for CertificateApproval {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if !request.is_update() || !is_subresource(request, "approval") {
            return Ok(());
        }
        permit(request, object, "approve")
    }
}

/// Requires the verb `sign` on the signer for issuing its certificates.
pub struct CertificateSigning;

impl Plugin for CertificateSigning {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if !request.is_update() || !is_subresource(request, "status") {
            return Ok(());
        }
        let old = request.attributes.old.unwrap_or(&Value::Null);
        let is_same = |field: &str| object.at(&["status", field]) == old.at(&["status", field]);
        if is_same("certificate") && is_same("conditions") {
            return Ok(());
        }
        permit(request, object, "sign")
    }
}

/// Refuses certificates of the cluster's own signer that would make an administrator.
pub struct CertificateSubjectRestriction;

impl Plugin for CertificateSubjectRestriction {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        let is_asked = request.creates(GROUP, REQUESTS);
        if !is_asked || object.str_at(&["spec", "signerName"]) != CLIENT_SIGNER {
            return Ok(());
        }
        let parsed = parsed(object);
        let parsed =
            parsed.map_err(|why| request.forbidden(object, format!("failed to parse CSR: {why}")))?;
        if !parsed.subject.organizations.iter().any(|organization| organization == MASTERS) {
            return Ok(());
        }
        let why = format!("use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed");
        Err(request.forbidden(object, &why))
    }
}

fn is_subresource(request: &Request<'_>, subresource: &str) -> bool {
    request.is_resource(GROUP, REQUESTS) && request.subresource() == subresource
}

/// The signer is the stored one's: an update does not change it.
fn permit(request: &Request<'_>, object: &Value, verb: &'static str) -> Result<(), Status> {
    let stored = request.attributes.old.unwrap_or(&Value::Null);
    let signer = stored.str_at(&["spec", "signerName"]);
    if is_permitted(request, signer, verb) {
        return Ok(());
    }
    let why = format!("user not permitted to {verb} requests with signerName {}", quote(signer));
    Err(request.forbidden(object, &why))
}

/// Permission is for a signer by name, or for all signers of a domain.
pub(super) fn is_permitted(request: &Request<'_>, signer: &str, verb: &'static str) -> bool {
    let domain = signer.split('/').next().unwrap_or(signer);
    let all = format!("{domain}/*");
    let user = request.user();
    [signer, &all].into_iter().any(|name| {
        let info = RequestInfo {
            verb: Verb::named(verb),
            is_resource: true,
            group: GROUP.into(),
            version: "*".into(),
            resource: "signers".into(),
            name: name.into(),
            ..RequestInfo::default()
        };
        pintle_access::authorize::check(request.permissions.authorizer.as_ref(), user, &info).is_ok()
    })
}

/// Checks a pod's certificate or its denial: its writer may sign for the signer, and the certificate is valid from now
/// on.
pub(crate) fn judge_pod_certificate(request: &Request<'_>, object: &Value) -> Result<(), Status> {
    let is_status = request.subresource() == "status" && request.is_update();
    let old = request.attributes.old.unwrap_or(&Value::Null);
    if !is_status || !request.is_resource(GROUP, POD_REQUESTS) || object.get("status") == old.get("status") {
        return Ok(());
    }
    let mut errors = FieldErrors::new();
    let from = object.str_at(&["status", "notBefore"]);
    let is_near = |time: Time| (time.seconds - request.attributes.now.seconds).abs() < CLOCK_SKEW_SECONDS;
    if !from.is_empty() && !Time::parse(from).is_ok_and(is_near) {
        let why = "must be set to within 5 minutes of kube-apiserver's current time";
        errors.invalid(&Path::root("status.notBefore"), Shown(from.into()), why);
    }
    let signer = old.str_at(&["spec", "signerName"]);
    if errors.is_empty() && !is_permitted(request, signer, "sign") {
        let (user, signer) = (quote(&request.attributes.user.name), quote(signer));
        let why = format!("User {user} is not permitted to \"sign\" for signer {signer}");
        errors.forbidden(&Path::root("spec.signerName"), &why);
    }
    if errors.is_empty() {
        return Ok(());
    }
    let kind = request.attributes.target.served.storage.group_kind();
    Err(Status::invalid(&kind, request.attributes.target.name, errors))
}

/// The request of a CertificateSigningRequest.
pub(super) fn parsed(object: &Value) -> Result<CertificateRequest, Malformed> {
    CertificateRequest::from_pem(&bytes::decode(object.str_at(&["spec", "request"])).unwrap_or_default())
}
