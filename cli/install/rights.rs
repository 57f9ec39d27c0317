//! What the account that installs must be allowed to do: a function of the objects, and the question.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::{ResourceExt, api::DynamicObject};

use crate::{
    cluster::{
        Cluster,
        objects::{self, KINDS, resource_of},
        rights::{Right, lack, refused, unlimited},
    },
    error::Error,
};

const RBAC: &str = "rbac.authorization.k8s.io";

/// Names every right that is missing.
pub async fn check(cluster: &Cluster, objects: &[DynamicObject], waits: bool) -> Result<(), Error> {
    if unlimited(cluster).await? {
        return Ok(());
    }
    let mut missing = refused(cluster, needed(objects, &cluster.system, waits)).await?;
    let mut hint = "install as a cluster administrator, or have these rights granted".to_owned();
    let passes = refused(cluster, passes(objects)).await?;
    if !passes.is_empty() && !refused(cluster, granted(objects)).await?.is_empty() {
        missing.extend(passes);
        hint += "; `escalate` and `bind` are not needed by who holds all that the mesh's roles grant";
    }
    lack(&missing, "install", &hint)
}

/// Returns what applying, pruning and waiting need.
fn needed(objects: &[DynamicObject], system: &str, waits: bool) -> BTreeSet<Right> {
    let mut needed = BTreeSet::new();
    for object in objects {
        let resource = resource_of(object);
        for verb in ["create", "get", "patch"] {
            needed.insert(Right::on(verb, &resource, object.metadata.namespace.as_deref()));
        }
    }
    for kind in &KINDS {
        let resource = kind.resource();
        let place = kind.namespaced.then_some(system);
        needed.insert(Right::on("list", &resource, place));
        if kind.is_pruned() {
            needed.insert(Right::on("delete", &resource, place));
        }
    }
    for resource in ["deployments", "daemonsets"].into_iter().filter(|_| waits) {
        needed.insert(Right::new("watch", "apps", resource, Some(system)));
    }
    needed
}

/// Returns what lets an account grant what it does not hold: roles are escalation, and their bindings too.
fn passes(objects: &[DynamicObject]) -> BTreeSet<Right> {
    let pass = |object: &DynamicObject| match objects::kind(object) {
        "ClusterRole" => Some(Right::new("escalate", RBAC, "clusterroles", None)),
        "ClusterRoleBinding" => Some(Right::new("bind", RBAC, "clusterroles", None)),
        "Role" => Some(Right::new("escalate", RBAC, "roles", object.metadata.namespace.as_deref())),
        "RoleBinding" => Some(Right::new("bind", RBAC, "roles", object.metadata.namespace.as_deref())),
        _ => None,
    };
    objects.iter().filter_map(pass).collect()
}

/// Returns what the roles among the objects grant.
fn granted(objects: &[DynamicObject]) -> BTreeSet<Right> {
    let roles = objects.iter().filter(|object| matches!(objects::kind(object), "ClusterRole" | "Role"));
    let mut granted = BTreeSet::new();
    for role in roles {
        let place = role.namespace();
        let rules = role.data.get("rules").cloned().unwrap_or_default();
        let rules: Vec<PolicyRule> = serde_json::from_value(rules).unwrap_or_default();
        for rule in rules {
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    let one = |verb: &String| Right::new(verb, group, resource, place.as_deref());
                    granted.extend(rule.verbs.iter().map(one));
                }
            }
        }
    }
    granted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::{render::render, values::Values};

    fn texts(rights: &BTreeSet<Right>) -> Vec<String> {
        rights.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn applying_pruning_and_waiting_have_their_rights() {
        let objects = render(&Values::default(), "mesh").expect("renders");
        let rights = texts(&needed(&objects, "mesh", true));
        for right in [
            "create namespaces",
            "patch customresourcedefinitions.apiextensions.k8s.io",
            "get daemonsets.apps in namespace mesh",
            "list configmaps in namespace mesh",
            "delete clusterroles.rbac.authorization.k8s.io",
            "watch deployments.apps in namespace mesh",
        ] {
            assert!(rights.iter().any(|have| have == right), "{right} is not among {rights:?}");
        }
        // Neither is ever pruned, nor anything waited for without `--wait`.
        let rights = texts(&needed(&objects, "mesh", false));
        for prefix in ["delete namespaces", "delete customresourcedefinitions", "watch"] {
            assert!(!rights.iter().any(|have| have.starts_with(prefix)), "{prefix} is among {rights:?}");
        }
    }

    #[test]
    fn what_roles_grant_is_known_in_full() {
        let objects = render(&Values::default(), "mesh").expect("renders");
        let rights = texts(&granted(&objects));
        for right in
            ["patch pods/status", "watch peerauthentications.security.istio.io", "create secrets in namespace mesh"]
        {
            assert!(rights.iter().any(|have| have == right), "{right} is not among {rights:?}");
        }
        assert_eq!(
            texts(&passes(&objects)),
            [
                "bind clusterroles.rbac.authorization.k8s.io",
                "escalate clusterroles.rbac.authorization.k8s.io",
                "bind roles.rbac.authorization.k8s.io in namespace mesh",
                "escalate roles.rbac.authorization.k8s.io in namespace mesh",
            ]
        );
    }
}
