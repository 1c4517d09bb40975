//! pintle-testkit
