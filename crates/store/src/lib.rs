//! pintle-store
