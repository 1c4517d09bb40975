//! `Verb`: the action of a request, one type in all crates, and sets of verbs.

use crate::Text;

/// The action of a request. The names are those of authorization, and of discovery for the verbs of resources.
///
/// Verbs are the same if their names are: one that is known is never among the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    Create,
    Delete,
    DeleteCollection,
    Get,
    List,
    Patch,
    Update,
    Watch,
    /// The old way to proxy to a resource, `/api/v1/proxy/...`, which is no longer served.
    Proxy,
    /// Any other verb: the method of a path that is no resource (`post`), or one in a question about access
    /// (`impersonate`, `*`).
    Other(OtherVerb),
}

/// The name of a verb that is not known; that of a method that no resource takes is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OtherVerb(Text);

/// A set of known verbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verbs(u16);

/// The verbs that a rule names, in its order. Known ones are found by their bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerbNames {
    names: Box<[Text]>,
    known: Verbs,
    has_star: bool,
}

impl Default for Verb {
    fn default() -> Verb {
        Verb::Other(OtherVerb::default())
    }
}

impl Verb {
    /// The verbs of resources, in the order of discovery documents.
    pub const ALL: [Verb; 8] = [
        Verb::Create,
        Verb::Delete,
        Verb::DeleteCollection,
        Verb::Get,
        Verb::List,
        Verb::Patch,
        Verb::Update,
        Verb::Watch,
    ];

    /// The verb of a name, known or not. Names are case-sensitive.
    pub fn named(name: &str) -> Verb {
        match name {
            "create" => Verb::Create,
            "delete" => Verb::Delete,
            "deletecollection" => Verb::DeleteCollection,
            "get" => Verb::Get,
            "list" => Verb::List,
            "patch" => Verb::Patch,
            "update" => Verb::Update,
            "watch" => Verb::Watch,
            "proxy" => Verb::Proxy,
            other => Verb::Other(OtherVerb(other.into())),
        }
    }

    pub fn as_str(&self) -> &str {
        match self {
            Verb::Other(OtherVerb(name)) => name,
            known => known.known_name(),
        }
    }

    /// Whether it leaves everything as it is.
    pub fn is_read(&self) -> bool {
        matches!(self, Verb::Get | Verb::List | Verb::Watch)
    }

    /// The name of a known verb; empty for others.
    fn known_name(&self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Patch => "patch",
            Verb::Update => "update",
            Verb::Watch => "watch",
            Verb::Proxy => "proxy",
            Verb::Other(_) => "",
        }
    }

    /// The place of a known verb in sets; none for others.
    fn bit(&self) -> u16 {
        match self {
            Verb::Create => 1,
            Verb::Delete => 1 << 1,
            Verb::DeleteCollection => 1 << 2,
            Verb::Get => 1 << 3,
            Verb::List => 1 << 4,
            Verb::Patch => 1 << 5,
            Verb::Update => 1 << 6,
            Verb::Watch => 1 << 7,
            Verb::Proxy => 1 << 8,
            Verb::Other(_) => 0,
        }
    }
}

impl Verbs {
    /// The verbs of resources, all of them.
    pub fn all() -> Verbs {
        Verb::ALL.into_iter().collect()
    }

    /// The verbs of resources among some names.
    pub fn of_names(names: &[&str]) -> Verbs {
        Verb::ALL.into_iter().filter(|verb| names.contains(&verb.as_str())).collect()
    }

    pub fn has(self, verb: &Verb) -> bool {
        self.0 & verb.bit() != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names of verbs on resources.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Verb::ALL.into_iter().filter(move |verb| self.has(verb)).map(|verb| verb.known_name())
    }
}

/// Verbs that are not known are in no set.
impl FromIterator<Verb> for Verbs {
    fn from_iter<T: IntoIterator<Item = Verb>>(verbs: T) -> Verbs {
        Verbs(verbs.into_iter().fold(0, |all, verb| all | verb.bit()))
    }
}

impl VerbNames {
    /// Whether one of the names is that of the verb; a star is only that of a verb of this name.
    pub fn has(&self, verb: &Verb) -> bool {
        match verb {
            Verb::Other(OtherVerb(name)) => self.names.contains(name),
            known => self.known.has(known),
        }
    }

    /// Whether `*` is among the names, which most rules take for every verb.
    pub fn has_star(&self) -> bool {
        self.has_star
    }

    /// The names, as they were given.
    pub fn names(&self) -> &[Text] {
        &self.names
    }
}

impl<T: Into<Text>> FromIterator<T> for VerbNames {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> VerbNames {
        let names: Box<[Text]> = names.into_iter().map(Into::into).collect();
        let known = names.iter().map(|name| Verb::named(name)).collect();
        let has_star = names.iter().any(|name| name == "*");
        VerbNames { names, known, has_star }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_told_apart_by_their_names() {
        let names =
            ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch", "proxy"];
        for (index, name) in names.into_iter().enumerate() {
            let verb = Verb::named(name);
            assert_eq!(verb.as_str(), name);
            assert_eq!(verb.bit(), 1 << index, "{name}");
        }
        for name in ["", "Get", "GET", " get", "gett", "post", "head", "*", "use", "impersonate:user-info"] {
            let verb = Verb::named(name);
            assert!(matches!(verb, Verb::Other(_)) && verb.bit() == 0, "{name}");
            assert_eq!(verb.as_str(), name);
            assert!(!Verbs::all().has(&verb) && !verb.is_read(), "{name}");
        }
        assert_eq!(Verb::default(), Verb::named(""));
        assert_ne!(Verb::named("put"), Verb::named("post"));
    }

    #[test]
    fn sets_have_the_verbs_of_resources() {
        let set = Verbs::of_names(&["watch", "get", "proxy", "*", "use"]);
        assert_eq!(set.names().collect::<Vec<_>>(), ["get", "watch"]);
        assert!(set.has(&Verb::Get) && !set.has(&Verb::List) && !set.has(&Verb::Proxy));
        assert_eq!(Verbs::all().names().count(), Verb::ALL.len());
    }

    #[test]
    fn rules_have_the_verbs_that_they_name() {
        let check = |names: &[&str], verb: &str, expected: bool| {
            let names: VerbNames = names.iter().copied().collect();
            assert_eq!(names.has(&Verb::named(verb)), expected, "{names:?} {verb}");
            assert_eq!(names.has_star(), names.names().contains(&Text::from("*")), "{names:?}");
        };
        check(&["get", "use"], "get", true);
        check(&["get", "use"], "use", true);
        check(&["get", "use"], "list", false);
        check(&["get", "use"], "", false);
        check(&["Get"], "get", false);
        check(&["*"], "get", false);
        check(&["*"], "*", true);
        check(&["get"], "*", false);
        check(&[""], "", true);
        check(&["proxy"], "proxy", true);
        check(&[], "get", false);
    }
}
