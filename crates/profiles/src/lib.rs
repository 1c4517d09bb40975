//! Profiles of the process, in the format of pprof: processor time, threads, and the number of tasks.

mod cpu;
mod profile;
mod threads;
mod wire;

pub use cpu::{ProfileFailure, cpu};
pub use threads::{tasks, threads};
