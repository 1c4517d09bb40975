//! Profiles of the process, in the format of pprof: where it spends its time, which threads it has, how many tasks.

mod cpu;
mod profile;
mod threads;
mod wire;

pub use cpu::{ProfileFailure, cpu};
pub use threads::{tasks, threads};
