//! Authentication, impersonation and authorization.

pub mod abac;
pub mod answers;
pub mod asking;
pub mod authenticate;
pub mod authorization_webhook;
pub mod authorize;
pub mod bootstrap_token;
pub mod cache;
pub mod certificate;
mod directory_string;
pub mod front_proxy;
pub mod impersonate;
pub mod jwt;
pub mod match_conditions;
pub mod node;
pub mod rbac;
pub mod service_account;
pub mod token;
pub mod token_file;
pub mod token_webhook;
pub mod websocket;

pub use asking::Asking;
pub use authenticate::{Authenticators, Credentials};
pub use authorize::{
    Authorizer, Decision, Grants, Permissions, PrivilegedGroup, Rules, authorize, check, refusal,
};
pub use impersonate::Impersonation;
pub use pintle_object::user::{MASTERS, User};
