//! pintle-cel
