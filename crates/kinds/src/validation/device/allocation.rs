//! The status of a claim: its allocated devices, and its consumers.

use super::claim::{Names, request_reference, request_references};
use super::{
    Bounds, CONFIGS_MAX, binding_conditions, by_field, by_itself, configuration, driver_name, label_name,
    list, pool_name, raw, shape, uid,
};
use crate::validation::check::{IMMUTABLE, present};
use crate::validation::pod_spec::node_selector;
use crate::validation::{conditions, internal, meta, net};
use pintle_object::field::quote;
use pintle_object::meta as object_meta;
use pintle_object::{ByValue, FieldErrors, Path, Seen, Value};

const STATUS: Path<'static> = Path::root("status");

const USERS_MAX: usize = 256;
const RESULTS_MAX: usize = 32;
const CONDITIONS_MAX: usize = 8;
const DATA_LEN_MAX: usize = 10 * 1024;
const INTERFACE_LEN_MAX: usize = 256;
const HARDWARE_LEN_MAX: usize = 128;
const ADDRESSES_MAX: usize = 16;

/// All errors of an update through `status`.
pub fn update(new: &Value, old: &Value, errors: &mut FieldErrors) {
    meta::validate_update_strict(new, old, errors);
    let users = new.list_at(&["status", "reservedFor"]);
    let users_path = STATUS.child("reservedFor");
    list(users, Bounds::set(USERS_MAX), by_field("uid"), &users_path, errors, user);
    let allocation = present(new, &["status", "allocation"]);
    let results = new.list_at(&["status", "allocation", "devices", "results"]);
    let devices = new.list_at(&["status", "devices"]);
    let results: Vec<Value> = results.iter().map(device_id).collect();
    let results: Seen<ByValue<'_>> = results.iter().map(ByValue).collect();
    let bounds = Bounds { len_max: None, is_set: true };
    list(devices, bounds, device_id, &STATUS.child("devices"), errors, |device, path, errors| {
        device_status(device, &results, path, errors);
    });
    if !users.is_empty() {
        let before: Seen<ByValue<'_>> = old.list_at(&["status", "reservedFor"]).iter().map(ByValue).collect();
        let has_new = users.iter().any(|user| !before.contains(&ByValue(user)));
        if allocation.is_none() {
            errors.forbidden(&users_path, "may not be specified when `allocated` is not set");
        } else if object_meta::is_deleting(new) && has_new {
            let why =
                "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
            errors.forbidden(&users_path, why);
        }
    }
    let path = STATUS.child("allocation");
    match (allocation, present(old, &["status", "allocation"])) {
        (Some(new), Some(old)) if new != old => {
            errors.invalid(&path, internal::shown(new, shape::ALLOCATION), IMMUTABLE);
        }
        (Some(allocation), None) => {
            let names = Names::of(new.get("spec").unwrap_or(&Value::Null));
            allocated(allocation, &names, &path, errors);
        }
        _ => {}
    }
}

fn user(user: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    for field in ["resource", "name", "uid"] {
        if user.str_at(&[field]).is_empty() {
            errors.required(&path.child(field), "");
        }
    }
}

fn allocated(allocation: &Value, names: &Names<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let devices = path.child("devices");
    let results = allocation.list_at(&["devices", "results"]);
    let results_path = devices.child("results");
    list(results, Bounds::list(RESULTS_MAX), by_itself, &results_path, errors, |one, path, errors| {
        result(one, names, path, errors);
    });
    let configs = allocation.list_at(&["devices", "config"]);
    let bounds = Bounds::list(2 * CONFIGS_MAX);
    list(configs, bounds, by_itself, &devices.child("config"), errors, |config, path, errors| {
        let source_path = path.child("source");
        match config.str_at(&["source"]) {
            "" => errors.required(&source_path, ""),
            "FromClass" | "FromClaim" => {}
            other => errors.not_supported(&source_path, other, &["FromClaim", "FromClass"]),
        }
        request_references(config, names, path, errors);
        configuration(config, path, errors);
    });
    if let Some(selector) = present(allocation, &["nodeSelector"]) {
        node_selector(selector, &path.child("nodeSelector"), errors);
    }
}

fn result(result: &Value, names: &Names<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    request_reference(result.str_at(&["request"]), names, &path.child("request"), errors);
    driver_name(result, path, errors);
    pool_name(result.str_at(&["pool"]), &path.child("pool"), errors);
    label_name(result.str_at(&["device"]), &path.child("device"), errors);
    binding_conditions(result, path, errors);
    if let Some(share) = present(result, &["shareID"]).and_then(Value::as_str) {
        uid(share, &path.child("shareID"), errors);
    }
}

/// Which device, or which share of one, is meant.
pub fn device_id(object: &Value) -> Value {
    let mut id = Value::map();
    for field in ["driver", "pool", "device", "shareID"] {
        id.set(&[field], object.str_at(&[field]));
    }
    id
}

fn device_status(device: &Value, results: &Seen<ByValue<'_>>, path: &Path<'_>, errors: &mut FieldErrors) {
    driver_name(device, path, errors);
    pool_name(device.str_at(&["pool"]), &path.child("pool"), errors);
    label_name(device.str_at(&["device"]), &path.child("device"), errors);
    if let Some(share) = present(device, &["shareID"]).and_then(Value::as_str) {
        uid(share, &path.child("shareID"), errors);
    }
    let id = device_id(device);
    if !results.contains(&ByValue(&id)) {
        let shown = internal::shown(&id, shape::DEVICE_ID);
        errors.invalid(path, shown, "must be an allocated device in the claim");
    }
    let list = device.list_at(&["conditions"]);
    if list.len() > CONDITIONS_MAX {
        errors.too_many(&path.child("conditions"), list.len(), CONDITIONS_MAX);
    }
    conditions::validate(list, &path.child("conditions"), errors);
    if let Some(data) = present(device, &["data"]) {
        raw(Some(data), DATA_LEN_MAX, &path.child("data"), errors);
    }
    if let Some(network) = present(device, &["networkData"]) {
        network_data(network, &path.child("networkData"), errors);
    }
}

fn network_data(data: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    for (field, max) in [("interfaceName", INTERFACE_LEN_MAX), ("hardwareAddress", HARDWARE_LEN_MAX)] {
        if data.str_at(&[field]).len() > max {
            errors.too_long(&path.child(field), max);
        }
    }
    let addresses = data.list_at(&["ips"]);
    let bounds = Bounds::set(ADDRESSES_MAX);
    list(addresses, bounds, by_itself, &path.child("ips"), errors, |address, path, errors| {
        interface_address(address.as_str().unwrap_or(""), path, errors);
    });
}

/// An address with the length of its network: `10.9.8.7/24`.
fn interface_address(text: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let address = text.split_once('/').and_then(|(address, _)| net::parse_ip_sloppy(address));
    let (Some(address), Some(network)) = (address, net::parse_cidr_sloppy(text)) else {
        let why = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)";
        return errors.invalid(path, text, why);
    };
    let canonical = format!("{address}/{}", network.prefix_len);
    if text != canonical {
        errors.invalid(path, text, &format!("must be in canonical form ({})", quote(&canonical)));
    }
}
