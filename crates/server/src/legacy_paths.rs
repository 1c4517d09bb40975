//! Proxies at legacy paths (`--legacy-proxy-paths`), which are mapped to those of today and need the same rights.

/// The current path for a legacy one: `/api/v1/proxy/nodes/N/rest` is `/api/v1/nodes/N/proxy/rest`.
pub fn moved(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/api/v1/proxy/")?;
    let (place, rest) = match rest.strip_prefix("namespaces/") {
        Some(rest) => {
            let (namespace, rest) = rest.split_once('/')?;
            (format!("namespaces/{namespace}/"), rest)
        }
        None => (String::new(), rest),
    };
    let (resource, rest) = rest.split_once('/')?;
    let is_known = match place.is_empty() {
        true => resource == "nodes",
        false => matches!(resource, "pods" | "services"),
    };
    let (name, rest) =
        rest.split_once('/').map_or((rest, String::new()), |(name, rest)| (name, format!("/{rest}")));
    (is_known && !name.is_empty()).then(|| format!("/api/v1/{place}{resource}/{name}/proxy{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_paths_stand_for_new_ones() {
        for (old, new) in [
            ("/api/v1/proxy/nodes/n:10250/logs/", Some("/api/v1/nodes/n:10250/proxy/logs/")),
            ("/api/v1/proxy/nodes/n", Some("/api/v1/nodes/n/proxy")),
            ("/api/v1/proxy/namespaces/a/pods/p/x/y", Some("/api/v1/namespaces/a/pods/p/proxy/x/y")),
            ("/api/v1/proxy/namespaces/a/services/s/", Some("/api/v1/namespaces/a/services/s/proxy/")),
            ("/api/v1/proxy/namespaces/a/secrets/s/", None),
            ("/api/v1/proxy/namespaces/a", None),
            ("/api/v1/proxy/pods/p", None),
            ("/api/v1/nodes/n/proxy", None),
        ] {
            assert_eq!(moved(old).as_deref(), new, "{old}");
        }
    }
}
