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

/// A kind that `install` may make.
pub struct Kind {
    group: &'static str,
    version: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Whether its objects are in a namespace: that of the mesh.
    pub namespaced: bool,
}

impl Kind {
    const fn new(group: &'static str, name: &'static str, namespaced: bool) -> Self {
        Self { group, version: "v1", name, namespaced }
    }

    /// Returns how the server names it.
    pub fn resource(&self) -> ApiResource {
        resource(self.group, self.version, self.name)
    }

    /// Returns whether objects that are rendered no longer are deleted. Definitions and the namespace hold what is not ours.
    pub fn is_pruned(&self) -> bool {
        !matches!(self.name, "Namespace" | "CustomResourceDefinition")
    }
}

/// Kinds that `install` may make, in the order of their dependence.
pub const KINDS: [Kind; 12] = [
    Kind::new("", "Namespace", false),
    Kind::new("apiextensions.k8s.io", "CustomResourceDefinition", false),
    Kind::new("", "ServiceAccount", true),
    Kind::new("rbac.authorization.k8s.io", "ClusterRole", false),
    Kind::new("rbac.authorization.k8s.io", "ClusterRoleBinding", false),
    Kind::new("rbac.authorization.k8s.io", "Role", true),
    Kind::new("rbac.authorization.k8s.io", "RoleBinding", true),
    Kind::new("", "ResourceQuota", true),
    Kind::new("", "ConfigMap", true),
    Kind::new("", "Service", true),
    Kind::new("apps", "Deployment", true),
    Kind::new("apps", "DaemonSet", true),
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

/// Returns the object's kind.
pub fn kind(object: &DynamicObject) -> &str {
    object.types.as_ref().map_or("", |types| &types.kind)
}

/// Returns `Kind namespace/name`, as messages name it.
pub fn title(object: &DynamicObject) -> String {
    let kind = kind(object);
    let name = object.metadata.name.as_deref().unwrap_or_default();
    match &object.metadata.namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}
