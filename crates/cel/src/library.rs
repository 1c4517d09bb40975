//! Operators and functions.

use crate::types::Type;

use Type::{Bool, Bytes, Double, Duration, Int, Text, Timestamp, Uint};

const ORDERED: [Type; 8] = [Bool, Int, Uint, Double, Text, Bytes, Timestamp, Duration];
const NUMBERS: [Type; 3] = [Int, Uint, Double];

/// Functions whose types are not modelled, of upstream's libraries; the dotted ones have no target.
const NAMES: &[&str] = &[
    "abs",
    "add",
    "adminNetworkPolicy",
    "all",
    "allowed",
    "any",
    "asApproximateFloat",
    "asInteger",
    "bool",
    "bytes",
    "charAt",
    "check",
    "cidr",
    "compareTo",
    "containsCIDR",
    "containsIP",
    "dayOfMonth",
    "distinct",
    "double",
    "duration",
    "dyn",
    "errored",
    "error",
    "family",
    "fieldSelector",
    "find",
    "findAll",
    "first",
    "flatten",
    "format",
    "format.dns1123Label",
    "format.dns1123Subdomain",
    "format.dns1035Label",
    "format.qualifiedName",
    "format.dns1123LabelPrefix",
    "format.dns1123SubdomainPrefix",
    "format.dns1035LabelPrefix",
    "format.labelValue",
    "format.uri",
    "format.uuid",
    "format.byte",
    "format.date",
    "format.datetime",
    "format.named",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getEscapedPath",
    "getFullYear",
    "getHost",
    "getHostname",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getPort",
    "getQuery",
    "getScheme",
    "getSeconds",
    "group",
    "hasValue",
    "indexOf",
    "int",
    "ip",
    "ip.isCanonical",
    "isCIDR",
    "isCanonical",
    "isGlobalUnicast",
    "isGreaterThan",
    "isIP",
    "isInteger",
    "isLessThan",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isLoopback",
    "isQuantity",
    "isSemver",
    "isSorted",
    "isURL",
    "isUnspecified",
    "join",
    "jsonpatch.escapeKey",
    "labelSelector",
    "last",
    "lastIndexOf",
    "lists.range",
    "lowerAscii",
    "major",
    "masked",
    "max",
    "min",
    "minor",
    "name",
    "namespace",
    "now",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "or",
    "orValue",
    "patch",
    "path",
    "prefixLength",
    "quantity",
    "quote",
    "reason",
    "replace",
    "reverse",
    "resource",
    "semver",
    "serviceAccount",
    "sets.contains",
    "sets.equivalent",
    "sets.intersects",
    "sign",
    "slice",
    "sort",
    "sortBy",
    "split",
    "string",
    "strings.quote",
    "sub",
    "subresource",
    "substring",
    "sum",
    "timestamp",
    "trim",
    "type",
    "uint",
    "unwrap",
    "unwrapOpt",
    "upperAscii",
    "url",
    "validate",
    "value",
    "ip.family",
    "cidr.ip",
    "math.greatest",
    "math.least",
    "math.abs",
    "math.ceil",
    "math.floor",
    "math.round",
    "math.sign",
    "base64.encode",
    "base64.decode",
    "contains",
];
const NAMES_TOO: &[&str] = &["startsWith", "endsWith", "matches", "size"];

/// Whether a function of this name is known.
pub fn is_known(name: &str) -> bool {
    NAMES.contains(&name) || NAMES_TOO.contains(&name)
}

/// The result of a function whose arguments are not looked at.
pub fn result(function: &str, arguments: &[Type]) -> Type {
    match function {
        "string" | "lowerAscii" | "upperAscii" | "trim" | "replace" | "substring" | "charAt" | "join"
        | "quote" | "strings.quote" | "find" | "getHost" | "getHostname" | "getPort" | "getScheme"
        | "getEscapedPath" | "format" => Text,
        "int" | "indexOf" | "lastIndexOf" | "compareTo" | "size" | "asInteger" => Int,
        "uint" => Uint,
        "double" | "asApproximateFloat" => Double,
        "bytes" => Bytes,
        "timestamp" => Timestamp,
        "duration" => Duration,
        "dyn" => Type::Dyn,
        "bool" | "contains" | "startsWith" | "endsWith" | "matches" | "allowed" | "hasValue"
        | "isQuantity" | "isIP" | "isCIDR" | "isURL" | "isSemver" | "isGreaterThan" | "isLessThan"
        | "isSorted" | "sets.contains" | "sets.equivalent" | "sets.intersects" | "ip.isCanonical"
        | "errored" => Bool,
        "quantity" => Type::Opaque("kubernetes.Quantity"),
        "semver" => Type::Opaque("kubernetes.Semver"),
        "url" => Type::Opaque("kubernetes.URL"),
        "split" | "findAll" => Type::list(Text),
        "sort" | "reverse" | "distinct" => match arguments.first() {
            Some(list @ Type::List(_)) => list.clone(),
            _ => Type::Unknown,
        },
        _ => Type::Unknown,
    }
}

