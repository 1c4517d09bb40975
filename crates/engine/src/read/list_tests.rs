//! Lists in all their forms: the pieces of each make up the whole.

use crate::request::options::ListOptions;
use crate::tests::World;
use crate::{Include, ListForm, ListView, Listing, PIECE_BYTES, Selection, TableStyle};
use bytes::Bytes;
use pintle_object::Format;
use pintle_object::Query;
use pintle_object::{Value, json, yaml};
use pintle_schema::decode;

impl World {
    async fn listing(&self, plural: &str) -> Listing {
        let options = ListOptions::read(&Query::default()).unwrap();
        let served = self.served(plural);
        let selection = Selection::compile(served, &options, "").unwrap();
        self.engine.list(served, "ns", &options, &selection).await.unwrap()
    }

    async fn joined(&self, plural: &str, format: Format, view: ListView) -> (Vec<Bytes>, Option<usize>) {
        let served = self.engine.find("", "v1", plural).unwrap();
        let form = ListForm { format, view, version: "v1" };
        let pieces = self.engine.list_stream(served, self.listing(plural).await, form).await.unwrap();
        let len = pieces.total_bytes();
        (pieces.map(|piece| piece.unwrap()).collect(), len)
    }

    /// A form of a list as a tree.
    async fn as_tree(&self, plural: &str, format: Format, view: ListView) -> Value {
        let (pieces, len) = self.joined(plural, format, view).await;
        let document = pieces.concat();
        assert!(len.is_none_or(|len| len == document.len()));
        match format {
            Format::Json => json::parse(&document).unwrap(),
            Format::Yaml => {
                let tree = yaml::parse(&document).unwrap().value;
                assert_eq!(yaml::to_string(&tree).as_bytes(), document);
                tree
            }
            Format::Protobuf => {
                let envelope = decode::protobuf::envelope(&document).unwrap();
                let ty = match view {
                    ListView::Partial => self.engine.meta_type(envelope.kind),
                    _ => self.served_list(plural),
                };
                let mut tree = decode::protobuf::decode(&self.engine.api.schema, ty, envelope.raw).unwrap();
                tree.set(&["kind"], envelope.kind);
                tree.set(&["apiVersion"], envelope.api_version);
                let text = self.engine.tree_json(ty, &tree);
                json::parse(&text).unwrap()
            }
        }
    }

    fn served_list(&self, plural: &str) -> pintle_schema::TypeId {
        let mut kind = self.served(plural).gvk();
        kind.kind = self.served(plural).resource.list_kind.to_string().into();
        self.engine.api.kind(&kind).unwrap()
    }
}

fn style() -> TableStyle {
    TableStyle { include: Include::Metadata, has_columns: true, now_seconds: 1_000 }
}

const VIEWS: [(ListView, usize); 3] = [
    (ListView::Object, 300),
    (ListView::Partial, 300),
    (ListView::Table(TableStyle { include: Include::Object, has_columns: true, now_seconds: 1_000 }), 300),
];

#[tokio::test]
async fn a_long_list_is_the_same_in_every_form() {
    let world = World::new();
    let text = "text \\\"<\\u00e9".repeat(100);
    for n in 0..300 {
        let document = format!(
            r#"{{"metadata":{{"name":"m-{n:03}","labels":{{"n":"{n}"}},"annotations":{{"a":"{text}"}}}},"data":{{"k":"{text}"}}}}"#
        );
        world.create("configmaps", &document).await.unwrap();
    }
    for (view, count) in VIEWS {
        let (pieces, _) = world.joined("configmaps", Format::Json, view).await;
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.len() < PIECE_BYTES + 20_000));
        let list = world.as_tree("configmaps", Format::Json, view).await;
        let items = if matches!(view, ListView::Table(_)) { "rows" } else { "items" };
        assert_eq!(list.list_at(&[items]).len(), count);
        assert_eq!(world.as_tree("configmaps", Format::Yaml, view).await, list);
        if items == "items" {
            // Items of lists in protobuf have no kind.
            let mut bare = list;
            for item in bare.get_mut("items").and_then(Value::as_list_mut).into_iter().flatten() {
                item.remove(&["kind"]);
                item.remove(&["apiVersion"]);
            }
            assert_eq!(world.as_tree("configmaps", Format::Protobuf, view).await, bare);
        }
    }
}

