//! Writing an object takes time that grows with its size and no faster: tried with long lists and maps in every
//! field of every kind.

use crate::read::table::{Include, TableStyle};
use crate::request::body::{self, Body, Format};
use crate::request::options::{FieldValidation, PatchKind};
use crate::tests::World;
use crate::{Patch, ServedResource};
use pintle_kinds::Context;
use pintle_object::user::User;
use pintle_object::{FieldErrors, Value};
use pintle_patch::strategic::strategic_merge;
use pintle_patch::typed;
use pintle_schema::model::{Schema, Shape, TypeId};
use std::collections::HashSet;

/// Items of the shorter and of the longer of two objects.
const FEW: usize = 500;
const MANY: usize = 8 * FEW;
/// The allowed ratio of the two times: eight for the size, and as much again for what grows a little faster.
const RATIO_MAX: u64 = 24;
/// Shorter times are not judged: a clock's tick and a cache's miss weigh too much.
const NANOS_MIN: u64 = 100_000_000;
/// The number of measurements before one is called slow; the least time counts.
const TRIES: usize = 3;
/// One of so many places is tried, beginning with the one that the variable names: all take minutes. A variable that is
/// not a number means all places.
const STRIDE: usize = 97;
const FIRST: &str = "PINTLE_GROWTH";
/// Places that have been slow, and are tried always.
const ONCE_SLOW: [&str; 3] = [
    "CertificateSigningRequest.status.conditions",
    "CSINode.spec.drivers",
    "Pod.spec.topologySpreadConstraints",
];

const STYLE: TableStyle = TableStyle { include: Include::Metadata, has_columns: true, now_seconds: 0 };

/// The form of items.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Items {
    Empty,
    Distinct,
    Same,
}

/// A place for a list or a map, as the document around it.
struct Place {
    name: String,
    before: String,
    after: String,
    item: TypeId,
    is_map: bool,
}

/// The processor's time that this thread has taken.
fn nanos() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn scalar(schema: &Schema, ty: TypeId, number: usize) -> Option<String> {
    Some(match schema.shape(ty) {
        Shape::Text => format!("\"x{number}\""),
        Shape::Int32 | Shape::Int64 | Shape::Double => (number + 1).to_string(),
        Shape::Quantity | Shape::IntOrString => format!("\"{number}\""),
        Shape::Bytes => "\"YQ==\"".to_owned(),
        _ => return None,
    })
}

