//! pintle-patch
