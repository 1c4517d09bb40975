//! Flow schemas and priority levels, from their objects, and the mandatory ones.

use crate::classify::Rule;
use crate::queuing::Queuing;
use crate::shuffle::Dealer;
use pintle_object::{Text, Value, json};

pub const EXEMPT: &str = "exempt";
pub const CATCH_ALL: &str = "catch-all";

/// A FlowSchema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaSpec {
    pub name: Text,
    pub uid: Text,
    pub level: Text,
    pub precedence: i64,
    pub distinguisher: Distinguisher,
    pub rules: Vec<Rule>,
}

/// The attribute that tells the flows of a schema apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distinguisher {
    None,
    ByUser,
    ByNamespace,
}

/// A PriorityLevelConfiguration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelSpec {
    pub name: Text,
    pub uid: Text,
    pub queuing: Queuing,
    pub nominal_shares: u32,
    pub lendable_percent: u32,
    /// None for no bound.
    pub borrowing_percent: Option<u32>,
}

impl SchemaSpec {
    pub fn read(object: &Value) -> SchemaSpec {
        let spec = object.get("spec").cloned().unwrap_or_else(Value::map);
        SchemaSpec {
            name: object.str_at(&["metadata", "name"]).into(),
            uid: object.str_at(&["metadata", "uid"]).into(),
            level: spec.str_at(&["priorityLevelConfiguration", "name"]).into(),
            precedence: spec.int_at(&["matchingPrecedence"]).unwrap_or(0),
            distinguisher: match spec.str_at(&["distinguisherMethod", "type"]) {
                "ByUser" => Distinguisher::ByUser,
                "ByNamespace" => Distinguisher::ByNamespace,
                _ => Distinguisher::None,
            },
            rules: Rule::read_all(&spec),
        }
    }
}

impl LevelSpec {
    /// A level; none when its parts contradict each other, so that it counts as missing.
    pub fn read(object: &Value) -> Option<LevelSpec> {
        let name = object.str_at(&["metadata", "name"]);
        let (exempt, limited) = (object.at(&["spec", "exempt"]), object.at(&["spec", "limited"]));
        let (queuing, own) = match (object.str_at(&["spec", "type"]), exempt, limited) {
            ("Exempt", Some(exempt), None) if name == EXEMPT => (Queuing::Exempt, exempt),
            ("Limited", None, Some(limited)) if name != EXEMPT => (queuing(limited)?, limited),
            _ => return None,
        };
        let number = |field: &str| own.int_at(&[field]).and_then(|value| u32::try_from(value).ok());
        Some(LevelSpec {
            name: name.into(),
            uid: object.str_at(&["metadata", "uid"]).into(),
            queuing,
            nominal_shares: number("nominalConcurrencyShares").unwrap_or(0),
            lendable_percent: number("lendablePercent").unwrap_or(0),
            borrowing_percent: if queuing == Queuing::Exempt {
                None
            } else {
                number("borrowingLimitPercent")
            },
        })
    }
}

fn queuing(limited: &Value) -> Option<Queuing> {
    let queuing = limited.at(&["limitResponse", "queuing"]);
    match (limited.str_at(&["limitResponse", "type"]), queuing) {
        ("Reject", None) => Some(Queuing::Reject),
        ("Queue", Some(queuing)) => {
            let number = |field: &str| u32::try_from(queuing.int_at(&[field])?).ok();
            let (queues, hand_size) = (number("queues")?, number("handSize")?);
            Dealer::new(queues, hand_size)?;
            Some(Queuing::Queue { queues, hand_size, queue_length_max: number("queueLengthLimit")? })
        }
        _ => None,
    }
}

/// The mandatory schemas: first of all for masters, and last of all for everybody.
pub(crate) fn mandatory_schema(name: &str) -> SchemaSpec {
    let subject = |group: &str| format!(r#"{{"kind":"Group","group":{{"name":"{group}"}}}}"#);
    let (precedence, distinguisher, subjects) = if name == EXEMPT {
        (1, Distinguisher::None, subject("system:masters"))
    } else {
        let everybody = [subject("system:unauthenticated"), subject("system:authenticated")].join(",");
        (10_000, Distinguisher::ByUser, everybody)
    };
    let rules = r#""resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true,"namespaces":["*"]}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]"#;
    let text = format!(r#"{{"rules":[{{"subjects":[{subjects}],{rules}}}]}}"#);
    let rules = json::parse(text.as_bytes()).map(|spec| Rule::read_all(&spec)).unwrap_or_default();
    SchemaSpec {
        name: name.into(),
        uid: Text::default(),
        level: name.into(),
        precedence,
        distinguisher,
        rules,
    }
}

/// The mandatory levels.
pub(crate) fn mandatory_level(name: &str) -> LevelSpec {
    let (queuing, nominal_shares) = if name == EXEMPT { (Queuing::Exempt, 0) } else { (Queuing::Reject, 5) };
    LevelSpec {
        name: name.into(),
        uid: Text::default(),
        queuing,
        nominal_shares,
        lendable_percent: 0,
        borrowing_percent: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(name: &str, spec: &str) -> Option<LevelSpec> {
        let text = format!(r#"{{"metadata":{{"name":"{name}","uid":"u"}},"spec":{spec}}}"#);
        LevelSpec::read(&json::parse(text.as_bytes()).expect("the test's own JSON"))
    }

    #[test]
    fn levels_are_read() {
        let queue = r#"{"type":"Limited","limited":{"nominalConcurrencyShares":20,"lendablePercent":50,"borrowingLimitPercent":10,"limitResponse":{"type":"Queue","queuing":{"queues":128,"handSize":6,"queueLengthLimit":50}}}}"#;
        let found = level("a", queue).expect("a level");
        let queuing = Queuing::Queue { queues: 128, hand_size: 6, queue_length_max: 50 };
        assert_eq!((found.queuing, found.nominal_shares, found.lendable_percent), (queuing, 20, 50));
        assert_eq!(found.borrowing_percent, Some(10));
        let exempt = r#"{"type":"Exempt","exempt":{"nominalConcurrencyShares":7}}"#;
        let found = level(EXEMPT, exempt).expect("a level");
        assert_eq!((found.queuing, found.nominal_shares), (Queuing::Exempt, 7));
    }

    #[test]
    fn contradictions_are_no_levels() {
        let reject = r#"{"type":"Limited","limited":{"limitResponse":{"type":"Reject"}}}"#;
        assert!(level("a", reject).is_some() && level(EXEMPT, reject).is_none());
        assert!(level("a", r#"{"type":"Exempt","exempt":{}}"#).is_none());
        assert!(level("a", r#"{"type":"Limited"}"#).is_none());
        assert!(level("a", r#"{"type":"Limited","limited":{"limitResponse":{"type":"Queue"}}}"#).is_none());
        let wide = r#"{"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{"queues":4,"handSize":5,"queueLengthLimit":1}}}}"#;
        assert!(level("a", wide).is_none());
    }

    #[test]
    fn everybody_matches_a_mandatory_schema() {
        assert_eq!(mandatory_schema(EXEMPT).rules.len(), 1);
        assert_eq!(mandatory_schema(CATCH_ALL).rules.len(), 1);
        assert_eq!(mandatory_schema(CATCH_ALL).precedence, 10_000);
    }
}
