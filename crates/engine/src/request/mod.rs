//! Requests: their options, bodies, writers, and the seam to admission.

pub mod admission;
pub mod body;
mod connect;
mod object;
pub mod options;
pub mod write_context;
