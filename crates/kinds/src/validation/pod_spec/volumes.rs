//! Volumes of pods.

use crate::validation::check::{invalid_all, present};
use crate::validation::pod_spec::downward::{field_selector, resource_selector};
use crate::validation::pod_spec::owner::Owner;
use crate::validation::pod_spec::values::{descending_path, optional_one_of};
use crate::validation::{claim, resources, volume_source};
use pintle_object::{FieldErrors, Path, Seen, Value, content};
use std::collections::BTreeMap;

/// Fields of the pod that files may show.
const FIELDS: [&str; 5] =
    ["metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations", "metadata.uid"];

const MODE_MAX: i64 = 0o777;
const BAD_MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";

/// The valid volumes of a pod, by name.
pub struct Volumes<'a>(BTreeMap<&'a str, Volume<'a>>);

#[derive(Clone, Copy)]
pub struct Volume<'a>(&'a Value);

impl<'a> Volumes<'a> {
    pub fn get(&self, name: &str) -> Option<Volume<'a>> {
        self.0.get(name).copied()
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

impl Volume<'_> {
    /// Whether it is a claim, and so can be a block device.
    pub fn is_claim(self) -> bool {
        ["persistentVolumeClaim", "ephemeral"].iter().any(|kind| present(self.0, &[kind]).is_some())
    }
}

/// Sources in upstream's order, with the name that upstream's paths give them.
const SOURCES: [(&str, &str); 30] = [
    ("emptyDir", "emptyDir"),
    ("hostPath", "hostPath"),
    ("gitRepo", "gitRepo"),
    ("gcePersistentDisk", "persistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore"),
    ("secret", "secret"),
    ("nfs", "nfs"),
    ("iscsi", "iscsi"),
    ("glusterfs", "glusterfs"),
    ("flocker", "flocker"),
    ("persistentVolumeClaim", "persistentVolumeClaim"),
    ("rbd", "rbd"),
    ("cinder", "cinder"),
    ("cephfs", "cephfs"),
    ("quobyte", "quobyte"),
    ("downwardAPI", "downwardAPI"),
    ("fc", "fc"),
    ("configMap", "configMap"),
    ("azureFile", "azureFile"),
    ("flexVolume", "flexVolume"),
    ("vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk"),
    ("storageos", "storageos"),
    ("projected", "projected"),
    ("scaleIO", "scaleIO"),
    ("csi", "csi"),
    ("ephemeral", "ephemeral"),
    ("image", "image"),
];

pub fn validate<'a>(
    spec: &'a Value,
    owner: Owner<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) -> Volumes<'a> {
    let mut valid: BTreeMap<&'a str, Volume<'a>> = BTreeMap::new();
    for (index, volume) in spec.list_at(&["volumes"]).iter().enumerate() {
        let path = path.index(index);
        let mut own = FieldErrors::new();
        validate_source(volume, owner, &path, &mut own);
        let name = volume.str_at(&["name"]);
        if name.is_empty() {
            own.required(&path.child("name"), "");
        } else {
            invalid_all(content::dns1123_label(name), name, &path.child("name"), &mut own);
        }
        if valid.contains_key(name) {
            own.duplicate(&path.child("name"), name);
        }
        if own.is_empty() {
            valid.insert(name, Volume(volume));
        }
        errors.extend(own);
    }
    Volumes(valid)
}

