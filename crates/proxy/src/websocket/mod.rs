//! The server's side of WebSocket (RFC 6455): the handshake, and frames in both directions.

mod frame;
mod handshake;

pub use frame::{Frame, FrameKind, FrameReader, FrameWriter};
pub use handshake::{accept, protocols};
