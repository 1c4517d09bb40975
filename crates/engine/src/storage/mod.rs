//! Between the objects of requests and the bytes of the store: encodings, conversions, selectable fields.

pub(crate) mod codec;
pub(crate) mod convert;
pub(crate) mod encoding;
pub(crate) mod fields;
pub(crate) mod open;
pub(crate) mod undecodable;
