//! Any text as an expression: refused or run, never a panic, never far beyond its cost limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pintle_cel::{Scope, program};

const LIMIT: u64 = 100_000;

fuzz_target!(|text: &str| {
    if let Ok(compiled) = program(text, &Scope::default(), None) {
        let _ = compiled.program.run(&[], LIMIT);
    }
});
