//! The rooms of the house: which crate may use which, and which of them are pure.

use crate::tidy::files::names;
use std::fs;
use std::path::Path;

/// The crates in their order: each uses only those before it.
const ORDER: [&str; 25] = [
    "object",
    "x509",
    "regexp",
    "logs",
    "metrics",
    "cel",
    "schema",
    "openapi",
    "kinds",
    "patch",
    "traces",
    "profiles",
    "store",
    "fairness",
    "outbound",
    "proxy",
    "audit",
    "encryption",
    "access",
    "engine",
    "admission",
    "controllers",
    "server",
    "pintle",
    "testkit",
];

/// Crates without I/O, threads and state.
const PURE: [&str; 8] = ["object", "regexp", "cel", "schema", "openapi", "kinds", "patch", "fairness"];

/// Signs of what pure crates leave to others.
const IMPURE: [&str; 10] = [
    "LazyLock",
    "static mut",
    "std::env",
    "std::fs",
    "std::net::Tcp",
    "std::thread",
    "thread_local!",
    "tokio::",
    "SystemTime::now",
    "Instant::now",
];

pub fn check() -> Result<Vec<String>, String> {
    let entries = fs::read_dir("crates").map_err(|error| format!("crates: {error}"))?;
    let mut complaints = Vec::new();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let Ok(manifest) = fs::read_to_string(path.join("Cargo.toml")) else { continue };
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        complaints.extend(check_order(name, &manifest));
    }
    complaints.sort();
    Ok(complaints)
}

fn check_order(name: &str, manifest: &str) -> Vec<String> {
    let rank = |name: &str| ORDER.iter().position(|known| *known == name);
    let Some(own) = rank(name) else {
        return vec![format!("crates/{name}: has no place in the order of crates (xtask/src/tidy/rooms.rs)")];
    };
    let used = names(manifest, "[dependencies]").into_iter().filter_map(|used| used.strip_prefix("pintle-"));
    let back = used.filter(|used| rank(used).is_none_or(|rank| rank >= own));
    back.map(|used| format!("crates/{name}: uses {used}, which does not come before it")).collect()
}

pub fn check_purity(path: &Path, text: &str) -> Vec<String> {
    let is_pure = PURE.iter().any(|name| path.starts_with(format!("crates/{name}/src")));
    if !is_pure || path.components().any(|part| part.as_os_str().to_string_lossy().contains("test")) {
        return Vec::new();
    }
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let found = IMPURE.iter().filter(|sign| code.contains(*sign));
    found.map(|sign| format!("{sign} in a pure crate")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_crate_uses_a_later_one() {
        for (name, used, expected) in
            [("store", "object", 0), ("object", "store", 1), ("unknown", "object", 1)]
        {
            let manifest = format!("[dependencies]\npintle-{used}.workspace = true\n");
            assert_eq!(check_order(name, &manifest).len(), expected, "{name} on {used}");
        }
    }

    #[test]
    fn pure_crates_have_no_state_and_no_io() {
        let text = "use std::fs;\n#[cfg(test)]\nmod tests { use std::thread; }\n";
        for (path, expected) in [
            ("crates/kinds/src/pod.rs", 1),
            ("crates/store/src/store.rs", 0),
            ("crates/kinds/src/tests.rs", 0),
        ] {
            assert_eq!(check_purity(Path::new(path), text).len(), expected, "{path}");
        }
    }
}
