//! Reads: one object, lists made while they are sent, watches, and tables of all of them.

pub mod continue_token;
pub(crate) mod get;
pub mod list;
pub(crate) mod list_form;
pub mod list_meta;
pub mod list_stream;
pub mod selection;
pub mod table;
pub mod watch;
pub(crate) mod watch_event;

#[cfg(test)]
mod list_tests;