fn validate_source(volume: &Value, owner: Owner<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut count = 0;
    for (field, shown) in SOURCES {
        let Some(source) = present(volume, &[field]) else { continue };
        let at = path.child(shown);
        if count > 0 {
            let at = path.child(if field == "gcePersistentDisk" { field } else { shown });
            errors.forbidden(&at, "may not specify more than 1 volume type");
            continue;
        }
        count += 1;
        match field {
            "emptyDir" => empty_dir(source, &at, errors),
            "secret" => files_from(source, "secretName", true, &at, errors),
            "configMap" => files_from(source, "name", true, &at, errors),
            "downwardAPI" => downward(source, true, &at, errors),
            "projected" => projected(source, &at, errors),
            "persistentVolumeClaim" => {
                if source.str_at(&["claimName"]).is_empty() {
                    errors.required(&at.child("claimName"), "");
                }
            }
            "ephemeral" => ephemeral(source, volume, owner, &at, path, errors),
            "image" => image(source, owner, &at, errors),
            "csi" => inline_csi(source, &at, errors),
            _ => volume_source::validate(field, source, false, &at, errors),
        }
        if field == "flexVolume" || field == "scaleIO" || field == "iscsi" {
            volume_source::name_limits(field, volume, path, errors);
        }
    }
    if count == 0 {
        errors.required(path, "must specify a volume type");
    }
}

fn empty_dir(source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(limit) = present(source, &["sizeLimit"])
        && resources::quantity(limit).sign() < 0
    {
        errors.forbidden(&path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity");
    }
}

/// Files made from a Secret or ConfigMap.
fn files_from(source: &Value, name: &str, has_mode: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    if source.str_at(&[name]).is_empty() {
        errors.required(&path.child(name), "");
    }
    if has_mode {
        mode(source, "defaultMode", path, errors);
    }
    let items = path.child("items");
    for (index, item) in source.list_at(&["items"]).iter().enumerate() {
        let path = items.index(index);
        if item.str_at(&["key"]).is_empty() {
            errors.required(&path.child("key"), "");
        }
        relative_file(item.str_at(&["path"]), &path.child("path"), errors);
        mode(item, "mode", &path, errors);
    }
}

fn relative_file(file: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if file.is_empty() {
        return errors.required(path, "");
    }
    descending_path(file, path, errors);
    if file.starts_with("..") && !file.starts_with("../") {
        errors.invalid(path, file, "must not start with '..'");
    }
}

fn mode(object: &Value, field: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(mode) = object.int_at(&[field]).filter(|mode| !(0..=MODE_MAX).contains(mode)) {
        errors.invalid(&path.child(field), mode, BAD_MODE);
    }
}

/// Files that show fields of the pod; upstream reports the volume's path for every item.
fn downward(source: &Value, has_mode: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    if has_mode {
        mode(source, "defaultMode", path, errors);
    }
    for file in source.list_at(&["items"]) {
        relative_file(file.str_at(&["path"]), &path.child("path"), errors);
        let (field, resource) = (present(file, &["fieldRef"]), present(file, &["resourceFieldRef"]));
        match (field, resource) {
            (Some(field), resource) => {
                field_selector(field, &FIELDS, &path.child("fieldRef"), errors);
                if resource.is_some() {
                    errors.invalid(
                        path,
                        "resource",
                        "fieldRef and resourceFieldRef can not be specified simultaneously",
                    );
                }
            }
            (None, Some(resource)) => {
                resource_selector(resource, true, &path.child("resourceFieldRef"), errors);
            }
            (None, None) => errors.required(path, "one of fieldRef and resourceFieldRef is required"),
        }
        if let Some(mode) = file.int_at(&["mode"]).filter(|mode| !(0..=MODE_MAX).contains(mode)) {
            errors.invalid(&path.child("mode"), mode, BAD_MODE);
        }
    }
}

fn projected(source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    mode(source, "defaultMode", path, errors);
    let list = path.child("sources");
    let mut files = Seen::new();
    for (index, one) in source.list_at(&["sources"]).iter().enumerate() {
        let at = list.index(index);
        let mut count = 0;
        for kind in [
            "secret",
            "configMap",
            "downwardAPI",
            "serviceAccountToken",
            "clusterTrustBundle",
            "podCertificate",
        ] {
            let Some(inner) = present(one, &[kind]) else { continue };
            let at = at.child(kind);
            if count > 0 {
                errors.forbidden(&at, "may not specify more than 1 volume type per source");
                continue;
            }
            count += 1;
            match kind {
                "secret" | "configMap" => files_from(inner, "name", false, &at, errors),
                "downwardAPI" => downward(inner, false, &at, errors),
                "serviceAccountToken" => token(inner, &at, path, errors),
                _ => {}
            }
            // Upstream shows the source of a file where it has a name. A token may share its path with others.
            let shown = match kind {
                "secret" | "configMap" => Some(inner.str_at(&["name"])),
                _ => None,
            };
            for file in inner.list_at(&["items"]).iter().map(|item| item.str_at(&["path"])) {
                unique_file(file, shown.unwrap_or(file), &mut files, path, errors);
            }
            let own: &[&str] = match kind {
                "clusterTrustBundle" => &["path"],
                "podCertificate" => &["credentialBundlePath", "keyPath", "certificateChainPath"],
                _ => &[],
            };
            for file in own.iter().map(|field| inner.str_at(&[field])) {
                unique_file(file, file, &mut files, path, errors);
            }
        }
    }
}

fn unique_file<'a>(
    file: &'a str,
    shown: &str,
    files: &mut Seen<&'a str>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if file.is_empty() {
        return;
    }
    if files.contains(&file) {
        errors.invalid(path, shown, "conflicting duplicate paths");
    }
    files.push(file);
}

