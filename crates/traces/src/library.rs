//! The library that makes a span, and the part that the span has in an exchange.

/// The library that makes upstream's span of the same name: its instrumentation scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// Requests and answers of HTTP.
    Http,
    /// Calls of gRPC.
    Grpc,
    /// The stages of a request before it is acted on.
    Stages,
    /// Everything else.
    Component,
}

impl Library {
    pub(crate) const ALL: [Library; 4] = [Library::Http, Library::Grpc, Library::Stages, Library::Component];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Library::Http => "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",
            Library::Grpc => "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc",
            Library::Stages => "k8s.op/apiserver/pkg/endpoints/filterlatency",
            Library::Component => "k8s.io/component-base/tracing",
        }
    }
}

/// The part of the program that a span has in an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Internal = 1,
    Server = 2,
    Client = 3,
}
