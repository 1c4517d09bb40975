//! The pintle binary: flags, then the server.

use pintle::flags::{self, Stop};
use pintle::{run, snapshot, top};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let done = match args.get(1..) {
        Some([command, rest @ ..]) if command == "snapshot" => snapshot::run(rest),
        Some([command, rest @ ..]) if command == "top" => top::run(rest),
        _ => flags::parse(args)
            .and_then(|config| run::run(&config).map_err(|error| Stop::Refused(format!("pintle: {error}")))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Help(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(Stop::Refused(message)) => {
            eprintln!("{}", message.trim_end());
            ExitCode::FAILURE
        }
    }
}
