//! The pintle binary: flags, then the server.

use pintle::{flags, run};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let config = match flags::parse(std::env::args()) {
        Ok(config) => config,
        Err(flags::Stop::Help(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(flags::Stop::Refused(message)) => {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
    };
    match run::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pintle: {error}");
            ExitCode::FAILURE
        }
    }
}
