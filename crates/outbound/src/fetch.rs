//! `fetch`: gets a document by its address, following redirects.

use crate::client::{Answer, Client};
use crate::credential::Credential;
use crate::failure::Failure;
use crate::tls::Tls;
use crate::url::Url;
use hyper::Method;
use std::time::Duration;

/// The number of redirects that are followed.
const REDIRECTS_MAX: usize = 10;

/// Gets a document that anyone may have; its address may have a query.
pub async fn fetch(address: &str, tls: &Tls, within: Duration) -> Result<Answer, Failure> {
    let mut address = address.to_string();
    for _ in 0..=REDIRECTS_MAX {
        let (server, path) = parse(&address).map_err(Failure::Unreachable)?;
        let client = Client::new(server.clone(), tls.clone(), Credential::None);
        let client = client.map_err(Failure::Unreachable)?;
        let answer = client.send(Method::GET, &path, None, within).await?;
        let is_elsewhere = matches!(answer.code, 301 | 302 | 303 | 307 | 308);
        let Some(location) = answer.header("location").filter(|_| is_elsewhere) else {
            return answer.success();
        };
        address = match location.starts_with('/') {
            true => server.with_path(location).to_string(),
            false => location.to_string(),
        };
    }
    Err(Failure::Nonsense(format!("stopped after {REDIRECTS_MAX} redirects")))
}

/// The server, and the path with its query.
fn parse(address: &str) -> Result<(Url, String), String> {
    let address = address.split('#').next().unwrap_or(address);
    let (base, query) = address.split_once('?').unwrap_or((address, ""));
    let server = Url::parse(base)?;
    let path = if server.path.is_empty() { "/" } else { &server.path };
    let path = if query.is_empty() { path.to_string() } else { format!("{path}?{query}") };
    Ok((server, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_belong_to_the_path() {
        for (address, expected) in [
            ("https://h", "/"),
            ("https://h/a?b=c#d", "/a?b=c"),
            ("http://h:1?b", "/?b"),
            ("https://h/a/", "/a/"),
        ] {
            assert_eq!(parse(address).unwrap().1, expected, "{address}");
        }
        assert!(parse("h/a").is_err());
    }
}
