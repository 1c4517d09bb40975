//! Development tasks: `cargo xtask codegen` makes the tables in `api/`, `cargo xtask tidy` checks the rules that no
//! compiler checks.

mod codegen;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask codegen --reference DIR --protobuf FILE --go DIR
       cargo xtask tidy
       cargo xtask ci

codegen  writes api/types/*.txt, api/resources.txt and api/openapi.txt
  --reference  the reference's documents: v3/*.json, openapi-v2.json, aggregated-api.json, aggregated-apis.json
  --protobuf   message -> field -> {n, t, rep}, in declared order
  --go         checkouts of upstream's API repositories, for the facts that only struct tags hold
tidy     sizes of files, first lines, forbidden words, reasons of dependencies
ci       runs .ci/run";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.first().map(String::as_str) {
        Some("codegen") => codegen::run(args.get(1..).unwrap_or_default()),
        Some("tidy") => tidy::run(),
        Some("ci") => ci(),
        _ => Err(String::from(USAGE)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn ci() -> Result<(), String> {
    let status =
        std::process::Command::new(".ci/run").status().map_err(|error| format!(".ci/run: {error}"))?;
    if status.success() { Ok(()) } else { Err(String::from(".ci/run failed")) }
}
