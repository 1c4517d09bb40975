//! Tables of a small API: one kind with its list, an embedded struct, a resource with a subresource.

use super::*;
use crate::codegen::openapi::OPTIONAL;
use serde_json::{Value, json};

const GO: &str = r#"
package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

const GroupName = "sample.k8s.io"

type Widget struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`
	// The size of the widget, and more.
	Spec WidgetSpec `json:"spec,omitempty" protobuf:"bytes,2,opt,name=spec"`
}

type WidgetSpec struct {
	Size *int32 `json:"size,omitempty" protobuf:"varint,1,opt,name=size"`
	Policy PolicyType `json:"policy" protobuf:"bytes,2,opt,name=policy,casttype=PolicyType"`
	Parts []Part `json:"parts,omitempty" patchStrategy:"merge" patchMergeKey:"name" protobuf:"bytes,3,rep,name=parts"`
	Source `json:",inline" protobuf:"bytes,4,opt,name=source"`
}

type Source struct {
	Path string `json:"path,omitempty" protobuf:"bytes,1,opt,name=path"`
}
"#;

/// A type of a version that is off by default.
const MARKED: &str = r#"
type Offer struct {
	// +required
	// +listType=set
	Names []string `json:"names" protobuf:"bytes,1,rep,name=names"`
}
"#;

fn messages() -> Value {
    json!({
        "k8s.io.api.sample.v1.Widget": {
            "metadata": {"n": 1, "t": "k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
            "spec": {"n": 2, "t": "WidgetSpec"}
        },
        "k8s.io.api.sample.v1.WidgetSpec": {
            "size": {"n": 1, "t": "int32"},
            "policy": {"n": 2, "t": "string"},
            "parts": {"n": 3, "t": "Part", "rep": true},
            "source": {"n": 4, "t": "Source"}
        },
        "k8s.io.api.sample.v1.Source": {"path": {"n": 1, "t": "string"}},
        "k8s.io.api.networking.v1beta1.Offer": {"names": {"n": 1, "t": "string", "rep": true}},
        "k8s.io.apimachinery.pkg.apis.meta.v1.Time": {"seconds": {"n": 1, "t": "int64"}},
        "k8s.io.metrics.pkg.apis.metrics.v1.NodeMetrics": {"window": {"n": 1, "t": "string"}}
    })
}

fn schemas() -> Value {
    json!({"components": {"schemas": {
        "io.k8s.api.sample.v1.Widget": {
            "x-kubernetes-group-version-kind": [{"group": "sample.k8s.io", "kind": "Widget", "version": "v1"}],
            "properties": {"metadata": {"default": {}}, "spec": {"default": {}}}
        },
        "io.k8s.api.sample.v1.WidgetSpec": {
            "required": ["policy"],
            "properties": {
                "size": {"type": "integer", "default": 3},
                "policy": {"type": "string", "default": "", "enum": ["Keep", "Throw"]},
                "parts": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "x-kubernetes-patch-strategy": "merge"
                },
                "path": {"type": "string", "default": ""}
            },
            "x-kubernetes-unions": [{"discriminator": "policy", "fields-to-discriminateBy": {"path": "Path"}}]
        }
    }}})
}

fn discovery() -> Value {
    json!({"items": [{"metadata": {"name": "sample.k8s.io"}, "versions": [{"version": "v1", "resources": [{
        "resource": "widgets",
        "responseKind": {"group": "", "kind": "Widget", "version": ""},
        "scope": "Namespaced",
        "singularResource": "widget",
        "verbs": ["create", "get"],
        "shortNames": ["wd"],
        "categories": ["all"],
        "subresources": [{
            "subresource": "scale",
            "responseKind": {"group": "autoscaling", "kind": "Scale", "version": "v1"},
            "verbs": ["get", "update"]
        }]
    }]}]}]})
}

fn openapi_v2() -> Value {
    json!({"paths": {"/apis/sample.k8s.io/v1/namespaces/{namespace}/widgets/{name}": {"delete": {
        "x-kubernetes-action": "delete",
        "x-kubernetes-group-version-kind": {"group": "sample.k8s.io", "kind": "Widget", "version": "v1"},
        "responses": {"200": {"schema": {"$ref": "#/definitions/io.k8s.api.sample.v1.Widget"}}}
    }}}})
}

fn lay_out(root: &Path) {
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("reference/v3/sample.json", &schemas().to_string());
    write("reference/openapi-v2.json", &openapi_v2().to_string());
    write("reference/aggregated-api.json", &json!({"items": []}).to_string());
    write("reference/aggregated-apis.json", &discovery().to_string());
    write("protobuf.json", &messages().to_string());
    write("go/api/sample/v1/types.go", GO);
    for package in OPTIONAL {
        write(&format!("go/api/{package}/types.go"), MARKED);
    }
}

fn generated() -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path());
    let path = |name: &str| dir.path().join(name);
    generate(&path("reference"), &path("protobuf.json"), &path("go")).unwrap()
}

#[test]
fn types_become_one_table_for_each_package() {
    let made = generated();
    let names: Vec<&str> = made.keys().map(String::as_str).collect();
    let expected = [
        "openapi.txt",
        "resources.txt",
        "types/meta_v1.txt",
        "types/networking_v1beta1.txt",
        "types/sample_v1.txt",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        made["types/sample_v1.txt"],
        "package k8s.io.api.sample.v1

type Widget kind=sample.k8s.io/v1
  kind 0 string nonzero
  apiVersion 0 string nonzero
  metadata 1 k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta always
  spec 2 WidgetSpec always

type WidgetSpec
  size 1 int32 set pointer default=3
  policy 2 string always required enum=Keep|Throw go=v1.PolicyType
  parts 3 []Part nonzero list=map:name patch=merge:name
  path 4.1 string nonzero in=Source

type Source
  path 1 string nonzero
"
    );
    assert_eq!(
        made["types/meta_v1.txt"],
        "package k8s.io.apimachinery.pkg.apis.meta.v1\n\ntype Time as=time\n"
    );
}

#[test]
fn markers_stand_in_for_documents_of_versions_that_are_off() {
    let expected =
        "package k8s.io.api.networking.v1beta1\n\ntype Offer\n  names 1 []string always required list=set\n";
    assert_eq!(generated()["types/networking_v1beta1.txt"], expected);
}

#[test]
fn resources_are_told_with_their_subresources() {
    assert_eq!(
        generated()["resources.txt"],
        "
resource sample.k8s.io/v1 widgets
  kind sample.k8s.io/v1/Widget
  singular widget
  namespaced
  verbs create get
  short wd
  categories all
  sub scale autoscaling/v1/Scale get update
"
    );
}

#[test]
fn documents_tell_what_no_table_leads_to() {
    let made = generated();
    let facts: Vec<&str> = made["openapi.txt"].lines().filter(|line| !line.starts_with('#')).collect();
    let expected = [
        "",
        "k8s.io.api.sample.v1.WidgetSpec path default \"\"",
        "k8s.io.api.sample.v1.WidgetSpec union policy path=Path",
        "delete sample.k8s.io/v1 widgets",
    ];
    assert_eq!(facts, expected);
}

#[test]
fn input_that_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path());
    let path = |name: &str| dir.path().join(name);
    for missing in ["reference/openapi-v2.json", "reference/aggregated-apis.json", "protobuf.json"] {
        let text = fs::read_to_string(path(missing)).unwrap();
        fs::remove_file(path(missing)).unwrap();
        let error = generate(&path("reference"), &path("protobuf.json"), &path("go")).unwrap_err();
        assert!(error.starts_with(&path(missing).display().to_string()), "{error}");
        fs::write(path(missing), text).unwrap();
    }
    let error = generate(&path("reference"), &path("protobuf.json"), &path("nothing")).unwrap_err();
    assert!(error.starts_with("no Go types under "), "{error}");
}
