//! ServiceCIDR.

use super::{Context, Strategy, cells, keep, keep_metadata};
use crate::validation::internal::{self, Form, Shape};
use crate::validation::{NameRule, check, meta, net};
use pintle_object::{FieldErrors, Map, Path, Value};

pub struct ServiceCIDR;

const CIDRS: Path<'static> = Path::root("spec.cidrs");
const CIDRS_MAX: usize = 2;
const SPEC_SHAPE: Shape = &[("CIDRs", "cidrs", Form::Nullable)];

impl Strategy for ServiceCIDR {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        object.set(&["status"], Map::new());
    }

    fn prepare_status(&self, new: &mut Value, old: &Value, _context: &Context<'_>) {
        keep(new, old, "spec");
        keep_metadata(new, old);
    }

    fn validate(&self, object: &Value, errors: &mut FieldErrors) {
        meta::validate_strict(object, NameRule::Subdomain, errors);
        cidrs(object, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
        let (new_list, old_list) = (new.list_at(&["spec", "cidrs"]), old.list_at(&["spec", "cidrs"]));
        let grows = old_list.len() == 1 && new_list.len() == CIDRS_MAX;
        if new_list.len() != old_list.len() && !grows {
            let shown = new.at(&["spec", "cidrs"]).unwrap_or(&Value::Null);
            errors.invalid(&CIDRS, shown, check::IMMUTABLE);
            return;
        }
        for (index, (new_cidr, old_cidr)) in new_list.iter().zip(old_list).enumerate() {
            check::immutable(Some(new_cidr), Some(old_cidr), &CIDRS.index(index), errors);
        }
        if grows {
            cidrs(new, errors);
        }
    }

    fn validate_status(&self, new: &Value, old: &Value, errors: &mut FieldErrors) {
        meta::validate_update_strict(new, old, errors);
    }

    fn cells(&self, object: &Value, now_seconds: i64) -> Vec<Value> {
        let cidrs: Vec<&str> = object.list_at(&["spec", "cidrs"]).iter().filter_map(Value::as_str).collect();
        vec![cells::name(object), Value::from(cidrs.join(",")), cells::age(object, now_seconds)]
    }
}

/// One network, or one of each family.
fn cidrs(object: &Value, errors: &mut FieldErrors) {
    let list = object.list_at(&["spec", "cidrs"]);
    if list.is_empty() {
        errors.required(&CIDRS, "at least one CIDR required");
        return;
    }
    if list.len() > CIDRS_MAX {
        let spec = object.get("spec").unwrap_or(&Value::Null);
        errors.invalid(&CIDRS, internal::shown(spec, SPEC_SHAPE), "may only hold up to 2 values");
        return;
    }
    for (index, cidr) in list.iter().enumerate() {
        net::cidr(cidr.as_str().unwrap_or(""), &CIDRS.index(index), errors);
    }
    let families: Vec<bool> = list
        .iter()
        .filter_map(|cidr| net::parse_cidr_sloppy(cidr.as_str().unwrap_or("")))
        .map(|cidr| cidr.address.is_ipv4())
        .collect();
    if let [first, second] = families[..]
        && first == second
    {
        let shown = object.at(&["spec", "cidrs"]).unwrap_or(&Value::Null);
        let why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        errors.invalid(&CIDRS, shown, why);
    }
}
