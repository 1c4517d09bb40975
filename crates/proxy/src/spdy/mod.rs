//! The client's side of SPDY/3.1 as kubelets speak it: streams that are opened one after the other, data without
//! flow control of its own, pings.

mod frame;
mod header_block;

pub use frame::{Frame, FrameReader, FrameWriter};
pub use header_block::{Compressor, Decompressor};
