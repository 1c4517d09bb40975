//! The fields of claims and their parts, in the order of upstream's error texts.

use crate::validation::internal::{Form, Shape};

use Form::{Int, List, Nullable, Pointer, Struct, Text};

pub const CLAIM_SPEC: Shape = &[("Devices", "devices", Struct(DEVICES))];

pub const ALLOCATION: Shape = &[
    (
        "Devices",
        "devices",
        Struct(&[("Results", "results", List(RESULT)), ("Config", "config", List(ALLOCATED_CONFIG))]),
    ),
    ("NodeSelector", "nodeSelector", Pointer(NODE_SELECTOR)),
    ("AllocationTimestamp", "allocationTimestamp", Nullable),
];

pub const DEVICE_ID: Shape = &[
    ("Driver", "driver", Text),
    ("Pool", "pool", Text),
    ("Device", "device", Text),
    ("ShareID", "shareID", Text),
];

pub const ATTRIBUTE: Shape = &[
    ("IntValue", "int", Nullable),
    ("BoolValue", "bool", Nullable),
    ("StringValue", "string", Nullable),
    ("VersionValue", "version", Nullable),
    ("IntValues", "ints", Nullable),
    ("BoolValues", "bools", Nullable),
    ("StringValues", "strings", Nullable),
    ("VersionValues", "versions", Nullable),
];

/// A selector of nodes; its terms are all that it holds.
const NODE_SELECTOR: Shape = &[("NodeSelectorTerms", "nodeSelectorTerms", List(NODE_TERM))];
const NODE_TERM: Shape = &[
    ("MatchExpressions", "matchExpressions", List(NODE_REQUIREMENT)),
    ("MatchFields", "matchFields", List(NODE_REQUIREMENT)),
];
const NODE_REQUIREMENT: Shape =
    &[("Key", "key", Text), ("Operator", "operator", Text), ("Values", "values", Nullable)];

const DEVICES: Shape = &[
    ("Requests", "requests", List(REQUEST)),
    ("Constraints", "constraints", List(CONSTRAINT)),
    ("Config", "config", List(CONFIG)),
];
const REQUEST: Shape = &[
    ("Name", "name", Text),
    ("Exactly", "exactly", Pointer(EXACTLY)),
    ("FirstAvailable", "firstAvailable", List(ALTERNATIVE)),
];
const SELECTOR: Shape = &[("CEL", "cel", Pointer(&[("Expression", "expression", Text)]))];
const CAPACITY: Shape = &[("Requests", "requests", Nullable)];
const EXACTLY: Shape = &[
    ("DeviceClassName", "deviceClassName", Text),
    ("Selectors", "selectors", List(SELECTOR)),
    ("AllocationMode", "allocationMode", Text),
    ("Count", "count", Int),
    ("AdminAccess", "adminAccess", Nullable),
    ("Tolerations", "tolerations", List(TOLERATION)),
    ("Capacity", "capacity", Pointer(CAPACITY)),
];
const ALTERNATIVE: Shape = &[
    ("Name", "name", Text),
    ("DeviceClassName", "deviceClassName", Text),
    ("Selectors", "selectors", List(SELECTOR)),
    ("AllocationMode", "allocationMode", Text),
    ("Count", "count", Int),
    ("Tolerations", "tolerations", List(TOLERATION)),
    ("Capacity", "capacity", Pointer(CAPACITY)),
];
const TOLERATION: Shape = &[
    ("Key", "key", Text),
    ("Operator", "operator", Text),
    ("Value", "value", Text),
    ("Effect", "effect", Text),
    ("TolerationSeconds", "tolerationSeconds", Nullable),
];
const CONSTRAINT: Shape = &[
    ("Requests", "requests", Nullable),
    ("MatchAttribute", "matchAttribute", Nullable),
    ("DistinctAttribute", "distinctAttribute", Nullable),
];
const OPAQUE: Shape = &[("Driver", "driver", Text), ("Parameters", "parameters", Nullable)];
const CONFIG: Shape = &[("Requests", "requests", Nullable), ("Opaque", "opaque", Pointer(OPAQUE))];
const ALLOCATED_CONFIG: Shape =
    &[("Source", "source", Text), ("Requests", "requests", Nullable), ("Opaque", "opaque", Pointer(OPAQUE))];
const RESULT: Shape = &[
    ("Request", "request", Text),
    ("Driver", "driver", Text),
    ("Pool", "pool", Text),
    ("Device", "device", Text),
    ("AdminAccess", "adminAccess", Nullable),
    ("Tolerations", "tolerations", List(TOLERATION)),
    ("BindingConditions", "bindingConditions", Nullable),
    ("BindingFailureConditions", "bindingFailureConditions", Nullable),
    ("ShareID", "shareID", Nullable),
    ("ConsumedCapacity", "consumedCapacity", Nullable),
];
