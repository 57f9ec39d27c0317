//! The certificate service: signs for a caller itself, or, for a node proxy, for the pods of its node.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use identity::{
    ca::Authority,
    proto::{
        IstioCertificateRequest, IstioCertificateResponse, istio_certificate_service_server::IstioCertificateService,
    },
};
use model::Identity;
use prost_types::value::Kind as Json;
use source::{
    Change, Kind, Object,
    object::{ObjectKey, Pod},
};
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tracing::{info, warn};

use crate::auth::{Authenticator, Caller};

/// The lifetime of certificates for which none is asked.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// How long a request waits for a pod that this process has not been told of yet.
const CATCH_UP: Duration = Duration::from_secs(2);

struct Placed {
    uid: String,
    node: String,
    service_account: String,
}

/// Which pods run where, as far as certificates ask. Copies share it.
#[derive(Clone)]
pub struct Placement {
    pods: Arc<Mutex<HashMap<ObjectKey, Placed>>>,
    changed: watch::Sender<()>,
}

impl Default for Placement {
    fn default() -> Self {
        Self { pods: Arc::default(), changed: watch::Sender::new(()) }
    }
}

impl Placement {
    /// Takes a change in.
    pub fn apply(&self, change: &Change) {
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            // A pod that has ended entitles nobody to its identity.
            Change::Apply(Object::Pod(pod)) if pod.ended || pod.node.is_empty() => drop(pods.remove(&pod.key)),
            Change::Apply(Object::Pod(pod)) => drop(pods.insert(pod.key.clone(), placed(pod))),
            Change::Delete(Kind::Pod, key) => drop(pods.remove(key)),
            _ => return,
        }
        drop(pods);
        self.changed.send_replace(());
    }

    /// Tells whether a pod of the identity runs on the node of the caller's pod; says why not.
    fn entitles(&self, caller: &Caller, identity: &Identity) -> Result<(), String> {
        let pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        let name = caller.pod.clone().ok_or("the token is not bound to a pod")?;
        let own = ObjectKey { namespace: caller.namespace.clone(), name: name.clone() };
        let own = pods.get(&own).ok_or_else(|| format!("pod {name} is not known"))?;
        if caller.pod_uid.as_ref().is_some_and(|uid| *uid != own.uid) {
            return Err(format!("pod {name} is not the one that the token was made for"));
        }
        let hit = |(key, pod): (&ObjectKey, &Placed)| {
            pod.node == own.node
                && key.namespace == identity.namespace()
                && pod.service_account == identity.service_account()
        };
        pods.iter().any(hit).then_some(()).ok_or_else(|| format!("no pod of {identity} runs on node {}", own.node))
    }
}

fn placed(pod: &Pod) -> Placed {
    Placed { uid: pod.uid.clone(), node: pod.node.clone(), service_account: pod.service_account.clone() }
}

/// The certificate service.
pub struct Issuer {
    /// Signs.
    pub authority: Arc<Authority>,
    /// Knows callers.
    pub authenticator: Arc<Authenticator>,
    /// Knows pods.
    pub placement: Placement,
    /// The trust domain of the mesh.
    pub trust_domain: String,
    /// Service accounts of node proxies, `namespace/name`.
    pub trusted: Vec<String>,
}

