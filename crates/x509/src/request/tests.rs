//! Requests made with rcgen and bent: which are refused, and in which words.

use super::*;
use rcgen::{
    CertificateParams, DnType, DnValue, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
};

fn request(name: DnValue, key: &KeyPair) -> Vec<u8> {
    let mut params = CertificateParams::new(vec!["example.com".into(), "10.0.0.1".into()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "me");
    params.distinguished_name.push(DnType::OrganizationName, name);
    params.serialize_request(key).unwrap().der().to_vec()
}

fn pem_text(kind: &str, bytes: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
}

fn refusal(text: &str) -> String {
    let checked = CertificateRequest::from_pem(text.as_bytes()).and_then(|request| request.check_signature());
    checked.err().map(|why| why.to_string()).unwrap_or_default()
}

#[test]
fn requests_of_all_keys_are_read_and_checked() {
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let bytes = request("dev".into(), &key);
        let read = CertificateRequest::parse(&bytes).unwrap();
        assert_eq!(read.subject, Subject { common_name: "me".into(), organizations: vec!["dev".into()] });
        assert_eq!(read.check_signature(), Ok(()));
        let mut bent = bytes.clone();
        *bent.last_mut().unwrap() ^= 1;
        assert!(refusal(&pem_text("CERTIFICATE REQUEST", &bent)).ends_with("verification failure"));
    }
}

#[test]
fn subjects_count_in_every_string_type_and_behind_headers_and_decoys() {
    let key = KeyPair::generate().unwrap();
    let masters = "system:masters";
    let names = [
        DnValue::Utf8String(masters.into()),
        DnValue::BmpString(masters.try_into().unwrap()),
        DnValue::TeletexString(masters.try_into().unwrap()),
        DnValue::PrintableString(masters.try_into().unwrap()),
        DnValue::Ia5String(masters.try_into().unwrap()),
    ];
    for name in names {
        let text = pem_text("CERTIFICATE REQUEST", &request(name, &key));
        let headers = text.replacen("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n", 1);
        let decoy = format!("-----BEGIN CERTIFICATE REQUEST-----\nAAAA{text}");
        let decoy_line = format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}");
        for text in [&text, &headers, &decoy_line] {
            let read = CertificateRequest::from_pem(text.as_bytes()).unwrap();
            assert_eq!(read.subject.organizations, [masters], "{text}");
        }
        assert!(CertificateRequest::from_pem(decoy.as_bytes()).is_err());
    }
}

#[test]
fn what_is_no_request_is_refused_in_gos_words() {
    let key = KeyPair::generate().unwrap();
    let bytes = request("dev".into(), &key);
    let other = request("dev".into(), &KeyPair::generate().unwrap());
    let kind = "CERTIFICATE REQUEST";
    let check = |text: String, expected: &str| assert_eq!(refusal(&text), expected);
    check(pem_text(kind, &bytes), "");
    check(pem_text("NEW CERTIFICATE REQUEST", &bytes), "PEM block type must be CERTIFICATE REQUEST");
    check("x".into(), "PEM block type must be CERTIFICATE REQUEST");
    let first = [pem_text("X", b"x"), pem_text(kind, &bytes)].concat();
    check(first, "PEM block type must be CERTIFICATE REQUEST");
    check(pem_text(kind, b""), "asn1: syntax error: sequence truncated");
    check(pem_text(kind, &bytes[..20]), "asn1: syntax error: data truncated");
    check(pem_text(kind, &[bytes.as_slice(), b"x"].concat()), "asn1: syntax error: trailing data");
    let (signed, signature) = (bytes.len() - 72, other.len() - 72);
    let _ = (signed, signature);
    let mismatch = pem_text(kind, &[0x04, 0]);
    check(
        mismatch,
        "asn1: structure error: tags don't match (16 vs {class:0 tag:4 length:0 isCompound:false}) \
         {optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 \
         timeType:0 set:false omitEmpty:false} certificateRequest @2",
    );
}
