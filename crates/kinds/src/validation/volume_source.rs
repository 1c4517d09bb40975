//! Sources of volumes that pods and persistent volumes share.

use super::check::{invalid_all, present};
use super::pod_spec::values;
use crate::validation::pod_spec::values::{no_backsteps, optional_one_of};
use pintle_object::{FieldErrors, Path, Value, content};

/// Checks one source by its field's name; `of_volume` in a persistent volume, else in a pod.
pub fn validate(field: &str, source: &Value, of_volume: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    match field {
        "hostPath" => host_path(source, path, errors),
        "gitRepo" => git_repo(source, path, errors),
        "gcePersistentDisk" => disk(source, "pdName", path, errors),
        "awsElasticBlockStore" => disk(source, "volumeID", path, errors),
        "nfs" => nfs(source, path, errors),
        "iscsi" => iscsi(source, of_volume, path, errors),
        "glusterfs" => glusterfs(source, of_volume, path, errors),
        "flocker" => flocker(source, path, errors),
        "rbd" => required(source, &["monitors", "image"], path, errors),
        "cinder" => cinder(source, of_volume, path, errors),
        "cephfs" => required(source, &["monitors"], path, errors),
        "quobyte" => quobyte(source, path, errors),
        "fc" => fibre_channel(source, path, errors),
        "azureFile" => azure_file(source, of_volume, path, errors),
        "flexVolume" => required(source, &["driver"], path, errors),
        "vsphereVolume" => required(source, &["volumePath"], path, errors),
        "photonPersistentDisk" => required(source, &["pdID"], path, errors),
        "portworxVolume" => required(source, &["volumeID"], path, errors),
        "azureDisk" => azure_disk(source, path, errors),
        "storageos" => storage_os(source, of_volume, path, errors),
        "scaleIO" => required(source, &["gateway", "system", "volumeName"], path, errors),
        _ => {}
    }
}

/// Names of volumes that with a part of their source must stay short.
pub fn name_limits(field: &str, volume: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if field != "iscsi" || volume.str_at(&["iscsi", "initiatorName"]).is_empty() {
        return;
    }
    let name = match volume.str_at(&["name"]) {
        "" => volume.str_at(&["metadata", "name"]),
        name => name,
    };
    let shown = format!("{name}:{}", volume.str_at(&["iscsi", "targetPortal"]));
    if shown.len() > 64 {
        let why = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
        errors.invalid(&path.child("iscsi").child("targetportal"), &shown, why);
    }
}

/// The name of a persistent volume stays short where its initiator has a name.
pub fn iscsi_name(source: &Value, volume: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let portal = source.str_at(&["targetPortal"]);
    if present(source, &["initiatorName"]).is_some() && volume.len() + 1 + portal.len() > 64 {
        errors.invalid(&path.child("targetportal"), portal, ISCSI_NAME);
    }
}

const ISCSI_NAME: &str = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters \
                          if iscsi.initiatorName is specified.";

/// The name of a CSI driver.
pub fn csi_driver(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    const NAME_LEN_MAX: usize = 63;
    if name.is_empty() {
        return errors.required(path, "");
    }
    if name.len() > NAME_LEN_MAX {
        errors.too_long(path, NAME_LEN_MAX);
    }
    let lower = name.to_lowercase();
    invalid_all(content::dns1123_subdomain(&lower), name, path, errors);
}

/// A reference to a secret in any namespace names both.
pub fn secret_reference(source: &Value, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(reference) = present(source, &[field]) else { return };
    let path = path.child(field);
    required(reference, &["name"], &path, errors);
    match reference.str_at(&["namespace"]) {
        "" => errors.required(&path.child("namespace"), ""),
        namespace => {
            invalid_all(content::dns1123_label(namespace), namespace, &path.child("namespace"), errors)
        }
    }
}

fn required(source: &Value, fields: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    for field in fields {
        let is_empty = match source.get(field) {
            None | Some(Value::Null) => true,
            Some(Value::Text(text)) => text.is_empty(),
            Some(Value::List(list)) => list.is_empty(),
            Some(_) => false,
        };
        if is_empty {
            errors.required(&path.child(field), "");
        }
    }
}

