//! Any command line, an argument a line: a configuration, help or a refusal. Values name no files, so that nothing
//! outside of the target is read.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let named = text.lines().filter(|line| !line.contains(['/', '.', '\0']));
    let args = ["pintle"].into_iter().chain(named).map(String::from);
    let _ = pintle::flags::parse(args);
});
