//! Any text as a continue token: refused, or a key below the prefix of the list and nowhere else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pintle_engine::continue_token::Continue;

const PREFIX: &str = "/registry/pods/default/";

fuzz_target!(|text: &str| {
    if let Ok(token) = Continue::decode(text, PREFIX) {
        assert!(token.key.starts_with(PREFIX));
        assert!(!token.key.split('/').any(|part| part == ".." || part == "."));
    }
    let token = Continue::encode(&format!("{PREFIX}{text}"), PREFIX, 7);
    if let Ok(read) = Continue::decode(&token, PREFIX) {
        assert_eq!(read.revision, 7);
    }
});
