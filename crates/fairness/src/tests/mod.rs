//! Levels in virtual time: against a plain model, and by properties.

mod levels;
mod model;
mod properties;
mod virtual_time;