fn git_repo(source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    required(source, &["repository"], path, errors);
    values::descending_path(source.str_at(&["directory"]), &path.child("directory"), errors);
}

fn disk(source: &Value, name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    required(source, &[name], path, errors);
    let partition = source.int_at(&["partition"]).unwrap_or(0);
    if !(0..=255).contains(&partition) {
        errors.invalid(&path.child("partition"), partition, &content::inclusive_range_error(1, 255));
    }
}

fn nfs(source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    required(source, &["server", "path"], path, errors);
    let place = source.str_at(&["path"]);
    if !place.starts_with('/') {
        errors.invalid(&path.child("path"), place, "must be an absolute path");
    }
}

fn iscsi(source: &Value, of_volume: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    required(source, &["targetPortal"], path, errors);
    iqn(source.str_at(&["iqn"]), &path.child("iqn"), errors);
    let lun = source.int_at(&["lun"]).unwrap_or(0);
    if !(0..=255).contains(&lun) {
        errors.invalid(&path.child("lun"), lun, &content::inclusive_range_error(0, 255));
    }
    let needs_secret = source.bool_at(&["chapAuthDiscovery"]) || source.bool_at(&["chapAuthSession"]);
    if needs_secret && present(source, &["secretRef"]).is_none() {
        errors.required(&path.child("secretRef"), "");
    }
    if let Some(secret) = present(source, &["secretRef"])
        && of_volume
    {
        required(secret, &["name"], &path.child("secretRef"), errors);
    }
    if let Some(initiator) = present(source, &["initiatorName"]).and_then(Value::as_str)
        && !is_iqn(initiator)
    {
        errors.invalid(&path.child("initiatorname"), initiator, "must be valid format");
    }
}

fn iqn(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if text.is_empty() {
        errors.required(path, "");
    } else if !["iqn", "eui", "naa"].iter().any(|prefix| text.starts_with(prefix)) || !is_iqn(text) {
        errors.invalid(path, text, "must be valid format");
    }
}

/// `iqn.yyyy-mm.domain:name`, `eui.` and 16 digits, or `naa.` and 32.
fn is_iqn(text: &str) -> bool {
    let is_code =
        |rest: &str, len: usize| rest.len() == len && rest.bytes().all(|b| b.is_ascii_alphanumeric());
    if let Some(rest) = text.strip_prefix("eui.") {
        return is_code(rest, 16);
    }
    if let Some(rest) = text.strip_prefix("naa.") {
        return is_code(rest, 32);
    }
    let Some((date, rest)) = text.strip_prefix("iqn.").and_then(|rest| rest.split_at_checked(8)) else {
        return false;
    };
    let (domain, name) = rest.split_once(':').unwrap_or((rest, ""));
    let is_date = date.bytes().enumerate().all(|(index, byte)| match index {
        4 => byte == b'-',
        7 => byte == b'.',
        _ => byte.is_ascii_digit(),
    });
    is_date
        && !domain.is_empty()
        && domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
        && !name.is_empty()
        && !name.contains([',', ';', '*', '&', '$', '|'])
        && !name.contains(char::is_whitespace)
}

fn glusterfs(source: &Value, of_volume: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    required(source, &["endpoints", "path"], path, errors);
    if of_volume && let Some(namespace) = present(source, &["endpointsNamespace"]).and_then(Value::as_str) {
        let path = path.child("endpointsNamespace");
        invalid_all(content::dns1123_label(namespace), namespace, &path, errors);
    }
}

fn flocker(source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let (name, uuid) = (source.str_at(&["datasetName"]), source.str_at(&["datasetUUID"]));
    if name.is_empty() && uuid.is_empty() {
        errors.required(path, "one of datasetName and datasetUUID is required");
    }
    if !name.is_empty() && !uuid.is_empty() {
        errors.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously");
    }
    if name.contains('/') {
        errors.invalid(&path.child("datasetName"), name, "must not contain '/'");
    }
}