#[tokio::test]
async fn parts_of_a_list_are_those_of_its_objects() {
    let world = World::new();
    for n in 0..3 {
        let document =
            format!(r#"{{"metadata":{{"name":"m-{n}","labels":{{"n":"{n}"}}}},"data":{{"k":"v"}}}}"#);
        world.create("configmaps", &document).await.unwrap();
    }
    let served = world.served("configmaps");
    let objects = world.listing("configmaps").await.items;
    let trees: Vec<Value> = objects.iter().map(|object| world.engine.tree(served, object).unwrap()).collect();
    let whole = world.as_tree("configmaps", Format::Json, ListView::Object).await;
    let partial = world.as_tree("configmaps", Format::Json, ListView::Partial).await;
    let table = world.as_tree("configmaps", Format::Json, ListView::Table(style())).await;
    for (place, tree) in trees.iter().enumerate() {
        let mut bare = tree.clone();
        bare.remove(&["kind"]);
        bare.remove(&["apiVersion"]);
        let of_tree = |ty, tree: &Value| json::parse(&world.engine.tree_json(ty, tree)).unwrap();
        assert_eq!(whole.list_at(&["items"])[place], of_tree(served.resource.ty, &bare));
        let ty = world.engine.meta_type("PartialObjectMetadata");
        let expected = of_tree(ty, &world.engine.partial(served, tree));
        assert_eq!(partial.list_at(&["items"])[place], expected);
        let single = json::parse(&world.engine.object_table(served, tree, style())).unwrap();
        assert_eq!(table.list_at(&["rows"])[place], single.list_at(&["rows"])[0]);
    }
}

#[tokio::test]
async fn lists_of_nothing_say_so() {
    let world = World::new();
    for (view, expected) in [
        (
            ListView::Object,
            r#"{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}"#,
        ),
        (
            ListView::Partial,
            r#"{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"1"},"items":null}"#,
        ),
    ] {
        let (pieces, _) = world.joined("configmaps", Format::Json, view).await;
        assert_eq!(pieces.concat(), format!("{expected}\n").as_bytes());
        let yaml = world.as_tree("configmaps", Format::Yaml, view).await;
        assert_eq!(yaml, json::parse(expected.as_bytes()).unwrap());
    }
}

#[tokio::test]
async fn digests_are_read_from_stored_bytes_as_from_trees() {
    let world = World::new();
    let containers = r#""containers":[{"name":"c","image":"i","terminationMessagePolicy":"File","imagePullPolicy":"Always"}]"#;
    for (plural, document) in [
        ("configmaps", String::from(r#"{"metadata":{"name":"a","labels":{"x":"y","b":"c"}}}"#)),
        ("secrets", String::from(r#"{"metadata":{"name":"a"},"type":"t"}"#)),
        ("nodes", String::from(r#"{"metadata":{"name":"a"},"spec":{"unschedulable":true}}"#)),
        ("namespaces", String::from(r#"{"metadata":{"name":"a"}}"#)),
        (
            "pods",
            format!(
                r#"{{"metadata":{{"name":"a"}},"spec":{{"nodeName":"n","hostNetwork":true,{containers}}}}}"#
            ),
        ),
        (
            "events",
            String::from(
                r#"{"metadata":{"name":"a"},"involvedObject":{"kind":"Pod","namespace":"ns","name":"p"},
                    "reason":"r","source":{"component":"c"},"type":"Normal"}"#,
            ),
        ),
    ] {
        world.create(plural, &document).await.unwrap();
        let served = world.served(plural);
        let found = world.engine.store.snapshot(served.collection().unwrap());
        let object = found.range("/registry/", None).next().unwrap();
        let attrs = served.codec.attrs(served, &object.value).unwrap();
        assert_eq!(attrs, object.attrs, "{plural}");
    }
}
