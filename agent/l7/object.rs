//! The objects that conversions are of, as they were read, and the last version of each that was right.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use source::{
    Kind,
    api::{
        self,
        authorization::AuthorizationPolicySpec,
        backend_policy::{BackendTlsPolicySpec, XBackendTrafficPolicySpec},
        destination_rule::DestinationRuleSpec,
        grpc_route::GrpcRouteSpec,
        http_route::HttpRouteSpec,
        rate_limit::RateLimitSpec,
        request_authentication::RequestAuthenticationSpec,
        stream_route::{TcpRouteSpec, TlsRouteSpec},
        telemetry::TelemetrySpec,
        virtual_service::VirtualServiceSpec,
    },
    labels,
    object::Custom,
};

use crate::l7::policy::Targeted;

/// The kinds that conversions are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are those of the API
pub enum Sort {
    HTTPRoute,
    GRPCRoute,
    TLSRoute,
    TCPRoute,
    VirtualService,
    DestinationRule,
    BackendTLSPolicy,
    XBackendTrafficPolicy,
    AuthorizationPolicy,
    RequestAuthentication,
    Telemetry,
    RateLimit,
}

impl Sort {
    const ALL: [Self; 12] = [
        Self::HTTPRoute,
        Self::GRPCRoute,
        Self::TLSRoute,
        Self::TCPRoute,
        Self::VirtualService,
        Self::DestinationRule,
        Self::BackendTLSPolicy,
        Self::XBackendTrafficPolicy,
        Self::AuthorizationPolicy,
        Self::RequestAuthentication,
        Self::Telemetry,
        Self::RateLimit,
    ];

    /// Returns that of a kind of the source, if conversions are of it.
    #[must_use]
    pub fn of(kind: Kind) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.kind() == kind)
    }

    /// Returns the kind of the source.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::HTTPRoute => Kind::HTTPRoute,
            Self::GRPCRoute => Kind::GRPCRoute,
            Self::TLSRoute => Kind::TLSRoute,
            Self::TCPRoute => Kind::TCPRoute,
            Self::VirtualService => Kind::VirtualService,
            Self::DestinationRule => Kind::DestinationRule,
            Self::BackendTLSPolicy => Kind::BackendTLSPolicy,
            Self::XBackendTrafficPolicy => Kind::XBackendTrafficPolicy,
            Self::AuthorizationPolicy => Kind::AuthorizationPolicy,
            Self::RequestAuthentication => Kind::RequestAuthentication,
            Self::Telemetry => Kind::Telemetry,
            Self::RateLimit => Kind::RateLimit,
        }
    }
}

/// One object.
#[derive(Clone, Debug)]
pub struct Object {
    /// When it was made.
    pub created: String,
    /// The generation of its specification.
    pub generation: i64,
    /// Its specification.
    pub spec: Spec,
}

/// A specification of one of the kinds.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // the names are those of the API
pub enum Spec {
    HTTPRoute(Versions<HttpRouteSpec>),
    GRPCRoute(Versions<GrpcRouteSpec>),
    TLSRoute(Versions<TlsRouteSpec>),
    TCPRoute(Versions<TcpRouteSpec>),
    VirtualService(Versions<VirtualServiceSpec>),
    DestinationRule(Versions<DestinationRuleSpec>),
    BackendTLSPolicy(Versions<BackendTlsPolicySpec>),
    XBackendTrafficPolicy(Versions<XBackendTrafficPolicySpec>),
    AuthorizationPolicy { versions: Versions<AuthorizationPolicySpec>, targeted: Targeted, dry_run: bool },
    RequestAuthentication { versions: Versions<RequestAuthenticationSpec>, targeted: Targeted },
    Telemetry { versions: Versions<TelemetrySpec>, targeted: Targeted },
    RateLimit(Versions<RateLimitSpec>),
}

/// A specification as it is, and as it was when it was right.
#[derive(Clone, Debug)]
pub struct Versions<S> {
    /// As it is; none if it cannot be read.
    pub now: Option<Arc<S>>,
    /// What is wrong with it.
    pub faults: Vec<String>,
    /// The last one that was right, and its generation.
    pub good: Option<(i64, Arc<S>)>,
}

impl<S: DeserializeOwned> Versions<S> {
    fn read(spec: &Value, before: Option<Self>) -> Self {
        let api::Read { spec, faults } = api::read::<S>(spec);
        Self { now: spec.map(Arc::new), faults, good: before.and_then(|b| b.good) }
    }
}

impl<S> Versions<S> {
    /// Notes that the specification, as it is, is right.
    pub fn approve(&mut self, generation: i64) {
        self.good = self.now.clone().map(|spec| (generation, spec));
    }

    /// Says what stays while the specification is wrong.
    #[must_use]
    pub fn stays(&self) -> String {
        match &self.good {
            Some((generation, _)) => format!("what generation {generation} says stays in effect"),
            None => "it has no effect".to_owned(),
        }
    }
}

impl Object {
    /// Reads an object of a kind, which may have been there before.
    #[must_use]
    pub fn read(sort: Sort, custom: &Custom, before: Option<Self>) -> Self {
        let (spec, before) = (&custom.spec, before.map(|b| b.spec));
        macro_rules! versions {
            ($kind:ident) => {
                Spec::$kind(Versions::read(
                    spec,
                    match before {
                        Some(Spec::$kind(before)) => Some(before),
                        _ => None,
                    },
                ))
            };
        }
        let spec = match sort {
            Sort::HTTPRoute => versions!(HTTPRoute),
            Sort::GRPCRoute => versions!(GRPCRoute),
            Sort::TLSRoute => versions!(TLSRoute),
            Sort::TCPRoute => versions!(TCPRoute),
            Sort::VirtualService => versions!(VirtualService),
            Sort::DestinationRule => versions!(DestinationRule),
            Sort::BackendTLSPolicy => versions!(BackendTLSPolicy),
            Sort::XBackendTrafficPolicy => versions!(XBackendTrafficPolicy),
            Sort::RateLimit => versions!(RateLimit),
            // Of policies no earlier version counts: what one says now may be to keep somebody out.
            Sort::AuthorizationPolicy => Spec::AuthorizationPolicy {
                versions: Versions::read(spec, None),
                targeted: Targeted::read(spec),
                dry_run: custom.annotations.get(labels::DRY_RUN).is_some_and(|v| v == "true"),
            },
            Sort::RequestAuthentication => {
                Spec::RequestAuthentication { versions: Versions::read(spec, None), targeted: Targeted::read(spec) }
            }
            Sort::Telemetry => {
                let before = match before {
                    Some(Spec::Telemetry { versions, .. }) => Some(versions),
                    _ => None,
                };
                Spec::Telemetry { versions: Versions::read(spec, before), targeted: Targeted::read(spec) }
            }
        };
        Self { created: custom.created.clone(), generation: custom.generation, spec }
    }
}
