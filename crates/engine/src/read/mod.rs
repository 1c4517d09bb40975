//! Reads: one object, lists made while they are sent, watches, and tables of all of them.

pub mod continue_token;
pub(crate) mod get;
pub mod list;
pub mod list_meta;
pub mod list_stream;
pub mod selection;
pub mod table;
pub mod watch;

#[cfg(test)]
mod list_tests;
