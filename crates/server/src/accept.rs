//! The `Accept` header, taken apart and ordered as upstream's parser (goautoneg) does it.

/// Headers of up to this many clauses are sorted by insertion, as Go sorts short slices. Upstream's comparison is not a
/// consistent order, so another algorithm would give other results: an exact type goes before a preferred `*`.
const INSERTION_MAX: usize = 12;

/// `application/json;as=Table;q=0.5`, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause<'a> {
    pub main: &'a str,
    pub sub: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl<'a> Clause<'a> {
    /// The value of a parameter; the last one counts.
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    /// Whether it matches a media type, also by `*`.
    pub fn fits(&self, media_type: &str) -> bool {
        let (main, sub) = media_type.split_once('/').unwrap_or((media_type, ""));
        match (self.main, self.sub) {
            ("*", "*") => true,
            (own, "*") => own == main,
            (own, own_sub) => own == main && own_sub == sub,
        }
    }

    fn goes_before(&self, other: &Clause<'_>) -> bool {
        self.quality > other.quality
            || (self.main != "*" && other.main == "*")
            || (self.sub != "*" && other.sub == "*")
    }
}

/// The clauses of a header, best first. What is no clause is left out.
pub fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = header.split(',').filter_map(clause).collect();
    if clauses.len() > INSERTION_MAX {
        clauses.sort_by(|a, b| {
            let key = |clause: &Clause<'_>| (clause.main == "*", clause.sub == "*");
            b.quality.total_cmp(&a.quality).then_with(|| key(a).cmp(&key(b)))
        });
        return clauses;
    }
    for end in 1..clauses.len() {
        let mut at = end;
        while at > 0
            && let (Some(before), Some(own)) = (clauses.get(at - 1), clauses.get(at))
            && own.goes_before(before)
        {
            clauses.swap(at - 1, at);
            at -= 1;
        }
    }
    clauses
}

fn clause(text: &str) -> Option<Clause<'_>> {
    let (media_type, rest) = text.split_once(';').unwrap_or((text, ""));
    let (main, sub) = match media_type.trim_matches(' ').split_once('/').unwrap_or((media_type, "")) {
        (main, "") if main.trim_matches(' ') == "*" => ("*", "*"),
        (_, "") => return None,
        (main, sub) => (main, sub.strip_suffix('/').unwrap_or(sub)),
    };
    if sub.contains('/') {
        return None;
    }
    let mut clause = Clause {
        main: main.trim_matches(' '),
        sub: sub.trim_matches(' '),
        parameters: Vec::new(),
        quality: 1.0,
    };
    for part in rest.split(';') {
        match part.split_once('=') {
            Some((_, value)) if value.is_empty() || value.contains('=') => {}
            Some((name, value)) if name.trim_matches(' ') == "q" => {
                clause.quality = value.parse().unwrap_or(0.0);
            }
            Some((name, value)) => clause.parameters.push((name.trim_matches(' '), value.trim_matches(' '))),
            None => {}
        }
    }
    Some(clause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expected: &str) {
        let shown = |clause: &Clause<'_>| format!("{}/{}", clause.main, clause.sub);
        let found: Vec<String> = clauses(header).iter().map(shown).collect();
        assert_eq!(found.join(" "), expected, "{header}");
    }

    #[test]
    fn clauses_are_ordered_as_upstream_orders_them() {
        check("", "");
        check("a/b", "a/b");
        check("a/b, c/d", "a/b c/d");
        check("a/b;q=0.5,c/d", "c/d a/b");
        check("a/b;q=x,c/d;q=0", "a/b c/d");
        check("*", "*/*");
        check("*,a/b", "a/b */*");
        check("*/*;q=1,a/b;q=0.1", "a/b */*");
        check("a/*,a/b;q=0.1", "a/b a/*");
        check("a, a/, a/b/c, ,x/y", "x/y");
        check(" a / b ; q=0.1 , c/d", "c/d a/b");
    }

    #[test]
    fn parameters_are_those_with_one_value() {
        let header = "a/b;as=Table; v = v1 ;g=x=y;e=;n;v=v2;q=0.5";
        let clause = clauses(header).remove(0);
        let found = ["as", "v", "g", "e", "n", "q"].map(|name| clause.parameter(name));
        assert_eq!(found, [Some("Table"), Some("v2"), None, None, None, None]);
        assert!((clause.quality - 0.5).abs() < f32::EPSILON);
    }

    #[test]
    fn many_clauses_are_ordered_by_what_is_liked_best() {
        let header: Vec<String> = (0..20).map(|place| format!("a/{place};q=0.{:02}", place + 10)).collect();
        assert_eq!(clauses(&header.join(","))[0].sub, "19");
    }
}
