//! Certificates and requests for them, as bytes that clients send: read strictly, as Go's crypto/x509 reads them.

mod certificate;
mod der;
mod key;
mod name;
mod pem;
mod request;
mod signature;

pub use certificate::{check_chain, parse_certificate};
pub use key::{Curve, PublicKey};
pub use name::Subject;
pub use pem::{PemBlock, decode as decode_pem};
pub use request::CertificateRequest;
pub use signature::check_proof;
pub use x509_parser::certificate::X509Certificate;

use std::borrow::Cow;
use std::fmt;

/// The reason why bytes are no certificate, no request or no key, in the words of Go's libraries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub Cow<'static, str>);

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn malformed(why: &'static str) -> Malformed {
    Malformed(Cow::Borrowed(why))
}
