//! Tests of the whole product: a real process, real TLS, plain HTTP and the real kubectl.

mod admission;
mod authentication;
mod authentication_kubectl;
mod authentication_remote;
mod authorization;
mod authorization_matrix;
mod authorization_paths;
mod authorization_remote;
mod bad_input;
mod connections;
mod crashes;
mod crud;
mod custom;
mod deploy;
mod etcd;
mod histories;
mod kept;
mod kubectl;
mod lists;
mod one_engine;
mod openapi;
mod quota;
mod served_apis;
mod snapshot;
mod start;
mod watches;
