//! Makes the tables in `api/` from the reference's documents, protobuf facts and Go struct tags.

mod documents;
mod files;
mod gofacts;
mod markers;
mod openapi;
mod resources;
mod types;

#[cfg(test)]
mod tests;

use crate::codegen::files::read_json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub fn run(args: &[String]) -> Result<(), String> {
    let reference = PathBuf::from(option(args, "--reference")?);
    let protobuf = PathBuf::from(option(args, "--protobuf")?);
    let checkouts = PathBuf::from(option(args, "--go")?);
    let made = generate(&reference, &protobuf, &checkouts)?;
    fs::create_dir_all("api/types").map_err(|error| format!("api/types: {error}"))?;
    made.iter().try_for_each(|(path, text)| {
        let path = format!("api/{path}");
        fs::write(&path, text).map_err(|error| format!("{path}: {error}"))
    })
}

/// The texts of all tables by their paths in `api/`.
fn generate(reference: &Path, protobuf: &Path, checkouts: &Path) -> Result<BTreeMap<String, String>, String> {
    let go = gofacts::GoFacts::read(checkouts)?;
    let schemas = openapi::Schemas::read(&reference.join("v3"))?;
    let messages: serde_json::Value = read_json(protobuf)?;
    let types = types::tables(&messages, &schemas.with_optional(checkouts)?, &go)?;
    let documents = documents::table(reference, &schemas, &types)?;
    let mut made: BTreeMap<String, String> =
        types.into_iter().map(|(name, text)| (format!("types/{name}.txt"), text)).collect();
    made.insert("openapi.txt".into(), documents);
    made.insert("resources.txt".into(), resources::table(reference)?);
    Ok(made)
}

fn option(args: &[String], name: &str) -> Result<String, String> {
    let place = args.iter().position(|arg| arg == name).ok_or_else(|| format!("{name} is missing"))?;
    args.get(place + 1).cloned().ok_or_else(|| format!("{name} needs a value"))
}
