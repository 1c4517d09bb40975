//! Tests that drive pintle with the `kube` crate as an independent client; see `tests/`.
