//! pintle-admission
