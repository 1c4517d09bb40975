//! Decoding and encoding of one realistic pod, in bytes of its JSON (or protobuf) per second.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pintle_object::{GroupVersionKind, json, yaml};
use pintle_schema::{builtin, decode, defaults, encode};
use std::hint::black_box;

fn codec(criterion: &mut Criterion) {
    let api = builtin();
    let ty = api.kind(&GroupVersionKind::new("", "v1", "Pod")).expect("Pod is built in");
    let document = pintle_bench::pod();
    let tree = decode::json::decode(&api.schema, ty, &document).expect("the pod is valid").value;
    let mut message = Vec::new();
    encode::protobuf::encode(&api.schema, ty, &tree, &mut message);
    let stored = encode::protobuf::envelope("v1", "Pod", &message);
    let text = yaml::to_string(&tree);

    let mut group = criterion.benchmark_group("pod");
    group.throughput(Throughput::Bytes(document.len() as u64));
    group.bench_function("json/check", |b| b.iter(|| json::read::check(black_box(&document))));
    group.bench_function("json/parse untyped", |b| b.iter(|| json::parse(black_box(&document))));
    group.bench_function("json/decode", |b| {
        b.iter(|| decode::json::decode(&api.schema, ty, black_box(&document)));
    });
    group.bench_function("json/encode", |b| {
        let mut out = Vec::with_capacity(document.len() * 2);
        b.iter(|| {
            out.clear();
            encode::json::encode(&api.schema, ty, black_box(&tree), &mut out);
        });
    });
    group.bench_function("normalise", |b| {
        b.iter(|| decode::json::normalise(&api.schema, ty, black_box(&tree)));
    });
    group.bench_function("defaults", |b| {
        let mut tree = tree.clone();
        b.iter(|| defaults::apply(&api.schema, ty, black_box(&mut tree)));
    });
    group.bench_function("clone", |b| b.iter(|| black_box(&tree).clone()));
    group.throughput(Throughput::Bytes(message.len() as u64));
    group.bench_function("protobuf/decode", |b| {
        b.iter(|| decode::protobuf::decode(&api.schema, ty, black_box(&message)));
    });
    group.bench_function("protobuf/encode", |b| {
        let mut out = Vec::with_capacity(message.len() * 2);
        b.iter(|| {
            out.clear();
            encode::protobuf::encode(&api.schema, ty, black_box(&tree), &mut out);
        });
    });
    group.bench_function("protobuf/to json", |b| {
        let mut out = Vec::with_capacity(document.len() * 2);
        b.iter(|| {
            out.clear();
            encode::transcode::json(&api.schema, ty, black_box(&message), "918273645", &mut out)
        });
    });
    group.bench_function("protobuf/splice", |b| {
        b.iter(|| encode::splice::with_resource_version(black_box(&stored), "918273645"));
    });
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("yaml/parse", |b| b.iter(|| yaml::parse(black_box(text.as_bytes()))));
    group.bench_function("yaml/write", |b| b.iter(|| yaml::to_string(black_box(&tree))));
    group.finish();
    criterion.bench_function("builtin", |b| b.iter(builtin));
}

criterion_group!(benches, codec);
criterion_main!(benches);
