//! What the account that installs must be allowed to do: asked of the server right by right, and told at once.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    rbac::v1::PolicyRule,
};
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, PostParams},
};

use crate::{
    cluster::{
        Cluster,
        objects::{self, KINDS, resource_of},
    },
    error::Error,
};

/// Reviews that are asked for at once.
const AT_ONCE: usize = 24;
const RBAC: &str = "rbac.authorization.k8s.io";

/// One thing that an account may do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    group: String,
    /// In the plural, with its subresource: `pods/status`.
    resource: String,
    /// None for all namespaces, and for kinds without.
    namespace: Option<String>,
    verb: String,
}

impl Right {
    fn new(verb: &str, group: &str, resource: &str, namespace: Option<String>) -> Self {
        Self { group: group.to_owned(), resource: resource.to_owned(), namespace, verb: verb.to_owned() }
    }

    fn attributes(&self) -> ResourceAttributes {
        let (resource, part) = match self.resource.split_once('/') {
            Some((resource, part)) => (resource, Some(part.to_owned())),
            None => (self.resource.as_str(), None),
        };
        ResourceAttributes {
            group: Some(self.group.clone()),
            resource: Some(resource.to_owned()),
            subresource: part,
            verb: Some(self.verb.clone()),
            namespace: self.namespace.clone(),
            ..ResourceAttributes::default()
        }
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(f, "{} {}{dot}{}", self.verb, self.resource, self.group)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => Ok(()),
        }
    }
}

/// Names every right that is missing at once, so that the operator asks for them once.
pub async fn check(cluster: &Cluster, objects: &[DynamicObject], waits: bool) -> Result<(), Error> {
    // One question instead of a hundred for an administrator, who nearly always asks.
    let everything = BTreeSet::from([Right::new("*", "*", "*", None)]);
    if refused(cluster, everything).await?.is_empty() {
        return Ok(());
    }
    let mut missing = refused(cluster, needed(objects, &cluster.system, waits)).await?;
    let passes = refused(cluster, passes(objects)).await?;
    if !passes.is_empty() && !refused(cluster, granted(objects)).await?.is_empty() {
        missing.extend(passes);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let mut error = Error::user(format!("{} rights are missing to install", missing.len()));
    let grants = missing.iter().any(|right| matches!(right.verb.as_str(), "escalate" | "bind"));
    for right in &missing {
        error = error.because(format!("may not {right}"));
    }
    Err(error.hint(if grants {
        "install as a cluster administrator, or have these rights granted; `escalate` and `bind` are not needed by who \
         holds all that the mesh's roles grant"
    } else {
        "install as a cluster administrator, or have these rights granted"
    }))
}

/// Returns what applying, pruning and waiting need.
fn needed(objects: &[DynamicObject], system: &str, waits: bool) -> BTreeSet<Right> {
    let mut needed = BTreeSet::new();
    for object in objects {
        let resource = resource_of(object);
        for verb in ["create", "get", "patch"] {
            needed.insert(Right::new(verb, &resource.group, &resource.plural, object.namespace()));
        }
    }
    for kind in &KINDS {
        let resource = kind.resource();
        let place = kind.namespaced.then(|| system.to_owned());
        needed.insert(Right::new("list", &resource.group, &resource.plural, place.clone()));
        if kind.is_pruned() {
            needed.insert(Right::new("delete", &resource.group, &resource.plural, place));
        }
    }
    for resource in ["deployments", "daemonsets"].into_iter().filter(|_| waits) {
        needed.insert(Right::new("watch", "apps", resource, Some(system.to_owned())));
    }
    needed
}

/// Returns what lets an account grant what it does not hold: roles are escalation, and their bindings too.
fn passes(objects: &[DynamicObject]) -> BTreeSet<Right> {
    let pass = |object: &DynamicObject| match objects::kind(object) {
        "ClusterRole" => Some(Right::new("escalate", RBAC, "clusterroles", None)),
        "ClusterRoleBinding" => Some(Right::new("bind", RBAC, "clusterroles", None)),
        "Role" => Some(Right::new("escalate", RBAC, "roles", object.namespace())),
        "RoleBinding" => Some(Right::new("bind", RBAC, "roles", object.namespace())),
        _ => None,
    };
    objects.iter().filter_map(pass).collect()
}

/// Returns what the roles among the objects grant.
fn granted(objects: &[DynamicObject]) -> BTreeSet<Right> {
    let roles = objects.iter().filter(|object| matches!(objects::kind(object), "ClusterRole" | "Role"));
    let mut granted = BTreeSet::new();
    for role in roles {
        let rules = role.data.get("rules").cloned().unwrap_or_default();
        let rules: Vec<PolicyRule> = serde_json::from_value(rules).unwrap_or_default();
        for rule in rules {
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    let one = |verb: &String| Right::new(verb, group, resource, role.namespace());
                    granted.extend(rule.verbs.iter().map(one));
                }
            }
        }
    }
    granted
}

/// Returns those that the account does not have.
async fn refused(cluster: &Cluster, rights: BTreeSet<Right>) -> Result<BTreeSet<Right>, Error> {
    let api: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let reviews = rights.into_iter().map(|right| {
        let api = api.clone();
        async move {
            let attributes = Some(right.attributes());
            let spec = SelfSubjectAccessReviewSpec { resource_attributes: attributes, ..Default::default() };
            let review = SelfSubjectAccessReview { spec, ..Default::default() };
            let answer = api.create(&PostParams::default(), &review).await;
            let answer = answer.map_err(|error| cluster.failed("ask for my rights", &error))?;
            Ok::<_, Error>((!answer.status.is_some_and(|status| status.allowed)).then_some(right))
        }
    });
    stream::iter(reviews).buffer_unordered(AT_ONCE).try_filter_map(async |right| Ok(right)).try_collect().await
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
            ["patch pods/status", "watch *.security.istio.io", "create leases.coordination.k8s.io in namespace mesh"]
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
