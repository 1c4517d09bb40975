//! Resources as they are served, the codecs of their objects, and references to objects.

mod object_ref;
mod served;

pub use object_ref::ObjectRef;
pub use served::{Backing, ServedResource, UNSTRUCTURED};
pub(crate) use served::{Codec, Expected};