/// Upstream reports the volume's path for a path that is missing.
fn token(source: &Value, path: &Path<'_>, volume: &Path<'_>, errors: &mut FieldErrors) {
    const SECONDS_MIN: i64 = 10 * 60;
    const SECONDS_MAX: i64 = 1 << 32;
    let seconds = source.int_at(&["expirationSeconds"]).unwrap_or(0);
    if seconds < SECONDS_MIN {
        errors.invalid(
            &path.child("expirationSeconds"),
            seconds,
            "may not specify a duration less than 10 minutes",
        );
    }
    if seconds > SECONDS_MAX {
        errors.invalid(
            &path.child("expirationSeconds"),
            seconds,
            "may not specify a duration larger than 2^32 seconds",
        );
    }
    match source.str_at(&["path"]) {
        "" => errors.required(&volume.child("path"), ""),
        file => descending_path(file, &path.child("path"), errors),
    }
}

fn ephemeral(
    source: &Value,
    volume: &Value,
    owner: Owner<'_>,
    path: &Path<'_>,
    volume_path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let path = path.child("volumeClaimTemplate");
    match present(source, &["volumeClaimTemplate"]) {
        None => errors.required(&path, ""),
        Some(template) => {
            crate::validation::meta::template_fields(template, &path.child("metadata"), errors);
            claim::spec(template.get("spec").unwrap_or(&Value::Null), None, &path.child("spec"), errors);
        }
    }
    let pod_name = owner.pod.map_or("", |pod| pod.str_at(&["metadata", "name"]));
    let volume_name = volume.str_at(&["name"]);
    if !pod_name.is_empty() && !volume_name.is_empty() {
        let claim_name = format!("{pod_name}-{volume_name}");
        for message in content::dns1123_subdomain(&claim_name) {
            let why = format!("PVC name {}: {message}", pintle_object::field::quote(&claim_name));
            errors.invalid(&volume_path.child("name"), volume_name, &why);
        }
    }
}

fn image(source: &Value, owner: Owner<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    if owner.pod.is_some() && source.str_at(&["reference"]).is_empty() {
        errors.required(&path.child("reference"), "");
    }
    optional_one_of(source, "pullPolicy", &["Always", "IfNotPresent", "Never"], path, errors);
}

fn inline_csi(source: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    volume_source::csi_driver(source.str_at(&["driver"]), &path.child("driver"), errors);
    let secret = present(source, &["nodePublishSecretRef"]);
    if secret.is_some_and(|secret| secret.str_at(&["name"]).is_empty()) {
        errors.required(&path.child("nodePublishSecretRef").child("name"), "");
    }
}
