//! Tests of the whole product: a real process, real TLS, plain HTTP and the real kubectl.

mod admission;
mod authentication;
mod authentication_kubectl;
mod authentication_remote;
mod authorization;
mod authorization_matrix;
mod bad_input;
mod crashes;
mod crud;
mod custom;
mod deploy;
mod etcd;
mod histories;
mod kubectl;
mod lists;
mod one_engine;
mod openapi;
mod quota;
mod snapshot;
mod start;
mod watches;