impl Issuer {
    /// Decides which identity a caller gets a certificate for.
    async fn identity(&self, caller: &Caller, wanted: Option<&str>) -> Result<Identity, Status> {
        let own = format!("{}/{}", caller.namespace, caller.service_account);
        let Some(wanted) = wanted.filter(|w| !w.is_empty()) else {
            return Identity::new(&self.trust_domain, &caller.namespace, &caller.service_account)
                .map_err(|e| Status::invalid_argument(e.to_string()));
        };
        if !self.trusted.contains(&own) {
            return Err(Status::permission_denied(format!("service account {own} may not ask for other identities")));
        }
        let identity: Identity =
            wanted.parse().map_err(|e: model::identity::InvalidIdentity| Status::invalid_argument(e.to_string()))?;
        if identity.trust_domain() != self.trust_domain {
            let ours = &self.trust_domain;
            return Err(Status::permission_denied(format!("{identity} is not of the trust domain {ours}")));
        }
        let mut changed = self.placement.changed.subscribe();
        let entitled = async {
            loop {
                changed.mark_unchanged();
                match self.placement.entitles(caller, &identity) {
                    Ok(()) => return Ok(()),
                    Err(reason) if changed.changed().await.is_err() => return Err(reason),
                    Err(_) => {}
                }
            }
        };
        match tokio::time::timeout(CATCH_UP, entitled).await {
            Ok(Ok(())) => Ok(identity),
            Ok(Err(reason)) => Err(Status::permission_denied(reason)),
            Err(_) => {
                let reason = self.placement.entitles(caller, &identity).err().unwrap_or_default();
                Err(Status::permission_denied(reason))
            }
        }
    }
}

#[tonic::async_trait]
impl IstioCertificateService for Issuer {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        let caller = self.authenticator.caller(request.metadata()).await?;
        let request = request.into_inner();
        let wanted =
            request.metadata.as_ref().and_then(|m| m.fields.get("ImpersonatedIdentity")).and_then(|v| match &v.kind {
                Some(Json::StringValue(text)) => Some(text.as_str()),
                _ => None,
            });
        let identity = match self.identity(&caller, wanted).await {
            Ok(identity) => identity,
            Err(status) => {
                warn!(?caller, wanted, reason = status.message(), "certificate refused");
                return Err(status);
            }
        };
        let lifetime = match u64::try_from(request.validity_duration) {
            Ok(0) => LIFETIME,
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => return Err(Status::invalid_argument("validity_duration is negative")),
        };
        let chain = self
            .authority
            .sign(&request.csr, &identity, lifetime)
            .map_err(|error| Status::invalid_argument(runtime::error::chain(&error)))?;
        info!(%identity, pod = caller.pod, "certificate signed");
        Ok(Response::new(IstioCertificateResponse { cert_chain: chain }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_live_pod_on_the_callers_node_entitles() {
        let placement = Placement::default();
        let pod = |namespace: &str, name: &str, node: &str, account: &str, ended| {
            let key = ObjectKey { namespace: namespace.into(), name: name.into() };
            Change::Apply(Object::Pod(Pod {
                key,
                uid: name.into(),
                node: node.into(),
                service_account: account.into(),
                ended,
                ..Pod::default()
            }))
        };
        for change in [
            pod("istio-system", "zt-1", "one", "ztunnel", false),
            pod("shop", "cart", "one", "cart", false),
            pod("shop", "job", "one", "job", true),
            pod("shop", "till", "two", "till", false),
        ] {
            placement.apply(&change);
        }
        let caller = |pod: Option<&str>, uid: &str| Caller {
            namespace: "istio-system".into(),
            service_account: "ztunnel".into(),
            pod: pod.map(Into::into),
            pod_uid: Some(uid.into()),
        };
        let identity = |sa: &str| Identity::new("cluster.local", "shop", sa).expect("valid");
        let own = caller(Some("zt-1"), "zt-1");
        assert!(placement.entitles(&own, &identity("cart")).is_ok());
        for (who, what) in [
            (&own, "job"),
            (&own, "till"),
            (&own, "nobody"),
            (&caller(Some("zt-1"), "old"), "cart"),
            (&caller(None, "zt-1"), "cart"),
        ] {
            assert!(placement.entitles(who, &identity(what)).is_err(), "{what}");
        }
        placement.apply(&Change::Delete(Kind::Pod, ObjectKey { namespace: "shop".into(), name: "cart".into() }));
        assert!(placement.entitles(&own, &identity("cart")).is_err());
    }
}
