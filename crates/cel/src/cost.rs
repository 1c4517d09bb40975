//! Costs: the cost classes of functions, and limits.

/// The rule by which a call costs, as in upstream's libraries and those of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    One,
    Free,
    Logic,
    Conditional,
    Equal,
    Ordered,
    Concat,
    ConcatLists,
    Index,
    In,
    /// The whole of the last argument is looked at.
    Prefix,
    Contains,
    Matches,
    Find,
    Format,
    ToBytes,
    ToText,
    Quote,
    /// The whole of the first argument is looked at, and the result is not longer.
    Scan,
    /// The same, but the result has no size.
    Parse,
    ParseTwice,
    Replace,
    Split,
    Join,
    /// Each item is looked at.
    Traverse,
    ContainsIp,
    ContainsIpText,
    ContainsCidr,
    ContainsCidrText,
    Validate,
    Check,
    Selector,
    Slice,
    Flatten,
    Range,
    Reverse,
    Distinct,
    Sort,
    SortTexts,
    SortBy,
    SortByTexts,
    Sets,
    SetsTwice,
}

const NAMES: [(&str, Cost); 41] = [
    ("conditional", Cost::Conditional),
    ("free", Cost::Free),
    ("logic", Cost::Logic),
    ("equal", Cost::Equal),
    ("ordered", Cost::Ordered),
    ("concat", Cost::Concat),
    ("concatlists", Cost::ConcatLists),
    ("index", Cost::Index),
    ("in", Cost::In),
    ("prefix", Cost::Prefix),
    ("contains", Cost::Contains),
    ("matches", Cost::Matches),
    ("find", Cost::Find),
    ("format", Cost::Format),
    ("tobytes", Cost::ToBytes),
    ("totext", Cost::ToText),
    ("quote", Cost::Quote),
    ("scan", Cost::Scan),
    ("parse", Cost::Parse),
    ("parsetwice", Cost::ParseTwice),
    ("replace", Cost::Replace),
    ("split", Cost::Split),
    ("join", Cost::Join),
    ("traverse", Cost::Traverse),
    ("containsip", Cost::ContainsIp),
    ("containsiptext", Cost::ContainsIpText),
    ("containscidr", Cost::ContainsCidr),
    ("containscidrtext", Cost::ContainsCidrText),
    ("validate", Cost::Validate),
    ("check", Cost::Check),
    ("selector", Cost::Selector),
    ("slice", Cost::Slice),
    ("flatten", Cost::Flatten),
    ("range", Cost::Range),
    ("reverse", Cost::Reverse),
    ("distinct", Cost::Distinct),
    ("sort", Cost::Sort),
    ("sorttexts", Cost::SortTexts),
    ("sortby", Cost::SortBy),
    ("sortbytexts", Cost::SortByTexts),
    ("sets", Cost::Sets),
];

/// The largest cost of one expression.
pub const COST_MAX: u64 = 10_000_000;

/// The cost of an authorization check: two fit into an expression.
pub const CHECK: u64 = 350_000;
pub const LIST: u64 = 10;
pub const MAP: u64 = 30;
pub const MESSAGE: u64 = 40;
/// The cost of looking at a character.
pub const CHARACTER: f64 = 0.1;
/// The cost of a character of a pattern, four of which are taken for one state.
pub const PATTERN: f64 = 0.25;

impl Cost {
    pub fn named(name: &str) -> Self {
        if name == "setstwice" {
            return Cost::SetsTwice;
        }
        NAMES.iter().find(|(known, _)| *known == name).map_or(Cost::One, |(_, cost)| *cost)
    }
}
