//! `Spot`: the place of a check in an object, as upstream's validator of JSON schemas calls it.

use pintle_object::Path;
use std::fmt;

/// A path that is written only for errors: keys are as long as their sender likes, and repeat in all paths below them.
///
/// The texts of additional properties of the whole begin with a dot.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    path: Path<'a>,
    is_whole: bool,
    has_dot: bool,
}

impl<'a> Spot<'a> {
    pub const WHOLE: Spot<'static> = Spot { path: Path::EMPTY, is_whole: true, has_dot: false };

    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The field that errors name.
    pub fn field(&self) -> &Path<'a> {
        &self.path
    }

    pub fn property<'b>(&'b self, name: &'b str) -> Spot<'b> {
        Spot { path: self.path.child(name), is_whole: false, has_dot: self.has_dot }
    }

    pub fn additional<'b>(&'b self, key: &'b str) -> Spot<'b> {
        Spot { path: self.path.child(key), is_whole: false, has_dot: self.has_dot || self.is_whole }
    }

    pub fn index(&self, index: usize) -> Spot<'_> {
        Spot { path: self.path.index(index), is_whole: false, has_dot: self.has_dot }
    }
}

impl fmt::Display for Spot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_dot {
            f.write_str(".")?;
        }
        f.write_str(&self.path.head())
    }
}