/// The result of an operator, if it applies to these.
pub fn operator(function: &str, of: &[Type]) -> Option<Type> {
    let fits =
        |wanted: &[Type]| wanted.len() == of.len() && wanted.iter().zip(of).all(|(a, b)| a.goes_with(b));
    let joined = |results: Vec<Type>| {
        let mut results = results.into_iter();
        let first = results.next()?;
        let is_unknown = of.contains(&Type::Unknown);
        let mixed = if is_unknown { Type::Unknown } else { Type::Dyn };
        Some(if results.all(|other| other == first) { first } else { mixed })
    };
    let same = |kinds: &[Type]| -> Vec<Type> {
        kinds.iter().filter(|kind| fits(&vec![(*kind).clone(); of.len()])).cloned().collect()
    };
    match (function, of) {
        ("_==_" | "_!=_", [a, b]) => a.goes_with(b).then_some(Bool),
        ("_<_" | "_<=_" | "_>_" | "_>=_", [a, b]) => {
            let is_number = |of: &Type| NUMBERS.iter().any(|number| number.goes_with(of));
            (!same(&ORDERED).is_empty() || (is_number(a) && is_number(b))).then_some(Bool)
        }
        ("_&&_" | "_||_" | "!_", _) => of.iter().all(|one| Bool.goes_with(one)).then_some(Bool),
        ("_?_:_", [condition, a, b]) => (Bool.goes_with(condition) && a.goes_with(b)).then(|| a.joined(b)),
        ("_+_", [a, b]) => {
            let mut results = same(&[Int, Uint, Double, Text, Bytes, Duration]);
            if fits(&[Timestamp, Duration]) || fits(&[Duration, Timestamp]) {
                results.push(Timestamp);
            }
            match (a, b) {
                (Type::List(_), Type::List(_)) if a.goes_with(b) => results.push(a.joined(b)),
                (list @ Type::List(_), _) | (_, list @ Type::List(_)) if a.is_loose() || b.is_loose() => {
                    results.push(list.clone());
                }
                _ if a.is_loose() && b.is_loose() => results.push(Type::list(Type::Dyn)),
                _ => {}
            }
            joined(results)
        }
        ("_-_", _) => {
            let mut results = same(&[Int, Uint, Double, Duration]);
            if fits(&[Timestamp, Timestamp]) {
                results.push(Duration);
            }
            if fits(&[Timestamp, Duration]) {
                results.push(Timestamp);
            }
            joined(results)
        }
        ("_*_" | "_/_", _) => joined(same(&NUMBERS)),
        ("_%_", _) => joined(same(&[Int, Uint])),
        ("-_", _) => joined(same(&[Int, Double])),
        ("@in", [a, within]) => match within {
            Type::List(of) | Type::Map(of, _) => a.goes_with(of).then_some(Bool),
            of => of.is_loose().then_some(Bool),
        },
        ("_[_]", [of, index]) => match of {
            Type::List(of) => Int.goes_with(index).then(|| (**of).clone()),
            Type::Map(key, of) => key.goes_with(index).then(|| (**of).clone()),
            Type::Unknown => Some(Type::Unknown),
            of => of.is_loose().then_some(Type::Dyn),
        },
        _ => Some(Type::Unknown),
    }
}

/// Whether a function of common types is given others than it takes.
pub fn is_refused(function: &str, of: &[Type]) -> bool {
    match (function, of) {
        ("size", [one]) => !(one.is_loose() || matches!(one, Text | Bytes | Type::List(_) | Type::Map(..))),
        ("startsWith" | "endsWith" | "matches", [a, b]) => !(Text.goes_with(a) && Text.goes_with(b)),
        _ => false,
    }
}
