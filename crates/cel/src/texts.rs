//! Results of expressions where names are wanted: one, several, or none.

use crate::bind::{Bindings, Bound};
use crate::decl::ANY;
use crate::eval;
use crate::program::Program;
use crate::stack::{DEEP, on_stack};
use crate::value::{Error, List, Value};

/// The reason why an evaluation gave no names.
#[derive(Debug, PartialEq, Eq)]
pub enum NoTexts {
    /// The evaluation failed.
    Error(Error),
    /// It gave something that is no text and no list of texts.
    Other,
}

impl Program {
    /// Evaluates; a text counts as a list of one, and null as an empty list. Empty texts are left out.
    ///
    /// # Errors
    /// The evaluation failed, or gave something else.
    pub fn texts(&self, bound: &[(&str, Bound<'_>)], limit: u64) -> Result<Vec<String>, NoTexts> {
        let found = on_stack(self.depth > DEEP, || {
            let bindings = Bindings::new(bound, limit);
            match eval::run(self, &bindings, limit).0 {
                Ok(value) => texts(&value).ok_or(NoTexts::Other),
                Err(error) => Err(NoTexts::Error(error)),
            }
        })?;
        Ok(found.into_iter().filter(|text| !text.is_empty()).collect())
    }
}

fn texts(value: &Value<'_>) -> Option<Vec<String>> {
    let one = |value: &Value<'_>| match value {
        Value::Text(text) => Some(text.to_string()),
        _ => None,
    };
    match value {
        Value::Null => Some(Vec::new()),
        Value::List(List::Own(values)) => values.iter().map(one).collect(),
        Value::List(List::Tree(trees, _)) => {
            trees.iter().map(|tree| one(&Value::of_tree(tree, &ANY).ok()?)).collect()
        }
        value => one(value).map(|text| vec![text]),
    }
}