fn cinder(source: &Value, of_volume: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    required(source, &["volumeID"], path, errors);
    let Some(secret) = present(source, &["secretRef"]) else { return };
    required(secret, &["name"], &path.child("secretRef"), errors);
    if of_volume {
        required(secret, &["namespace"], &path.child("secretRef"), errors);
    }
}

fn quobyte(source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let registry = source.str_at(&["registry"]);
    if registry.is_empty() {
        let why = "must be a host:port pair or multiple pairs separated by commas";
        errors.required(&path.child("registry"), why);
    } else {
        for pair in registry.split(',') {
            if pair.rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port.is_empty()) {
                let why = "must be a host:port pair or multiple pairs separated by commas";
                errors.invalid(&path.child("registry"), registry, why);
            }
        }
    }
    if source.str_at(&["tenant"]).len() >= 65 {
        errors.required(&path.child("tenant"), "must be a UUID and may not exceed a length of 64 characters");
    }
    required(source, &["volume"], path, errors);
}

fn fibre_channel(source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    const WHY: &str = "must specify either targetWWNs or wwids, but not both";
    let (targets, wwids) = (source.list_at(&["targetWWNs"]), source.list_at(&["wwids"]));
    if targets.is_empty() && wwids.is_empty() {
        errors.required(&path.child("targetWWNs"), WHY);
    }
    if !targets.is_empty() && !wwids.is_empty() {
        errors.invalid(&path.child("targetWWNs"), &Value::List(targets.to_vec()), WHY);
    }
    if targets.is_empty() {
        return;
    }
    match source.int_at(&["lun"]) {
        None => errors.required(&path.child("lun"), "lun is required if targetWWNs is specified"),
        Some(lun) if !(0..=255).contains(&lun) => {
            errors.invalid(&path.child("lun"), lun, &content::inclusive_range_error(0, 255));
        }
        Some(_) => {}
    }
}

fn azure_file(source: &Value, of_volume: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    required(source, &["secretName", "shareName"], path, errors);
    if of_volume && source.at(&["secretNamespace"]).and_then(Value::as_str) == Some("") {
        errors.required(&path.child("secretNamespace"), "");
    }
}

fn azure_disk(source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    required(source, &["diskName", "diskURI"], path, errors);
    values::optional_one_of(source, "cachingMode", &["None", "ReadOnly", "ReadWrite"], path, errors);
    values::optional_one_of(source, "kind", &["Dedicated", "Managed", "Shared"], path, errors);
    let uri = source.str_at(&["diskURI"]);
    let is_managed = source.str_at(&["kind"]) == "Managed";
    let (managed, blob) = (
        "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",
        "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd",
    );
    if is_managed && !uri.to_lowercase().starts_with("/subscriptions/") {
        errors.not_supported(&path.child("diskURI"), uri, &[managed]);
    }
    if !is_managed && !uri.starts_with("https://") {
        errors.not_supported(&path.child("diskURI"), uri, &[blob]);
    }
}

fn storage_os(source: &Value, of_volume: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    match source.str_at(&["volumeName"]) {
        "" => errors.required(&path.child("volumeName"), ""),
        name => invalid_all(content::dns1123_label(name), name, &path.child("volumeName"), errors),
    }
    let namespace = source.str_at(&["volumeNamespace"]);
    if !namespace.is_empty() {
        invalid_all(content::dns1123_label(namespace), namespace, &path.child("volumeNamespace"), errors);
    }
    let Some(secret) = present(source, &["secretRef"]) else { return };
    let path = path.child("secretRef");
    required(secret, &["name"], &path, errors);
    if of_volume {
        required(secret, &["namespace"], &path, errors);
    }
}

/// A path that may be absolute, but never climbs.
pub(crate) fn host_path(source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let place = source.str_at(&["path"]);
    if place.is_empty() {
        return errors.required(&path.child("path"), "");
    }
    no_backsteps(place, &path.child("path"), errors);
    const TYPES: [&str; 8] =
        ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    optional_one_of(source, "type", &TYPES, path, errors);
}
