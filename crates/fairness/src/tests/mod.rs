//! Levels in virtual time: against a plain model, and by what must hold whatever comes.

mod levels;
mod model;
mod properties;
mod virtual_time;
