//! What is known of one request when it has ended, and how expressions and formats ask for it.

use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue, Version};
use model::{
    Identity, Service, Workload,
    l7::{
        expression::{Attribute, Attributes, PeerField, RequestField, ResponseField, Side, Value},
        route::HttpRule,
        telemetry::{Field, Operator},
    },
};

use super::context::Context;

/// What is known of one request.
pub struct Facts {
    /// When it began.
    pub time: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// The method.
    pub method: http::Method,
    /// The path, with the query.
    pub path: String,
    /// The authority.
    pub authority: String,
    /// Its id.
    pub id: Option<HeaderValue>,
    /// How the client spoke.
    pub version: Version,
    /// It is of gRPC.
    pub is_grpc: bool,
    /// The status.
    pub status: u16,
    /// That of gRPC.
    pub grpc: Option<u32>,
    /// The response flags.
    pub flags: String,
    /// Why it came so.
    pub reason: Option<String>,
    /// The rule that it followed.
    pub rule: Option<Arc<HttpRule>>,
    /// The client's address.
    pub client: SocketAddr,
    /// The client's identity.
    pub identity: Identity,
    /// The client.
    pub source: Option<Arc<Workload>>,
    /// The address that was asked for.
    pub asked: SocketAddr,
    /// Who answered.
    pub destination: Option<Arc<Workload>>,
    /// The service.
    pub service: Option<Arc<Service>>,
    /// The endpoint's address.
    pub address: Option<SocketAddr>,
    /// Its body, bytes.
    pub received: u64,
    /// The answer's body, bytes.
    pub sent: u64,
    /// Its headers, if somebody asks for any.
    pub headers: Option<HeaderMap>,
    /// The answer's.
    pub answered: Option<HeaderMap>,
    /// Its span.
    pub context: Option<Context>,
}

type Found<'f> = Option<Value<'f>>;

fn text<'t>(text: impl Into<Cow<'t, str>>) -> Found<'t> {
    Some(Value::Text(text.into()))
}

/// Makes a text that is there.
fn given(given: &str) -> Found<'_> {
    (!given.is_empty()).then_some(Value::Text(Cow::Borrowed(given)))
}

fn integer(number: impl TryInto<i64>) -> Found<'static> {
    number.try_into().ok().map(Value::Integer)
}

