//! Names of the directives in strategic merge patches.

pub(crate) const DIRECTIVE: &str = "$patch";

pub(crate) const RETAIN_KEYS: &str = "$retainKeys";

pub(crate) const DELETE_PREFIX: &str = "$deleteFromPrimitiveList";

pub(crate) const ORDER_PREFIX: &str = "$setElementOrder";
