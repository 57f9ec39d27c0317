//! Who a client is: its token, reviewed by Kubernetes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::{Api, Client, api::PostParams};
use model::l7::GatewayKey;
use prost_types::value::Kind;
use sha2::{Digest, Sha256};
use tonic::{Status, metadata::MetadataMap};
use tracing::warn;
use xds::{
    proto::discovery::Node,
    server::{Admit, Reader},
};

use crate::proof::Waypoints;

/// The audience that tokens must be made for.
const AUDIENCE: &str = "istio-ca";
/// How the node id of a waypoint begins.
const WAYPOINT: &str = "waypoint";
/// The metadata in which a waypoint names its gateway, which is in its own namespace.
const GATEWAY_NAME: &str = "GATEWAY_NAME";
/// How long a review is believed: a stream of requests of one node costs one review.
const BELIEVED: Duration = Duration::from_secs(30);
/// The most reviews that are remembered.
const REMEMBERED: usize = 4096;
/// How long a review may take.
const REVIEW_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that proved who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The namespace of its service account.
    pub namespace: String,
    /// The service account.
    pub service_account: String,
    /// The pod it runs in, if its token is bound to one.
    pub pod: Option<String>,
    /// The unique name of that pod.
    pub pod_uid: Option<String>,
}

/// Reviews tokens.
pub struct Authenticator {
    client: Client,
    reviewed: Mutex<HashMap<[u8; 32], (Instant, Caller)>>,
}

impl Authenticator {
    /// Makes one that asks this API.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, reviewed: Mutex::default() }
    }

    /// Finds out who sends these headers.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` with the reason; `UNAVAILABLE` when Kubernetes does not answer.
    pub async fn caller(&self, metadata: &MetadataMap) -> Result<Caller, Status> {
        let header = metadata.get("authorization").and_then(|v| v.to_str().ok());
        let token = header
            .and_then(|h| h.strip_prefix("Bearer "))
            .ok_or_else(|| Status::unauthenticated("no bearer token: want a Kubernetes token for audience istio-ca"))?;
        // The hash, so that no token stays in memory longer than its request.
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        {
            let mut reviewed = self.reviewed.lock().unwrap_or_else(PoisonError::into_inner);
            reviewed.retain(|_, (when, _)| when.elapsed() < BELIEVED);
            if let Some((_, caller)) = reviewed.get(&hash) {
                return Ok(caller.clone());
            }
        }
        let caller = self.review(token).await?;
        let mut reviewed = self.reviewed.lock().unwrap_or_else(PoisonError::into_inner);
        if reviewed.len() < REMEMBERED {
            reviewed.insert(hash, (Instant::now(), caller.clone()));
        }
        Ok(caller)
    }

    async fn review(&self, token: &str) -> Result<Caller, Status> {
        let spec = TokenReviewSpec { token: Some(token.to_owned()), audiences: Some(vec![AUDIENCE.to_owned()]) };
        let review = TokenReview { spec, ..TokenReview::default() };
        let api = Api::<TokenReview>::all(self.client.clone());
        let how = PostParams::default();
        let answer = tokio::time::timeout(REVIEW_TIMEOUT, api.create(&how, &review)).await;
        let answer = answer.map_err(|_| Status::unavailable("Kubernetes did not review the token in time"))?.map_err(
            |error| {
                warn!(%error, "token review failed");
                Status::unavailable("Kubernetes could not review the token")
            },
        )?;
        let status = answer.status.unwrap_or_default();
        let for_us = status.audiences.iter().flatten().any(|a| a == AUDIENCE);
        if status.authenticated != Some(true) || !for_us {
            let reason = status.error.unwrap_or_else(|| "expired, or for another audience than istio-ca".to_owned());
            return Err(Status::unauthenticated(format!("the token is not valid: {reason}")));
        }
        let user = status.user.unwrap_or_default();
        let name = user.username.unwrap_or_default();
        let (namespace, service_account) = name
            .strip_prefix("system:serviceaccount:")
            .and_then(|n| n.split_once(':'))
            .ok_or_else(|| Status::unauthenticated("the token is not that of a service account"))?;
        let extra = user.extra.unwrap_or_default();
        let first = |key: &str| extra.get(key).and_then(|v| v.first().cloned());
        Ok(Caller {
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
            pod: first("authentication.kubernetes.io/pod-name"),
            pod_uid: first("authentication.kubernetes.io/pod-uid"),
        })
    }
}

/// Lets clients of discovery in: the node id must be the caller's own, and a waypoint must be one.
#[derive(Clone)]
pub struct Gate {
    /// Knows callers.
    pub authenticator: Arc<Authenticator>,
    /// Knows waypoints.
    pub waypoints: Waypoints,
}

impl Admit for Gate {
    async fn admit(&self, metadata: &MetadataMap, node: &Node) -> Result<Reader, Status> {
        let caller = self.authenticator.caller(metadata).await?;
        // type~ip~pod.namespace~namespace.svc.domain
        let parts: Vec<&str> = node.id.split('~').collect();
        let [kind, _, name, _] = parts[..] else {
            return Err(Status::invalid_argument(format!("node id {:?} is not type~ip~pod.namespace~domain", node.id)));
        };
        let (pod, namespace) = name.rsplit_once('.').unwrap_or((name, ""));
        if namespace != caller.namespace || caller.pod.as_deref().is_some_and(|own| own != pod) {
            let own = format!("{}.{}", caller.pod.as_deref().unwrap_or("*"), caller.namespace);
            return Err(Status::permission_denied(format!("node id names pod {name}, but the token is that of {own}")));
        }
        if kind != WAYPOINT {
            return Ok(Reader::Proxy);
        }
        let gateway = gateway_name(node)
            .ok_or_else(|| Status::invalid_argument(format!("a waypoint's node has metadata {GATEWAY_NAME}")))?;
        self.waypoints.proves(&caller, gateway)?;
        Ok(Reader::Waypoint(GatewayKey { namespace: (*caller.namespace).into(), name: gateway.into() }))
    }
}

fn gateway_name(node: &Node) -> Option<&str> {
    match node.metadata.as_ref()?.fields.get(GATEWAY_NAME)?.kind.as_ref()? {
        Kind::StringValue(name) if !name.is_empty() => Some(name),
        _ => None,
    }
}
