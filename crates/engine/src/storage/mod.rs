//! Between the objects of requests and the bytes of the store: codecs, conversions, encodings, attributes.

pub(crate) mod attrs;
pub(crate) mod builtin;
pub(crate) mod converted;
pub(crate) mod encoding;
mod layout;
pub(crate) mod open;
pub(crate) mod undecodable;
pub(crate) mod unreadable;
