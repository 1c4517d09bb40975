//! The functions: their types, costs and code.
//!
//! Types are written as text and read when a function is looked up: few are needed at a time.

mod comparison;
mod conversion;
mod durations;
mod format;
mod formats;
mod function;
mod lists;
mod logic;
mod math;
mod network;
mod optionals;
mod patterns;
mod permissions;
mod quantities;
mod semver;
mod sets;
mod text;
mod url;

#[cfg(test)]
mod tests;

pub use format::{FormatError, FormatPart, parts};
pub use formats::pattern_len;
pub use function::{Function, OPAQUE, named};

const TABLES: [&[Function]; 16] = [
    logic::FUNCTIONS,
    comparison::FUNCTIONS,
    math::FUNCTIONS,
    conversion::FUNCTIONS,
    durations::FUNCTIONS,
    text::FUNCTIONS,
    format::FUNCTIONS,
    patterns::FUNCTIONS,
    lists::FUNCTIONS,
    optionals::FUNCTIONS,
    sets::FUNCTIONS,
    quantities::FUNCTIONS,
    network::FUNCTIONS,
    url::FUNCTIONS,
    formats::FUNCTIONS,
    semver::FUNCTIONS,
];

pub fn find(name: &str) -> Option<&'static Function> {
    let tables = TABLES.into_iter().chain([permissions::FUNCTIONS]);
    tables.flatten().find(|function| function.name == name)
}
