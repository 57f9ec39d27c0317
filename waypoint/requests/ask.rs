//! Requests of the proxy's own, to a service that it asks about a client's: whole answers, in little time.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, Uri, response::Parts};
use http_body_util::{BodyExt, Collected, Limited};
use hyper::body::Incoming;
use model::l7::route::BackendTarget;
use tower::Service;

use super::replay::Outgoing;
use crate::{
    inbound::Inbound,
    upstream::{self, Busy, Checkout, Endpoint, Hints, Version, Wanted},
};

/// The largest answer, bytes.
const MAX_ANSWER: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was named cannot be asked.
    #[error("{0}")]
    Target(String),
    /// None of its endpoints can be asked.
    #[error(transparent)]
    Choose(#[from] upstream::Failure),
    /// The question did not arrive.
    #[error(transparent)]
    Send(#[from] upstream::SendError),
    /// The answer is none.
    #[error("its answer is none: {0}")]
    Answer(String),
    /// It says that it failed.
    #[error("it said {0}")]
    Status(String),
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        let text = format!("{:?} {}", status.code(), status.message());
        Self::Status(runtime::error::with_causes(text, &status))
    }
}

/// Finds whom to ask.
///
/// # Errors
/// Nobody, or nobody who could answer.
pub async fn endpoint(inbound: &Inbound, target: &BackendTarget) -> Result<Endpoint, Failure> {
    let wanted = Wanted::of_backend(target, inbound.target.port()).map_err(Failure::Target)?;
    Ok(upstream::choose(inbound, &wanted, &[], &mut Hints::default()).await?)
}

/// The rest of an answer, behind its head.
pub struct Rest {
    body: Incoming,
    checkout: Checkout,
    _busy: Busy,
}

impl Rest {
    /// Reads it to its end.
    ///
    /// # Errors
    /// It does not end, or is too large.
    pub async fn whole(self) -> Result<Collected<Bytes>, Failure> {
        let body = Limited::new(self.body, MAX_ANSWER).collect().await;
        let body = body.map_err(|error| Failure::Answer(error.to_string()))?;
        self.checkout.done();
        Ok(body)
    }
}

/// Sends a request and takes the head of the answer.
///
/// # Errors
/// A question that does not arrive, or an answer that does not.
pub async fn head(
    inbound: &Arc<Inbound>,
    endpoint: &Endpoint,
    version: Version,
    request: Request<Outgoing>,
) -> Result<(Parts, Rest), Failure> {
    let busy = endpoint.load.begin(None);
    let (answer, checkout) = inbound.shared.upstreams().send(&inbound.shared, endpoint, version, request).await?;
    let (parts, body) = answer.into_parts();
    Ok((parts, Rest { body, checkout, _busy: busy }))
}

/// Sends a request and takes the whole answer.
///
/// # Errors
/// A question that does not arrive, or an answer that does not, or is too large.
pub async fn send(
    inbound: &Arc<Inbound>,
    endpoint: &Endpoint,
    version: Version,
    request: Request<Outgoing>,
) -> Result<Response<Collected<Bytes>>, Failure> {
    let (parts, rest) = head(inbound, endpoint, version, request).await?;
    Ok(Response::from_parts(parts, rest.whole().await?))
}

/// What a client of gRPC sends its calls through.
pub struct Channel {
    inbound: Arc<Inbound>,
    endpoint: Arc<Endpoint>,
}

/// Returns what a client of gRPC sends its calls through, and the origin that they have.
///
/// # Errors
/// Nobody who could answer.
pub async fn grpc(inbound: &Arc<Inbound>, target: &BackendTarget) -> Result<(Channel, Uri), Failure> {
    let endpoint = Arc::new(endpoint(inbound, target).await?);
    let authority = match target {
        BackendTarget::Service { service, .. } => &*service.hostname,
        BackendTarget::Invalid(_) => "localhost",
    };
    let origin = Uri::builder().scheme("http").authority(authority).path_and_query("/").build();
    let origin = origin.map_err(|error| Failure::Target(error.to_string()))?;
    Ok((Channel { inbound: inbound.clone(), endpoint }, origin))
}

impl Service<Request<tonic::body::Body>> for Channel {
    type Response = Response<Collected<Bytes>>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let (inbound, endpoint) = (self.inbound.clone(), self.endpoint.clone());
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(|status| Failure::Status(status.to_string()))?;
            let request = Request::from_parts(parts, Outgoing::own(body.to_bytes()));
            send(&inbound, &endpoint, Version::Http2, request).await
        })
    }
}
