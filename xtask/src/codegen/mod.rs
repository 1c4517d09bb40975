//! Makes the tables in `api/` from the reference's documents, protobuf facts and Go struct tags.

mod documents;
mod files;
mod gofacts;
mod markers;
mod openapi;
mod resources;
mod types;

use crate::codegen::files::read_json;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

pub fn run(args: &[String]) -> Result<(), String> {
    let reference = PathBuf::from(option(args, "--reference")?);
    let protobuf = PathBuf::from(option(args, "--protobuf")?);
    let checkouts = PathBuf::from(option(args, "--go")?);
    let go = gofacts::GoFacts::read(&checkouts)?;
    let schemas = openapi::Schemas::read(&reference.join("v3"))?;
    let messages: serde_json::Value = read_json(&protobuf)?;
    let tables = types::tables(&messages, &schemas.with_optional(&checkouts)?, &go)?;
    write_tables(&tables)?;
    write("api/openapi.txt", &documents::table(&reference, &schemas, &tables)?)?;
    let resources = resources::table(&reference)?;
    write("api/resources.txt", &resources)
}

fn option(args: &[String], name: &str) -> Result<String, String> {
    let place = args.iter().position(|arg| arg == name).ok_or_else(|| format!("{name} is missing"))?;
    args.get(place + 1).cloned().ok_or_else(|| format!("{name} needs a value"))
}

fn write_tables(tables: &BTreeMap<String, String>) -> Result<(), String> {
    fs::create_dir_all("api/types").map_err(|error| format!("api/types: {error}"))?;
    tables.iter().try_for_each(|(name, text)| write(&format!("api/types/{name}.txt"), text))
}

fn write(path: &str, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{path}: {error}"))
}
