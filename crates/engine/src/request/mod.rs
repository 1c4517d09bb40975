//! What is asked: options, bodies, who writes and how, and the seam to admission.

pub mod admission;
pub mod body;
mod connect;
mod object;
pub mod options;
pub mod write_context;
