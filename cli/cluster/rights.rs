//! What the account may do: asked of the server right by right, before anything is touched, and told at once.

use std::{collections::BTreeSet, fmt};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::{
    Api,
    api::{ApiResource, PostParams},
};

use crate::{cluster::Cluster, error::Error};

/// Reviews that are asked for at once.
const AT_ONCE: usize = 24;

/// One thing that an account may do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    group: String,
    /// In the plural, with its subresource: `pods/status`.
    resource: String,
    /// None for all namespaces, and for kinds without.
    namespace: Option<String>,
    /// What may be done.
    verb: String,
}

impl Right {
    /// Returns a right on a resource of a group.
    pub fn new(verb: &str, group: &str, resource: &str, namespace: Option<&str>) -> Self {
        Self {
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
            verb: verb.to_owned(),
        }
    }

    /// Returns a right on a kind.
    pub fn on(verb: &str, kind: &ApiResource, namespace: Option<&str>) -> Self {
        Self::new(verb, &kind.group, &kind.plural, namespace)
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

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(f, "{} {}{dot}{}", self.verb, self.resource, self.group)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => Ok(()),
        }
    }
}

/// Returns whether the account may do everything: one question instead of a hundred for an administrator.
pub async fn unlimited(cluster: &Cluster) -> Result<bool, Error> {
    let everything = BTreeSet::from([Right::new("*", "*", "*", None)]);
    Ok(refused(cluster, everything).await?.is_empty())
}

/// Returns those that the account does not have.
pub async fn refused(cluster: &Cluster, rights: BTreeSet<Right>) -> Result<BTreeSet<Right>, Error> {
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

/// Names every right that is missing, so that the operator asks for them once.
pub fn lack(missing: &BTreeSet<Right>, to: &str, hint: &str) -> Result<(), Error> {
    if missing.is_empty() {
        return Ok(());
    }
    let error = Error::user(format!("{} rights are missing to {to}", missing.len()));
    let error = missing.iter().fold(error, |error, right| error.because(format!("may not {right}")));
    Err(error.hint(hint))
}
