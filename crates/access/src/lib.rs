//! Who asks, and what they may do.

pub mod authenticate;
pub mod authorize;
pub mod certificate;
pub mod token_file;
pub mod user;

pub use authenticate::{Authenticators, Credentials};
pub use authorize::{Attributes, Authorizer, Decision, Masters, denial};
pub use user::User;
