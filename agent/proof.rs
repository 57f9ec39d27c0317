//! Whose waypoint a pod is: what a client that says to be one has to prove, since it is told what nobody else is.
//!
//! A token proves pod and service account. The rest is known from the objects: the gateway is there, the account is the one that
//! its pods run under, and this very pod carries its label. One of them alone is not enough: an account may be shared with other
//! pods, and a label written by whoever makes pods.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use source::{Change, Kind, Object, labels, object::ObjectKey};
use tonic::Status;

use crate::{auth::Caller, gateway};

struct Runs {
    uid: String,
    gateway: String,
    service_account: String,
}

#[derive(Default)]
struct Known {
    /// By gateway, the account of its pods.
    accounts: HashMap<ObjectKey, String>,
    /// The pods that carry the label of a gateway.
    pods: HashMap<ObjectKey, Runs>,
}

/// Which pods run which waypoint. Copies share it.
#[derive(Clone, Default)]
pub struct Waypoints(Arc<Mutex<Known>>);

impl Waypoints {
    /// Takes a change in.
    pub fn apply(&self, change: &Change) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            Change::Apply(Object::Custom(Kind::Gateway, object)) => {
                known.accounts.insert(object.key.clone(), gateway::account(object).to_owned());
            }
            Change::Delete(Kind::Gateway, key) => drop(known.accounts.remove(key)),
            Change::Apply(Object::Pod(pod)) => match pod.labels.get(labels::GATEWAY_NAME).filter(|_| !pod.ended) {
                Some(gateway) => {
                    let (uid, service_account) = (pod.uid.clone(), pod.service_account.clone());
                    known.pods.insert(pod.key.clone(), Runs { uid, gateway: gateway.clone(), service_account });
                }
                None => drop(known.pods.remove(&pod.key)),
            },
            Change::Delete(Kind::Pod, key) => drop(known.pods.remove(key)),
            _ => {}
        }
    }

    /// Tells whether a caller is the waypoint of a gateway of its namespace.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` with what is not so; `UNAVAILABLE` for a pod or gateway that this process was not told of yet.
    pub fn proves(&self, caller: &Caller, gateway: &str) -> Result<(), Status> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let denied = |why: String| Err(Status::permission_denied(why));
        let namespace = &caller.namespace;
        let (Some(name), Some(uid)) = (&caller.pod, &caller.pod_uid) else {
            return denied("the token is not bound to a pod: a waypoint's is".to_owned());
        };
        let of = |name: &str| ObjectKey { namespace: namespace.clone(), name: name.to_owned() };
        let Some(pod) = known.pods.get(&of(name)).filter(|pod| pod.uid == *uid) else {
            let label = labels::GATEWAY_NAME;
            return Err(Status::unavailable(format!("no pod {namespace}/{name} with label {label} is known yet")));
        };
        if pod.gateway != gateway {
            let own = &pod.gateway;
            return denied(format!("pod {name} is of gateway {own} by its label, and not of {gateway}"));
        }
        let Some(account) = known.accounts.get(&of(gateway)) else {
            return Err(Status::unavailable(format!("no gateway {namespace}/{gateway} is known yet")));
        };
        if caller.service_account != *account || pod.service_account != *account {
            let own = &caller.service_account;
            return denied(format!("gateway {gateway} runs under service account {account}, and not under {own}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use source::object::{Custom, Map, Pod};
    use tonic::Code;

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey { namespace: "shop".into(), name: name.into() }
    }

    fn pod(name: &str, gateway: &str, account: &str) -> Change {
        let labels = Map::from([(labels::GATEWAY_NAME.to_owned(), gateway.to_owned())]);
        let (uid, service_account) = (format!("uid-{name}"), account.to_owned());
        Change::Apply(Object::Pod(Pod { key: key(name), uid, service_account, labels, ..Pod::default() }))
    }

    fn gateway(name: &str, account: Option<&str>) -> Change {
        let annotations = account.map(|a| (labels::GATEWAY_ACCOUNT.to_owned(), a.to_owned())).into_iter().collect();
        Change::Apply(Object::Custom(Kind::Gateway, Custom { key: key(name), annotations, ..Custom::default() }))
    }

    #[test]
    fn only_the_gateways_own_pod_is_its_waypoint() {
        let waypoints = Waypoints::default();
        let changes = [
            gateway("w", None),
            gateway("shared", Some("default")),
            pod("w-1", "w", "w"),
            pod("shared-1", "shared", "default"),
            pod("other-account", "w", "default"),
            pod("lost", "none", "none"),
        ];
        changes.iter().for_each(|change| waypoints.apply(change));
        let rows = [
            (Some("w-1"), "w", "w", None),
            (Some("shared-1"), "default", "shared", None),
            // Another pod of the account, one that is of another gateway, and one that only says so by its label.
            (Some("app"), "default", "shared", Some(Code::Unavailable)),
            (Some("w-1"), "w", "shared", Some(Code::PermissionDenied)),
            (Some("other-account"), "default", "w", Some(Code::PermissionDenied)),
            (Some("lost"), "none", "none", Some(Code::Unavailable)),
            (None, "w", "w", Some(Code::PermissionDenied)),
        ];
        let caller = |pod: Option<&str>, account: &str| Caller {
            namespace: "shop".into(),
            service_account: account.into(),
            pod: pod.map(Into::into),
            pod_uid: pod.map(|name| format!("uid-{name}")),
        };
        for (pod, account, gateway, want) in rows {
            let found = waypoints.proves(&caller(pod, account), gateway);
            assert_eq!(found.err().map(|e| e.code()), want, "{pod:?} {account} {gateway}");
        }
        let before = Caller { pod_uid: Some("older".into()), ..caller(Some("w-1"), "w") };
        assert!(waypoints.proves(&before, "w").is_err(), "a pod of the same name that was there before");
        let elsewhere = Caller { namespace: "web".into(), ..caller(Some("w-1"), "w") };
        assert!(waypoints.proves(&elsewhere, "w").is_err(), "another namespace");
        waypoints.apply(&Change::Delete(Kind::Gateway, key("w")));
        assert!(waypoints.proves(&caller(Some("w-1"), "w"), "w").is_err());
    }
}
