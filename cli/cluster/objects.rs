//! Objects of any kind as data, and where the API server keeps them.

use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, TypeMeta},
};

use crate::cluster::Cluster;

/// Says that an object is part of the mesh.
pub const PART_OF: (&str, &str) = ("app.kubernetes.io/part-of", "ambient");
/// Says that `install` made it: what carries both labels and is rendered no longer is pruned. What the agent makes at
/// run time carries another value.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "ambient");
/// Says which of our components it belongs to.
pub const COMPONENT: &str = "app.kubernetes.io/component";

/// Kinds that `install` may make, in the order of their dependence.
pub const KINDS: [(&str, &str, &str); 12] = [
    ("", "v1", "Namespace"),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
    ("", "v1", "ServiceAccount"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "v1", "Role"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
    ("", "v1", "ResourceQuota"),
    ("", "v1", "ConfigMap"),
    ("", "v1", "Service"),
    ("apps", "v1", "Deployment"),
    ("apps", "v1", "DaemonSet"),
];

/// Returns the label selector for everything that `install` made.
pub fn ours() -> String {
    format!("{}={},{}={}", PART_OF.0, PART_OF.1, MANAGED_BY.0, MANAGED_BY.1)
}

/// Returns how the server names a kind.
pub fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

/// Returns how the server names the kind of this object.
pub fn resource_of(object: &DynamicObject) -> ApiResource {
    let types = object.types.clone().unwrap_or_else(|| TypeMeta { api_version: "v1".into(), kind: String::new() });
    let (group, version) = types.api_version.rsplit_once('/').unwrap_or(("", &types.api_version));
    resource(group, version, &types.kind)
}

/// Returns the door to the object's kind, in its namespace if it has one.
pub fn api_of(cluster: &Cluster, object: &DynamicObject) -> Api<DynamicObject> {
    let resource = resource_of(object);
    match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(cluster.client.clone(), namespace, &resource),
        None => Api::all_with(cluster.client.clone(), &resource),
    }
}

/// Returns `Kind namespace/name`, as messages name it.
pub fn title(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("Object", |types| &types.kind);
    let name = object.metadata.name.as_deref().unwrap_or_default();
    match &object.metadata.namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}
