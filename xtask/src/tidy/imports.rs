//! Imports among the files of one crate: the names that a file takes from others.

use super::tokens::product_tokens;
use std::collections::{BTreeMap, BTreeSet};

/// A module's path within its crate; the crate's root has none.
type Module = Vec<String>;
type Names = Vec<String>;
type Sources = BTreeMap<Module, SourceFile>;

/// The number of `use` declarations that may lead from one to the next.
const DEPTH_MAX: usize = 16;

/// The names that one file takes from others.
#[derive(Default)]
struct SourceFile {
    file: String,
    /// Names that `use` brings in, and where they come from.
    aliases: BTreeMap<String, Names>,
    /// Paths of the code, and of the `use` declarations that hand nothing on.
    paths: BTreeSet<Names>,
}

/// For each file of a crate the files that it takes names from, with one of the names.
pub type Imports = BTreeMap<String, BTreeMap<String, String>>;

/// The imports among files, given as their paths below `src` with their texts.
pub fn imports(files: &[(String, String)]) -> Imports {
    let mut sources = Sources::new();
    for (file, text) in files {
        sources.insert(module_of(file), read_source(file, &product_tokens(text)));
    }
    let mut found = Imports::new();
    for (module, source) in &sources {
        let taken = found.entry(source.file.clone()).or_default();
        for path in &source.paths {
            let Some((from, name)) = resolve(&sources, module, path, 0) else { continue };
            if from != source.file {
                taken.entry(from).or_insert(name);
            }
        }
    }
    found
}

fn module_of(file: &str) -> Module {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let mut names: Module = path.split('/').map(String::from).collect();
    if names.last().is_some_and(|last| last == "mod" || (names.len() == 1 && last == "lib")) {
        names.pop();
    }
    names
}

fn read_source(file: &str, tokens: &[&str]) -> SourceFile {
    let mut source = SourceFile { file: String::from(file), ..SourceFile::default() };
    let mut handed_on = Vec::new();
    let mut words = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            let end = at + tokens[at..].iter().position(|token| *token == ";").unwrap_or(tokens.len() - at);
            let is_public = at > 0 && matches!(tokens[at - 1], "pub" | ")");
            for (name, path) in use_tree(&tokens[at + 1..end], &[]) {
                handed_on.push((is_public, name.clone(), path.clone()));
                source.aliases.insert(name, path);
            }
            at = end;
        } else if tokens.get(at + 1) == Some(&"::") && (at == 0 || tokens[at - 1] != "::") {
            let path = path_at(&tokens[at..]);
            at += 2 * path.len() - 1;
            words.insert(path[0].clone());
            source.paths.insert(path);
        } else {
            words.insert(String::from(tokens[at]));
            at += 1;
        }
    }
    // A name that is only handed on is no import: the map of a tree names what stands in the tree.
    let used = handed_on.into_iter().filter(|(is_public, name, _)| !is_public || words.contains(name));
    source.paths.extend(used.map(|(_, _, path)| path));
    source
}

/// The path at the front: names between `::`.
fn path_at(tokens: &[&str]) -> Names {
    let mut path = vec![String::from(tokens[0])];
    let mut rest = &tokens[1..];
    while let [sign, name, ..] = rest
        && *sign == "::"
        && name.starts_with(|c: char| c.is_alphabetic() || c == '_')
    {
        path.push(String::from(*name));
        rest = &rest[2..];
    }
    path
}

/// The names that a `use` declaration brings in, with their paths.
fn use_tree(tokens: &[&str], before: &[String]) -> Vec<(String, Names)> {
    let mut path = before.to_vec();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match *token {
            "::" => {}
            "{" => return branches(&tokens[at + 1..]).flat_map(|branch| use_tree(branch, &path)).collect(),
            "as" => {
                let name = tokens.get(at + 1).map_or_else(String::new, |name| String::from(*name));
                return vec![(name, path)];
            }
            "self" if !path.is_empty() => {}
            name => path.push(String::from(name)),
        }
        at += 1;
    }
    path.last().cloned().map(|name| (name, path)).into_iter().collect()
}