impl Facts {
    /// Returns the name of the rule that it followed.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        self.rule.as_deref().map(|rule| rule.origin.rule.as_deref().unwrap_or(&rule.name))
    }

    /// Returns what is told of the response flags.
    #[must_use]
    pub fn told_flags(&self) -> &str {
        if self.flags.is_empty() { "-" } else { &self.flags }
    }

    /// Returns a header of the request; those that begin with `:` are of its head (RFC 9113 8.3.1).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            ":authority" | "host" => (!self.authority.is_empty()).then(|| self.authority.as_str().into()),
            ":method" => Some(self.method.as_str().into()),
            ":path" => Some(self.path.as_str().into()),
            ":scheme" => Some("http".into()),
            // It may be ours, made after the others came.
            "x-request-id" => self.id.as_ref()?.to_str().ok().map(Into::into),
            _ => header(self.headers.as_ref()?, name),
        }
    }

    fn answered(&self, name: &str) -> Option<Cow<'_, str>> {
        if name == ":status" {
            return Some(self.status.to_string().into());
        }
        header(self.answered.as_ref()?, name)
    }

    fn request(&self, field: RequestField) -> Found<'_> {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        match field {
            RequestField::Host => given(&self.authority),
            RequestField::Method => given(self.method.as_str()),
            RequestField::Scheme => text("http"),
            RequestField::Path => given(&self.path),
            RequestField::UrlPath => given(path),
            RequestField::Query => text(query),
            RequestField::Id => text(self.id.as_ref()?.to_str().ok()?),
            RequestField::Protocol => text(protocol(self.version)),
            RequestField::Size => integer(self.received),
            RequestField::Duration => Some(Value::Double(self.duration.as_secs_f64())),
        }
    }

    fn response(&self, field: ResponseField) -> Found<'_> {
        match field {
            ResponseField::Code => integer(self.status).filter(|_| self.status != 0),
            ResponseField::CodeDetails => given(self.reason.as_deref()?),
            ResponseField::Flags => text(self.told_flags()),
            ResponseField::GrpcStatus => integer(self.grpc?),
            ResponseField::Size => integer(self.sent),
        }
    }

    /// Asks for something of one side.
    #[must_use]
    pub fn peer(&self, side: Side, field: PeerField) -> Found<'_> {
        let workload = match side {
            Side::Source => self.source.as_deref(),
            Side::Destination => self.destination.as_deref(),
        };
        let of = |field: fn(&Workload) -> &str| workload.map(field).and_then(given);
        let service = self.service.as_deref().filter(|_| side == Side::Destination);
        let address = if side == Side::Source { self.client } else { self.asked };
        match field {
            PeerField::Address => text(address.to_string()),
            PeerField::Port => integer(address.port()),
            PeerField::Principal if side == Side::Source => text(self.identity.to_string()),
            PeerField::Principal => text(workload?.identity().ok()?.to_string()),
            PeerField::Workload => of(|w| &w.workload_name),
            PeerField::Namespace => of(|w| &w.namespace),
            PeerField::App | PeerField::CanonicalService => of(|w| &w.canonical_name),
            PeerField::Version | PeerField::CanonicalRevision => of(|w| &w.canonical_revision),
            PeerField::Cluster => of(|w| &w.cluster_id),
            PeerField::Service => given(&service?.key.hostname),
            PeerField::ServiceName => given(&service?.name),
            PeerField::ServiceNamespace => given(&service?.key.namespace),
        }
    }

    /// Asks for what a command of a format says.
    #[must_use]
    pub fn said(&self, operator: &Operator) -> Found<'_> {
        match operator {
            Operator::StartTime(form) => text(super::log::time(self.time, form.as_deref())),
            Operator::RequestHeader(a, b) => text(self.header(a).or_else(|| self.header(b.as_deref()?))?),
            Operator::ResponseHeader(a, b) => text(self.answered(a).or_else(|| self.answered(b.as_deref()?))?),
            Operator::Field(field) => self.field(*field),
        }
    }

    fn field(&self, field: Field) -> Found<'_> {
        match field {
            // Envoy says 0 where no answer came.
            Field::ResponseCode => integer(self.status),
            Field::ResponseCodeDetails => given(self.reason.as_deref()?),
            Field::ResponseFlags => text(self.told_flags()),
            Field::GrpcStatus => integer(self.grpc?),
            Field::BytesSent => integer(self.sent),
            Field::BytesReceived => integer(self.received),
            Field::Duration => integer(self.duration.as_millis()),
            Field::UpstreamHost => text(self.address?.to_string()),
            Field::UpstreamCluster => given(&self.service.as_deref()?.key.hostname),
            Field::Protocol => text(protocol(self.version)),
            Field::DownstreamRemoteAddress => text(self.client.to_string()),
            Field::DownstreamRemoteAddressWithoutPort => text(self.client.ip().to_string()),
            Field::DownstreamLocalAddress => text(self.asked.to_string()),
            Field::DownstreamLocalAddressWithoutPort => text(self.asked.ip().to_string()),
            Field::DownstreamPeerUriSan => text(self.identity.to_string()),
            Field::RouteName => text(self.route()?),
            Field::TraceId => text(format!("{:032x}", self.context.as_ref()?.trace)),
            Field::RequestId => text(self.id.as_ref()?.to_str().ok()?),
            Field::Hostname => text(std::env::var("POD_NAME").ok()?),
            // TLS of a client's own ends at its destination: what is read here came without.
            Field::RequestedServerName | Field::Absent => None,
        }
    }
}

impl Attributes for Facts {
    fn attribute(&self, attribute: &Attribute) -> Found<'_> {
        match attribute {
            Attribute::Request(field) => self.request(*field),
            Attribute::RequestHeader(name) => self.header(name).map(Value::Text),
            Attribute::Response(field) => self.response(*field),
            Attribute::ResponseHeader(name) => self.answered(name).map(Value::Text),
            Attribute::Peer(side, field) => self.peer(*side, *field),
            Attribute::UpstreamAddress => text(self.address?.to_string()),
            Attribute::RouteName => text(self.route()?),
            Attribute::Mtls => Some(Value::Bool(true)),
        }
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<Cow<'h, str>> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
}

/// Says a version as Envoy does.
#[must_use]
pub fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}
