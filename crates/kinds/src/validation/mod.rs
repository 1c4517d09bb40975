//! Checks that many kinds share, each with upstream's messages.

pub mod admission_policy;
pub mod admission_rules;
pub mod autoscaler;
pub mod check;
pub mod claim;
pub mod conditions;
pub mod cron;
pub mod device;
pub mod event;
pub mod flow_control;
pub mod ingress;
pub mod int_or_percent;
pub mod internal;
pub mod internal_type;
pub mod ip;
pub mod job;
pub mod key_pair;
pub mod meta;
pub mod net;
pub mod node_labels;
pub mod pod_shape;
pub mod pod_spec;
pub mod resources;
pub mod signing_request;
pub mod taints;
pub mod unified_diff;
pub mod volume_source;
pub mod webhook;
pub mod workload;

/// The rule for names of a kind's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    Subdomain,
    /// A subdomain whose rule is declared with the type: its length counts in bytes.
    LongName,
    Label,
    /// A label that starts with a letter.
    Dns1035,
    /// Anything that can be one segment of a URL's path.
    PathSegment,
    /// Anything but the empty text.
    Any,
    /// An IP address in its one spelling; such names are not generated.
    Ip,
}
