//! pintle-server