/// The parts between the commas of a braced group whose opening brace has been read.
fn branches<'a, 'b>(tokens: &'a [&'b str]) -> impl Iterator<Item = &'a [&'b str]> {
    let mut depth = 0_usize;
    let mut end = tokens.len();
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "{" => depth += 1,
            "}" if depth == 0 => {
                end = at;
                break;
            }
            "}" => depth -= 1,
            _ => {}
        }
    }
    let mut nested = 0_usize;
    tokens[..end]
        .split(move |token| {
            match *token {
                "{" => nested += 1,
                "}" => nested -= 1,
                _ => {}
            }
            nested == 0 && *token == ","
        })
        .filter(|branch| !branch.is_empty())
}

/// The file that defines what a path names, seen from a module, and the name; none for whole modules and for what
/// other crates define.
fn resolve(sources: &Sources, from: &Module, path: &[String], depth: usize) -> Option<(String, String)> {
    let first = path.first()?;
    let own = sources.get(from)?;
    let child = child(from, first);
    match first.as_str() {
        "crate" => walk(sources, Module::new(), &path[1..], depth),
        "self" => walk(sources, from.clone(), &path[1..], depth),
        "super" => {
            let ups = path.iter().take_while(|name| *name == "super").count();
            walk(sources, from[..from.len().checked_sub(ups)?].to_vec(), &path[ups..], depth)
        }
        _ if sources.contains_key(&child) => walk(sources, child, &path[1..], depth),
        _ => {
            let alias = own.aliases.get(first).filter(|_| depth < DEPTH_MAX)?;
            resolve(sources, from, &[alias, &path[1..]].concat(), depth + 1)
        }
    }
}

/// The same for the rest of a path below a module.
fn walk(sources: &Sources, module: Module, rest: &[String], depth: usize) -> Option<(String, String)> {
    let first = rest.first()?;
    let child = child(&module, first);
    if sources.contains_key(&child) {
        return walk(sources, child, &rest[1..], depth);
    }
    let source = sources.get(&module)?;
    match source.aliases.get(first) {
        Some(alias) if depth < DEPTH_MAX => {
            resolve(sources, &module, &[alias, &rest[1..]].concat(), depth + 1)
        }
        _ => Some((source.file.clone(), first.clone())),
    }
}

fn child(module: &[String], name: &str) -> Module {
    let mut path = module.to_vec();
    path.push(String::from(name));
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: &[(&str, &str, &str)]) {
        let files: Vec<_> =
            files.iter().map(|(file, text)| (String::from(*file), String::from(*text))).collect();
        let found = imports(&files);
        let found: Vec<_> = found
            .iter()
            .flat_map(|(file, taken)| {
                taken.iter().map(move |(from, name)| (file.as_str(), from.as_str(), name.as_str()))
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn names_lead_to_the_file_that_defines_them() {
        check(
            &[
                ("lib.rs", "mod a; mod b; pub use b::{B, c::C};"),
                (
                    "a.rs",
                    "use crate::{B as D, b}; use std::fs; fn f() { b::g(); crate::C::new(); fs::read(); }",
                ),
                ("b/mod.rs", "pub mod c; pub struct B; pub fn g() { c::h() }"),
                ("b/c.rs", "pub struct C; pub fn h() {}"),
            ],
            &[("a.rs", "b/c.rs", "C"), ("a.rs", "b/mod.rs", "g"), ("b/mod.rs", "b/c.rs", "h")],
        );
    }

    #[test]
    fn handing_on_is_no_import_and_neither_are_tests() {
        check(
            &[
                ("lib.rs", "pub use a::A; pub use b::B; fn f(b: B) {}"),
                ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }"),
                ("b.rs", "pub struct B; // crate::a::A"),
            ],
            &[("lib.rs", "b.rs", "B")],
        );
    }
}
