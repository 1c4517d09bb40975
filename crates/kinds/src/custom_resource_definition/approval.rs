//! Definitions in groups of the Kubernetes community need an approval in an annotation.

use pintle_object::field::quote;

pub const ANNOTATION: &str = "api-approved.kubernetes.io";
const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// By the address of a review.
    Given,
    /// The annotation says that there is no approval.
    Bypassed,
    Missing,
    Invalid,
}

pub fn is_protected(group: &str) -> bool {
    let is_below =
        |domain: &str| group.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    is_below("k8s.io") || is_below("kubernetes.io")
}

impl Approval {
    pub fn of(annotation: &str) -> Approval {
        let is_url = annotation.split_once("://").is_some_and(|(scheme, rest)| {
            let host = rest.split(['/', '?', '#']).next().unwrap_or("");
            let is_word = scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
            is_word && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && !host.is_empty()
        });
        match annotation {
            "" => Approval::Missing,
            text if text.starts_with("unapproved") => Approval::Bypassed,
            text if is_url && !text.contains([' ', '\n', '\t']) => Approval::Given,
            _ => Approval::Invalid,
        }
    }

    pub fn message(self, annotation: &str) -> String {
        let must = format!("protected groups must have approval annotation {}", quote(ANNOTATION));
        match self {
            Approval::Given => format!("approved in {annotation}"),
            Approval::Bypassed => format!("not approved: {}", quote(annotation)),
            Approval::Missing => format!("{must}, {SEE}"),
            Approval::Invalid => {
                format!("{must} with either a URL or a reason starting with \"unapproved\", {SEE}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approvals_are_addresses_or_excuses() {
        let cases = [
            ("", Approval::Missing),
            ("unapproved, a test", Approval::Bypassed),
            ("https://example.org/1", Approval::Given),
            ("yes", Approval::Invalid),
            ("https:///1", Approval::Invalid),
        ];
        for (annotation, expected) in cases {
            assert_eq!(Approval::of(annotation), expected, "{annotation}");
        }
    }

    #[test]
    fn groups_of_the_community_are_protected() {
        for (group, expected) in [
            ("k8s.io", true),
            ("a.k8s.io", true),
            ("x-k8s.io", false),
            ("a.kubernetes.io", true),
            ("a.b", false),
        ] {
            assert_eq!(is_protected(group), expected, "{group}");
        }
    }
}
