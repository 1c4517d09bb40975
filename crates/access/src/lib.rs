//! pintle-access
