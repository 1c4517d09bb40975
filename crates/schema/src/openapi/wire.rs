//! Documents in protobuf.