fn item(schema: &Schema, ty: TypeId, items: Items, index: usize) -> String {
    let number = if items == Items::Same { 7 } else { index };
    let own = scalar(schema, ty, number);
    match (schema.shape(ty), own) {
        (Shape::Text, _) if items == Items::Empty => "\"\"".to_owned(),
        (_, Some(text)) => text,
        (Shape::Struct(inner), None) if items != Items::Empty => {
            let fields = inner.fields.iter();
            let fields: Vec<String> = fields
                .filter_map(|field| Some(format!("\"{}\":{}", field.name, scalar(schema, field.ty, number)?)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        (Shape::List(_), None) => "[]".to_owned(),
        (Shape::Bool, None) => "true".to_owned(),
        _ => "{}".to_owned(),
    }
}

fn document(schema: &Schema, place: &Place, items: Items, count: usize) -> String {
    let mut out = place.before.clone();
    out.push(if place.is_map { '{' } else { '[' });
    for index in 0..count {
        if index > 0 {
            out.push(',');
        }
        if place.is_map {
            out.push_str(&format!("\"k{:06}\":", count - index));
        }
        out.push_str(&item(schema, place.item, items, index));
    }
    out.push(if place.is_map { '}' } else { ']' });
    out.push_str(&place.after);
    out
}

/// Every list and map below a type that was not found below another.
fn places(
    schema: &Schema,
    ty: TypeId,
    (name, before, after): (&str, &str, &str),
    depth: usize,
    known: &mut HashSet<(TypeId, String)>,
    found: &mut Vec<Place>,
) {
    if depth > 12 {
        return;
    }
    let container =
        |item: TypeId, is_map: bool, known: &mut HashSet<(TypeId, String)>, found: &mut Vec<Place>| {
            found.push(Place { name: name.into(), before: before.into(), after: after.into(), item, is_map });
            let (open, close) = if is_map { ("{\"k\":", "}") } else { ("[", "]") };
            let (before, after) = (format!("{before}{open}"), format!("{close}{after}"));
            places(schema, item, (&format!("{name}[]"), &before, &after), depth + 1, known, found);
        };
    match schema.shape(ty) {
        Shape::List(list) => container(list.item, false, known, found),
        Shape::Map(map) => container(map.value, true, known, found),
        Shape::Struct(inner) => {
            for field in &inner.fields {
                if known.insert((ty, field.name.to_string())) {
                    let before = format!("{before}{{\"{}\":", field.name);
                    let after = format!("}}{after}");
                    let name = format!("{name}.{}", field.name);
                    places(schema, field.ty, (&name, &before, &after), depth + 1, known, found);
                }
            }
        }
        _ => {}
    }
}

/// The work of a create, an update, a patch and a list on an object.
async fn work(world: &World, served: &ServedResource, text: &str) -> Vec<(&'static str, u64)> {
    let mut spent = Vec::new();
    let mut last = nanos();
    let mut lap = |what: &'static str| {
        let now = nanos();
        spent.push((what, now - last));
        last = now;
    };
    let schema = &world.engine.api.schema;
    let bytes = Body { bytes: text.as_bytes(), format: Format::Json };
    let ty = served.resource.ty;
    let mut notes = (Vec::new(), Vec::new());
    let read = body::decode(
        &world.engine.api,
        bytes,
        ty,
        &served.gvk(),
        FieldValidation::Warn,
        &mut notes.0,
        &mut notes.1,
    );
    lap("decode");
    let Ok(mut object) = read else { return spent };
    let rules = &served.strategy;
    rules.default(&mut object);
    lap("default");
    pintle_object::meta::dedup_owners(&mut object);
    lap("owners");
    let Ok(mut stored) = served.codec.to_storage(served, object.clone()) else {
        return spent;
    };
    lap("convert");
    let user = User { name: "u".into(), ..User::default() };
    let context = |subresource| Context { now_seconds: 0, subresource, has_labels: false, user: &user };
    let old = stored.clone();
    let mut errors = FieldErrors::new();
    rules.validate(&stored, &mut errors);
    let status = pintle_object::Status::invalid(&served.group_kind(), "x", errors);
    let _ = pintle_object::json::to_string(&status.to_value());
    lap("validate");
    rules.validate_update(&stored, &old, &mut FieldErrors::new());
    lap("update");
    rules.validate_status(&stored, &old, &mut FieldErrors::new());
    lap("status");
    rules.prepare_create(&mut stored, &context(""));
    rules.prepare_update(&mut stored, &old, &context(""));
    let mut stored = old.clone();
    rules.prepare_status(&mut stored, &old, &context("status"));
    lap("prepare");
    let mut warnings = Vec::new();
    rules.warnings(&stored, None, &mut warnings);
    rules.warnings(&stored, Some(&old), &mut warnings);
    lap("warnings");
    let mut out = Vec::new();
    world.engine.write_row(served, &object, STYLE, &mut out);
    lap("row");
    let _ = typed::compare(schema, ty, &Value::map(), &object);
    let _ = typed::compare(schema, ty, &object, &object);
    lap("compare");
    let Value::Map(map) = object.clone() else { return spent };
    let _ = strategic_merge(schema, ty, object.clone(), map);
    lap("merge");
    let (gvk, name) = (served.gvk(), "x");
    object.set(&["apiVersion"], gvk.group_version().to_string());
    object.set(&["kind"], gvk.kind.as_str());
    object.set(&["metadata", "name"], name);
    let applied = pintle_object::json::to_string(&object);
    let patch = Patch {
        kind: PatchKind::Apply,
        bytes: applied.as_bytes(),
        validation: FieldValidation::Ignore,
        force: true,
    };
    let _ = world.engine.patch(world.target_of(served, name), &patch, &mut world.context(true)).await;
    lap("apply");
    spent
}

/// Steps that take too long for their size, each with the times of the shorter and of the longer object.
async fn slow(world: &World, served: &ServedResource, place: &Place) -> Vec<String> {
    let mut found = Vec::new();
    for items in [Items::Empty, Items::Distinct, Items::Same] {
        if place.is_map && items != Items::Distinct {
            continue;
        }
        let (mut few, mut many) = (Vec::new(), Vec::new());
        for _ in 0..TRIES {
            least(
                &mut many,
                work(world, served, &document(&world.engine.api.schema, place, items, MANY)).await,
            );
            if many.iter().all(|(_, nanos)| *nanos < NANOS_MIN) {
                break;
            }
            least(
                &mut few,
                work(world, served, &document(&world.engine.api.schema, place, items, FEW)).await,
            );
            if !few.iter().zip(&many).any(is_slow) {
                break;
            }
        }
        for ((what, few), (_, many)) in few.iter().zip(&many).filter(|pair| is_slow(*pair)) {
            let ms = |nanos: u64| nanos / 1_000_000;
            found.push(format!("{} {items:?} {what}: {} ms, {} ms", place.name, ms(*few), ms(*many)));
        }
    }
    found
}

type Lap = (&'static str, u64);

fn is_slow(((_, few), (_, many)): (&Lap, &Lap)) -> bool {
    *many > NANOS_MIN && *many > few * RATIO_MAX
}

fn least(laps: &mut Vec<Lap>, others: Vec<Lap>) {
    if laps.is_empty() {
        *laps = others;
        return;
    }
    for (lap, other) in laps.iter_mut().zip(others) {
        lap.1 = lap.1.min(other.1);
    }
}

#[tokio::test]
async fn no_field_takes_longer_than_its_size() {
    let world = World::new();
    let schema = &world.engine.api.schema;
    let first = std::env::var(FIRST).map_or(Some(0), |text| text.parse::<usize>().ok());
    let (mut known, mut found, mut count) = (HashSet::new(), Vec::new(), 0);
    for served in world.engine.table().served() {
        let mut all = Vec::new();
        places(schema, served.resource.ty, (&served.resource.kind, "", ""), 0, &mut known, &mut all);
        for place in &all {
            let is_turn = first.is_none_or(|first| count % STRIDE == first % STRIDE);
            count += 1;
            if is_turn || ONCE_SLOW.contains(&place.name.as_str()) {
                found.extend(slow(&world, served, place).await);
            }
        }
    }
    assert!(count > STRIDE, "there are fewer lists and maps than are passed over: {count}");
    assert!(found.is_empty(), "{} grow faster than their size:\n{}", found.len(), found.join("\n"));
}
