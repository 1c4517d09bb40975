//! Words for failures of connections, as Go's `net`, `crypto/tls` and `net/http` have them: clients and conditions of
//! objects show them, and operators search for them.

use std::error::Error as _;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use tokio_rustls::rustls::{self, AlertDescription, CertificateError};

/// The text of the deadline of a context.
pub const DEADLINE: &str = "context deadline exceeded";

/// `Get "https://..."`: the beginning of Go's errors about a request.
pub fn request(method: &str, url: &str) -> String {
    let mut chars = method.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    let name: String = first.into_iter().chain(chars.map(|rest| rest.to_ascii_lowercase())).collect();
    format!("{name} {url:?}")
}

/// An error of the system without its number, in lower case: `connection refused`.
pub fn system(error: &Error) -> String {
    if error.kind() == ErrorKind::TimedOut && error.raw_os_error().is_none() {
        return "i/o timeout".into();
    }
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// A failed connection to an address.
pub fn dial(address: SocketAddr, error: &Error) -> String {
    let is_timeout = error.kind() == ErrorKind::TimedOut && error.raw_os_error().is_none();
    let step = if is_timeout { "" } else { "connect: " };
    format!("dial tcp {address}: {step}{}", system(error))
}

/// A name without addresses.
pub fn lookup(host: &str, nameserver: Option<&str>) -> String {
    let server = nameserver.map(|address| format!(" on {address}:53")).unwrap_or_default();
    format!("dial tcp: lookup {host}{server}: no such host")
}

/// Both ends of a connection, for errors of its reads and writes.
#[derive(Clone, Debug, Default)]
pub struct Ends(pub Option<(SocketAddr, SocketAddr)>);

impl Ends {
    /// A read that failed.
    pub fn read(&self, error: &Error) -> String {
        if error.kind() == ErrorKind::UnexpectedEof {
            return "unexpected EOF".into();
        }
        match &self.0 {
            Some((local, peer)) => format!("read tcp {local}->{peer}: read: {}", system(error)),
            None => format!("read: {}", system(error)),
        }
    }

    /// A handshake that failed.
    pub fn handshake(&self, error: &Error) -> String {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => tls(error),
            None if error.kind() == ErrorKind::UnexpectedEof => "EOF".into(),
            None => self.read(error),
        }
    }

    /// A request that brought no answer, or not a whole one.
    pub fn exchange(&self, error: &hyper::Error) -> String {
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(error) = inner.downcast_ref::<Error>() {
                return match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                    Some(error) => tls(error),
                    None if error.kind() == ErrorKind::UnexpectedEof => "EOF".into(),
                    None => self.read(error),
                };
            }
            if let Some(error) = inner.downcast_ref::<h2::Error>() {
                return http2(error, self);
            }
            source = inner.source();
        }
        match error {
            error if error.is_parse() => {
                "net/http: HTTP/1.x transport connection broken: malformed HTTP response".into()
            }
            error if error.is_incomplete_message() || error.is_canceled() || error.is_closed() => {
                "EOF".into()
            }
            error => error.to_string(),
        }
    }
}

fn http2(error: &h2::Error, ends: &Ends) -> String {
    if let Some(error) = error.get_io() {
        return if error.kind() == ErrorKind::UnexpectedEof { "EOF".into() } else { ends.read(error) };
    }
    let reason = error.reason().map(|reason| format!("{reason:?}")).unwrap_or_else(|| error.to_string());
    match (error.is_go_away(), error.is_remote()) {
        (true, _) => format!("http2: server sent GOAWAY and closed the connection; ErrCode={reason}"),
        (false, true) => format!("stream error: {reason}; received from peer"),
        (false, false) => format!("stream error: {reason}"),
    }
}

/// An error of TLS: an invalid certificate, an alert of the other side, or no TLS at all.
pub fn tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => {
            format!("tls: failed to verify certificate: {}", certificate(error))
        }
        rustls::Error::AlertReceived(alert) => format!("remote error: tls: {}", alert_text(*alert)),
        rustls::Error::InvalidMessage(_) => "tls: first record does not look like a TLS handshake".into(),
        rustls::Error::PeerIncompatible(_) => "tls: server selected unsupported protocol version".into(),
        other => format!("tls: {other}"),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Other(other) => other.to_string(),
        CertificateError::BadSignature
        | CertificateError::UnknownIssuer
        | CertificateError::UnhandledCriticalExtension => {
            "x509: certificate signed by unknown authority".into()
        }
        CertificateError::BadEncoding => "x509: malformed certificate".into(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "x509: certificate specifies an incompatible key usage".into()
        }
        other => format!("x509: {other}"),
    }
}

fn alert_text(alert: AlertDescription) -> String {
    let text = match alert {
        AlertDescription::CloseNotify => "close notify",
        AlertDescription::UnexpectedMessage => "unexpected message",
        AlertDescription::BadRecordMac => "bad record MAC",
        AlertDescription::HandshakeFailure => "handshake failure",
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::UnsupportedCertificate => "unsupported certificate",
        AlertDescription::CertificateRevoked => "revoked certificate",
        AlertDescription::CertificateExpired => "expired certificate",
        AlertDescription::CertificateUnknown => "unknown certificate",
        AlertDescription::UnknownCA => "unknown certificate authority",
        AlertDescription::AccessDenied => "access denied",
        AlertDescription::DecryptError => "error decrypting message",
        AlertDescription::ProtocolVersion => "protocol version not supported",
        AlertDescription::InsufficientSecurity => "insufficient security level",
        AlertDescription::InternalError => "internal error",
        AlertDescription::UnrecognisedName => "unrecognized name",
        AlertDescription::CertificateRequired => "certificate required",
        AlertDescription::NoApplicationProtocol => "no application protocol",
        other => return format!("alert({})", u8::from(other)),
    };
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_have_no_numbers() {
        let refused = Error::from_raw_os_error(111);
        let address = "127.0.0.1:1".parse().unwrap();
        assert_eq!(dial(address, &refused), "dial tcp 127.0.0.1:1: connect: connection refused");
        let late = Error::from(ErrorKind::TimedOut);
        assert_eq!(dial(address, &late), "dial tcp 127.0.0.1:1: i/o timeout");
        assert_eq!(request("POST", "https://a/b?c=d"), "Post \"https://a/b?c=d\"");
        assert_eq!(lookup("a", Some("10.0.0.2")), "dial tcp: lookup a on 10.0.0.2:53: no such host");
    }
}
