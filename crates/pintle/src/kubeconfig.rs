//! The kubeconfig of the administrator.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The text of a kubeconfig with its certificates inside.
pub fn text(server: &str, ca_pem: &str, certificate_pem: &str, key_pem: &str) -> String {
    let [ca, certificate, key] = [ca_pem, certificate_pem, key_pem].map(|pem| STANDARD.encode(pem));
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: pintle
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: admin
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: pintle
  context:
    cluster: pintle
    user: admin
current-context: pintle
"
    )
}
