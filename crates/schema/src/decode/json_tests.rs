//! Values of documents, and errors of wrong ones.

use super::*;
use crate::builtin::{Builtin, builtin};
use pintle_object::GroupVersionKind;

fn decode_as(api: &Builtin, group: &str, kind: &str, document: &str) -> Result<Decoded, DecodeError> {
    let ty = api.kind(&GroupVersionKind::new(group, "v1", kind)).unwrap();
    decode(&api.schema, ty, document.as_bytes())
}

#[test]
fn type_errors_read_as_gos() {
    let api = builtin();
    let cases = [
        ("", "ConfigMap", r#"[]"#, "array into Go value of type v1.ConfigMap"),
        (
            "",
            "ConfigMap",
            r#"{"data":5}"#,
            "number into Go struct field ConfigMap.data of type map[string]string",
        ),
        ("", "ConfigMap", r#"{"data":{"a":5}}"#, "number into Go struct field ConfigMap.data of type string"),
        (
            "",
            "ConfigMap",
            r#"{"metadata":{"uid":true}}"#,
            "bool into Go struct field ObjectMeta.metadata.uid of type types.UID",
        ),
        ("", "Pod", r#"{"spec":[]}"#, "array into Go struct field Pod.spec of type v1.PodSpec"),
        (
            "",
            "Pod",
            r#"{"spec":{"containers":{}}}"#,
            "object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            "",
            "Pod",
            r#"{"spec":{"containers":["a"]}}"#,
            "string into Go struct field PodSpec.spec.containers of type v1.Container",
        ),
        (
            "",
            "Pod",
            r#"{"spec":{"volumes":[{"emptyDir":1}]}}"#,
            "number into Go struct field Volume.spec.volumes.VolumeSource.emptyDir of type v1.EmptyDirVolumeSource",
        ),
        (
            "",
            "Service",
            r#"{"spec":{"ports":[{"port":2147483648}]}}"#,
            "number 2147483648 into Go struct field ServicePort.spec.ports.port of type int32",
        ),
        (
            "",
            "Service",
            r#"{"spec":{"ports":[{"targetPort":1.5}]}}"#,
            "number 1.5 into Go struct field ServicePort.spec.ports.targetPort of type int32",
        ),
        (
            "",
            "Secret",
            r#"{"metadata":{"creationTimestamp":5}}"#,
            "number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
        ),
        (
            "resource.k8s.io",
            "ResourceSlice",
            r#"{"spec":{"devices":[{"capacity":[]}]}}"#,
            "array into Go struct field Device.spec.devices.capacity of type map[v1.QualifiedName]v1.DeviceCapacity",
        ),
        (
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            r#"{"spec":{"versions":[{"schema":{"openAPIV3Schema":{"items":{"properties":{"a":5}}}}}]}}"#,
            "number into Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema.items.properties of type v1.JSONSchemaProps",
        ),
    ];
    for (group, kind, document, expected) in cases {
        let error = decode_as(&api, group, kind, document).unwrap_err();
        assert_eq!(error.0, format!("json: cannot unmarshal {expected}"), "{document}");
    }
}

#[test]
fn an_error_of_a_type_that_decodes_itself_comes_first() {
    let api = builtin();
    let number = "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string";
    let quantity =
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    let cases = [
        (r#"{"metadata":{"name":1},"spec":{"nodeName":2}}"#, number),
        (r#"{"metadata":{"name":1},"spec":{"overhead":{"cpu":"x"}}}"#, quantity),
        (r#"{"spec":{"overhead":{"cpu":{}}},"metadata":{"creationTimestamp":"x"}}"#, quantity),
    ];
    for (document, expected) in cases {
        assert_eq!(decode_as(&api, "", "Pod", document).unwrap_err().0, expected, "{document}");
    }
}

#[test]
fn strict_faults_are_named_in_order_and_once() {
    let api = builtin();
    let cases: [(&str, &[&str]); 5] = [
        (
            r#"{"foo":1,"metadata":{"bar":{}}}"#,
            &[r#"unknown field "foo""#, r#"unknown field "metadata.bar""#],
        ),
        (r#"{"Data":{}}"#, &[r#"unknown field "Data""#]),
        (r#"{"data":{"a":"1","a":"2","a":"3"}}"#, &[r#"duplicate field "data.a""#]),
        (
            r#"{"metadata":{"ownerReferences":[{},{"x":1}]}}"#,
            &[r#"unknown field "metadata.ownerReferences[1].x""#],
        ),
        (r#"{"kind":"a","kind":"b","a\"b":1}"#, &[r#"duplicate field "kind""#, r#"unknown field "a\"b""#]),
    ];
    for (document, expected) in cases {
        assert_eq!(decode_as(&api, "", "ConfigMap", document).unwrap().strict, expected, "{document}");
    }
    let many: String = (0..200).map(|index| format!(r#""x{index}":1,"#)).collect();
    let decoded = decode_as(&api, "", "ConfigMap", &format!(r#"{{{many}"kind":""}}"#)).unwrap();
    assert_eq!(decoded.strict.len(), pintle_object::strict::STRICT_ERRORS_MAX);
}

#[test]
fn documents_become_canonical() {
    let api = builtin();
    let cases = [
        ("ConfigMap", r#"{"data":null,"immutable":null}"#, r#"{"metadata":{}}"#),
        (
            "ConfigMap",
            r#"{"data":{"a":null},"immutable":false}"#,
            r#"{"data":{"a":""},"immutable":false,"metadata":{}}"#,
        ),
        (
            "ConfigMap",
            r#"{"metadata":{"labels":{"a":"1"}},"metadata":{"labels":{"b":"2"}}}"#,
            r#"{"metadata":{"labels":{"a":"1","b":"2"}}}"#,
        ),
        ("ConfigMap", r#"{"metadata":{"creationTimestamp":"0001-01-01T00:00:00Z"}}"#, r#"{"metadata":{}}"#),
        ("ConfigMap", r#"{"metadata":{"labels":{},"name":"","generation":0}}"#, r#"{"metadata":{}}"#),
        ("ConfigMap", r#"{"binaryData":{"a":"AQ\u003d="}}"#, r#"{"binaryData":{"a":"AQ=="},"metadata":{}}"#),
        (
            "LimitRange",
            r#"{"spec":{"limits":[{"type":"x","max":{"cpu":0.5,"memory":" 1024Mi "}}]}}"#,
            r#"{"metadata":{},"spec":{"limits":[{"max":{"cpu":"500m","memory":"1Gi"},"type":"x"}]}}"#,
        ),
        ("LimitRange", r#"{}"#, r#"{"metadata":{},"spec":{"limits":null}}"#),
    ];
    for (kind, document, expected) in cases {
        let decoded = decode_as(&api, "", kind, document).unwrap();
        assert_eq!(json::to_string(&decoded.value), expected, "{document}");
    }
}
