//! Facts of documents beyond the tables of types: the lines of `api/openapi.txt`.

use std::collections::{HashMap, HashSet};

/// Facts by type and field.
pub(super) struct Facts {
    fields: HashMap<(&'static str, &'static str), Vec<(&'static str, &'static str)>>,
    unions: HashMap<&'static str, Vec<&'static str>>,
    /// `GROUP/VERSION PLURAL` of resources whose delete answers with the object.
    deletes: HashSet<&'static str>,
}

impl Facts {
    /// `TYPE FIELD WORD REST`, `TYPE union …` or `delete …`
    pub(super) fn read(text: &'static str) -> Facts {
        let mut facts = Facts { fields: HashMap::new(), unions: HashMap::new(), deletes: HashSet::new() };
        for line in text.lines() {
            let Some((first, rest)) = line.split_once(' ') else { continue };
            let Some((second, rest_of_rest)) = rest.split_once(' ') else { continue };
            match (first, second) {
                ("delete", _) => {
                    facts.deletes.insert(rest);
                }
                (_, "union") => facts.unions.entry(first).or_default().push(rest_of_rest),
                _ => {
                    let (word, value) = rest_of_rest.split_once(' ').unwrap_or((rest_of_rest, ""));
                    facts.fields.entry((first, second)).or_default().push((word, value));
                }
            }
        }
        facts
    }

    /// The value of a fact about a field.
    pub(super) fn field(&self, ty: &str, field: &str, word: &str) -> Option<&'static str> {
        let facts = self.fields.get(&(ty, field))?;
        facts.iter().find(|(have, _)| *have == word).map(|(_, value)| *value)
    }

    /// `type queuing=Queuing`: the discriminator (`-` for none), then fields and their names.
    pub(super) fn unions(&self, ty: &str) -> &[&'static str] {
        self.unions.get(ty).map_or(&[], Vec::as_slice)
    }

    pub(super) fn delete_returns_object(&self, group: &str, version: &str, plural: &str) -> bool {
        let key = if group.is_empty() {
            format!("{version} {plural}")
        } else {
            format!("{group}/{version} {plural}")
        };
        self.deletes.contains(key.as_str())
    }
}
