//! BackendTLSPolicy: how a backend is reached by TLS.

use model::{
    l7::destination::{ClientTls, Roots},
    workload::ServiceKey,
};
use source::{
    api::{
        backend_policy::{BackendTlsPolicySpec, BackendTlsValidation, SubjectAltNameType, TargetWithSection},
        route::{LocalObjectReference, ParentReference},
    },
    object::ObjectKey,
};

use crate::l7::{known::Lookup, status::Condition};

/// What a policy says about one of its targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The target, as an ancestor in the status.
    pub reference: ParentReference,
    /// The services.
    pub services: Vec<ServiceKey>,
    /// The port, if only one is meant.
    pub port: Option<u16>,
    /// Why the target is none.
    pub absent: Option<String>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq)]
pub struct BackendTls {
    /// Its targets.
    pub targets: Vec<Target>,
    /// How they are reached.
    pub tls: ClientTls,
    /// Whether the authorities are as they should be, and why not.
    pub refusal: Option<(&'static str, String)>,
}

/// Converts a policy. What cannot be checked is not believed: connections fail.
#[must_use]
pub fn convert(key: &ObjectKey, spec: &BackendTlsPolicySpec, lookup: &Lookup<'_>) -> BackendTls {
    let validation = &spec.validation;
    let (roots, refusal) = match roots(key, validation, lookup) {
        Ok(roots) => (roots, None),
        Err((reason, why)) => (Roots::Invalid((*why).into()), Some((reason, why))),
    };
    let names = validation.subject_alt_names.iter().map(|name| match name.kind {
        SubjectAltNameType::Hostname => name.hostname.clone(),
        SubjectAltNameType::Uri => name.uri.clone(),
    });
    let tls = ClientTls {
        server_name: Some((*validation.hostname).into()),
        subject_alt_names: names.flatten().map(Into::into).collect(),
        roots,
        credential: None,
    };
    BackendTls { targets: spec.target_refs.iter().map(|t| target(key, t, lookup)).collect(), tls, refusal }
}

fn roots(
    key: &ObjectKey,
    validation: &BackendTlsValidation,
    lookup: &Lookup<'_>,
) -> Result<Roots, (&'static str, String)> {
    match (&*validation.ca_certificate_refs, validation.well_known_ca_certificates.as_deref()) {
        ([], Some("System")) => Ok(Roots::System),
        ([], Some(other)) => {
            Err(("NoValidCACertificate", format!("wellKnownCACertificates: {other:?} is not known, System is")))
        }
        ([], None) => Err((
            "NoValidCACertificate",
            "one of caCertificateRefs and wellKnownCACertificates has to be there".to_owned(),
        )),
        (_, Some(_)) => {
            Err(("NoValidCACertificate", "caCertificateRefs and wellKnownCACertificates exclude each other".to_owned()))
        }
        (references, None) => {
            let found: Result<Vec<&str>, _> = references.iter().map(|r| authority(key, r, lookup)).collect();
            Ok(Roots::Pem(found?.join("\n").into()))
        }
    }
}

fn authority<'k>(
    key: &ObjectKey,
    reference: &LocalObjectReference,
    lookup: &Lookup<'k>,
) -> Result<&'k str, (&'static str, String)> {
    let LocalObjectReference { group, kind, name } = reference;
    if (&**group, &**kind) != ("", "ConfigMap") {
        return Err(("InvalidKind", format!("caCertificateRefs: {kind} {name} is no ConfigMap")));
    }
    let found = lookup.authorities(&key.namespace, name);
    let message = || format!("caCertificateRefs: ConfigMap {name} is not there, or has no certificates under ca.crt");
    found.map(|pem| &**pem).ok_or_else(|| ("InvalidCACertificateRef", message()))
}

fn target(key: &ObjectKey, written: &TargetWithSection, lookup: &Lookup<'_>) -> Target {
    let namespace = &*key.namespace;
    let TargetWithSection { group, kind, name, section_name } = written;
    let services = match (&**group, &**kind) {
        ("" | "core", "Service") => vec![lookup.service_key(namespace, name)],
        ("networking.istio.io", "ServiceEntry") => lookup.entry(namespace, name).to_vec(),
        _ => vec![],
    };
    let known = services.iter().filter_map(|key| lookup.service(key));
    let wanted = section_name.as_deref().filter(|s| !s.is_empty());
    let port = wanted.and_then(|section| {
        let mut ports = known.clone().flat_map(|s| &s.ports);
        ports.find(|(_, name)| *name == section).map(|(port, _)| *port)
    });
    let absent = match (known.count(), wanted, port) {
        (0, ..) => Some(format!("{kind} {namespace}/{name} is not there, or no target of this policy")),
        (_, Some(section), None) => Some(format!("{kind} {namespace}/{name} has no port of the name {section:?}")),
        _ => None,
    };
    let reference = ParentReference {
        group: group.clone(),
        kind: kind.clone(),
        namespace: Some(namespace.to_owned()),
        name: name.clone(),
        section_name: section_name.clone(),
        port: None,
    };
    // A port that is not known is none of the others.
    let services = if wanted.is_some() && port.is_none() { vec![] } else { services };
    Target { reference, services, port, absent }
}

impl BackendTls {
    /// Says what became of the policy at each of its targets; `older` names the policy that counts there instead.
    #[must_use]
    pub fn status(&self, older: impl Fn(&Target) -> Option<ObjectKey>) -> Vec<(ParentReference, Vec<Condition>)> {
        let one = |target: &Target| {
            let accepted = match (&target.absent, older(target), &self.refusal) {
                (Some(why), ..) => Condition::fails("Accepted", "TargetNotFound", why),
                (None, Some(other), _) => {
                    let message = format!("the older {}/{} has the same target", other.namespace, other.name);
                    Condition::fails("Accepted", "Conflicted", message)
                }
                (None, None, Some((_, why))) => {
                    Condition::fails("Accepted", "NoValidCACertificate", format!("connections fail: {why}"))
                }
                (None, None, None) => Condition::holds("Accepted", "Accepted", "backends are reached by TLS"),
            };
            let resolved = match &self.refusal {
                Some((reason @ ("InvalidKind" | "InvalidCACertificateRef"), why)) => {
                    Condition::fails("ResolvedRefs", reason, why)
                }
                _ => Condition::holds("ResolvedRefs", "ResolvedRefs", "all references lead to something"),
            };
            (target.reference.clone(), vec![accepted, resolved])
        };
        self.targets.iter().map(one).collect()
    }
}
