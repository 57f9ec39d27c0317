//! Providers that are asked whether a request may pass: `envoyExtAuthzGrpc` and `envoyExtAuthzHttp`.

use std::{collections::BTreeMap, time::Duration};

use http::StatusCode;
use model::{
    l7::{
        external_auth::{AuthProtocol, ExternalAuth, HttpAuth},
        route::BackendTarget,
        text::TextMatch,
    },
    workload::{Name, ServiceKey},
};
use serde::Deserialize;
use serde_json::Value;
use source::api::duration;

use super::typed;
use crate::l7::{
    hosts::full,
    known::{Lookup, Service},
    text::header_name,
};

/// How long the answer may take where nothing is said (Istio).
const TIMEOUT: Duration = Duration::from_secs(600);
/// Headers that asking itself needs: nobody else sets them.
const RESERVED: [&str; 7] =
    ["connection", "content-length", "host", "te", "trailer", "transfer-encoding", "x-forwarded-client-cert"];

/// Somebody who is asked, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Authorizer {
    /// The namespace of the service, where it is said.
    namespace: Option<String>,
    host: String,
    port: u16,
    protocol: AuthProtocol,
    common: Common,
}

#[derive(Clone, Debug, PartialEq)]
struct Common {
    timeout: Duration,
    fail_open: bool,
    status_on_error: Option<u16>,
    max_body: Option<u32>,
    whole_body: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Grpc {
    service: String,
    port: u16,
    timeout: Option<duration::Duration>,
    #[serde(default)]
    fail_open: bool,
    // Routes are chosen after all answers anyway.
    #[serde(rename = "clearRouteCache")]
    _clear_route_cache: Option<bool>,
    status_on_error: Option<Value>,
    include_request_body_in_check: Option<Body>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Http {
    service: String,
    port: u16,
    timeout: Option<duration::Duration>,
    #[serde(default)]
    path_prefix: String,
    #[serde(default)]
    fail_open: bool,
    #[serde(rename = "clearRouteCache")]
    _clear_route_cache: Option<bool>,
    status_on_error: Option<Value>,
    // The older name of the next one.
    #[serde(default)]
    include_headers_in_check: Vec<String>,
    #[serde(default)]
    include_request_headers_in_check: Vec<String>,
    #[serde(default)]
    include_additional_headers_in_check: BTreeMap<String, String>,
    include_request_body_in_check: Option<Body>,
    #[serde(default)]
    headers_to_upstream_on_allow: Vec<String>,
    #[serde(default)]
    headers_to_downstream_on_allow: Vec<String>,
    #[serde(default)]
    headers_to_downstream_on_deny: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    #[serde(default)]
    max_request_bytes: u32,
    #[serde(default)]
    allow_partial_message: bool,
    #[serde(default)]
    pack_as_bytes: bool,
}

/// Reads a provider of a kind; none for another kind.
pub(super) fn read(kind: &str, value: &Value) -> Option<Result<Authorizer, String>> {
    match kind {
        "envoyExtAuthzGrpc" => Some(typed(value.clone()).and_then(grpc)),
        "envoyExtAuthzHttp" => Some(typed(value.clone()).and_then(http)),
        _ => None,
    }
}

fn grpc(written: Grpc) -> Result<Authorizer, String> {
    let body = written.include_request_body_in_check;
    let raw_body = body.as_ref().is_some_and(|body| body.pack_as_bytes);
    let said = (written.timeout, written.fail_open, written.status_on_error, body);
    authorizer((&written.service, written.port), AuthProtocol::Grpc { headers: vec![], raw_body }, said)
}

fn http(written: Http) -> Result<Authorizer, String> {
    let prefix = &written.path_prefix;
    if !prefix.is_empty() && (!prefix.starts_with('/') || prefix.contains(['?', '#', ' '])) {
        return Err(format!("pathPrefix {prefix:?} has to begin with a slash, and to have neither query nor fragment"));
    }
    let told = written.include_request_headers_in_check.iter().chain(&written.include_headers_in_check);
    let patterns = |names: &[String]| names.iter().map(|name| pattern(name)).collect::<Result<Vec<_>, _>>();
    let add = written.include_additional_headers_in_check.iter().map(|(name, value)| {
        let name = header_name(name)?;
        if RESERVED.contains(&&*name) {
            return Err(format!("includeAdditionalHeadersInCheck: {name} cannot be set"));
        }
        ::http::HeaderValue::from_str(value).map_err(|_| format!("header {name} has no value of a header"))?;
        Ok((name, Name::from(&**value)))
    });
    let refusal = patterns(&written.headers_to_downstream_on_deny)?;
    let protocol = AuthProtocol::Http(HttpAuth {
        path: (**prefix).into(),
        headers: told.map(|name| pattern(name)).collect::<Result<_, _>>()?,
        add: add.collect::<Result<_, _>>()?,
        response_headers: Some(patterns(&written.headers_to_upstream_on_allow)?),
        client_headers: patterns(&written.headers_to_downstream_on_allow)?,
        refusal_headers: (!refusal.is_empty()).then_some(refusal),
        errors_fail: true,
    });
    let body = written.include_request_body_in_check;
    let said = (written.timeout, written.fail_open, written.status_on_error, body);
    authorizer((&written.service, written.port), protocol, said)
}

fn authorizer(
    (service, port): (&str, u16),
    protocol: AuthProtocol,
    (timeout, fail_open, status, body): (Option<duration::Duration>, bool, Option<Value>, Option<Body>),
) -> Result<Authorizer, String> {
    let (namespace, host) = match service.split_once('/') {
        Some((namespace, host)) => (Some(namespace), host),
        None => (None, service),
    };
    let right = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if !right(host) || namespace.is_some_and(|namespace| !right(namespace)) || port == 0 {
        return Err(format!("{service}:{port} is no host and port"));
    }
    if body.as_ref().is_some_and(|body| body.max_request_bytes == 0) {
        return Err("includeRequestBodyInCheck.maxRequestBytes has to be more than 0".to_owned());
    }
    let timeout = timeout.map_or(TIMEOUT, |timeout| timeout.0);
    if timeout.is_zero() {
        return Err("timeout has to be more than 0".to_owned());
    }
    let common = Common {
        timeout,
        fail_open,
        status_on_error: status.as_ref().map(self::status).transpose()?,
        max_body: body.as_ref().map(|body| body.max_request_bytes),
        whole_body: body.is_some_and(|body| !body.allow_partial_message),
    };
    Ok(Authorizer { namespace: namespace.map(str::to_owned), host: host.to_owned(), port, protocol, common })
}

/// Reads a status, which is a text in Istio's API, and which nobody thinks of as one.
fn status(value: &Value) -> Result<u16, String> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let status = text.parse().ok().filter(|status| (400..=599).contains(status));
    let status = status.filter(|status| StatusCode::from_u16(*status).is_ok());
    status.ok_or_else(|| format!("statusOnError: {text} is no status of an error"))
}

/// Reads the name of a header, perhaps with a star at one end.
fn pattern(text: &str) -> Result<TextMatch, String> {
    let whole = |name: &str| header_name(name);
    match (text.strip_prefix('*'), text.strip_suffix('*')) {
        _ if text == "*" => Ok(TextMatch::Present),
        (Some(suffix), _) => Ok(TextMatch::Suffix(whole(suffix)?)),
        (_, Some(prefix)) => Ok(TextMatch::Prefix(whole(prefix)?)),
        _ => Ok(TextMatch::Exact(whole(text)?)),
    }
}

impl Authorizer {
    /// Makes what waypoints are told: of a service of the mesh.
    ///
    /// # Errors
    /// There is no such service, it has no such port, or the mesh's configuration, which names it, may not see it.
    pub fn ask(&self, lookup: &Lookup<'_>) -> Result<ExternalAuth, Unusable> {
        let Common { timeout, fail_open, status_on_error, max_body, whole_body } = self.common.clone();
        let named = Named { namespace: self.namespace.as_deref(), host: &self.host, port: self.port };
        Ok(ExternalAuth {
            target: named.find(lookup.root(), lookup)?,
            protocol: self.protocol.clone(),
            max_body,
            whole_body,
            timeout: Some(timeout),
            fail_open,
            status_on_error,
        })
    }
}

/// A service of the mesh that waypoints ask: `[NAMESPACE/]HOST` and a port, as Istio's providers name it.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// The namespace of the service, where it is said.
    pub namespace: Option<&'a str>,
    /// Its host.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
}

/// Tells why a service cannot be asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// It is not there, or not as it is named: it may come.
    #[error("{0}")]
    Missing(String),
    /// It is there, and whoever names it may not see it (`exportTo`).
    #[error(
        "service {0} is not shown to namespace {1}: the exportTo of its ServiceEntry has to name that namespace, or *"
    )]
    Hidden(String, String),
}

impl Named<'_> {
    /// Finds the service, as those of a namespace see it.
    ///
    /// # Errors
    /// There is none, or several, it has no such port, or it is not theirs to see.
    pub fn find(&self, viewer: &str, lookup: &Lookup<'_>) -> Result<BackendTarget, Unusable> {
        let (host, key, service) = self.service(viewer, lookup)?;
        if !service.ports.contains_key(&self.port) {
            let ports: Vec<String> = service.ports.keys().map(u16::to_string).collect();
            let why = format!("service {host} has no port {}; it has {}", self.port, ports.join(", "));
            return Err(Unusable::Missing(why));
        }
        Ok(BackendTarget::Service { service: key.clone(), port: Some(self.port), subset: None })
    }

    fn service<'k>(
        &self,
        viewer: &str,
        lookup: &Lookup<'k>,
    ) -> Result<(String, &'k ServiceKey, &'k Service), Unusable> {
        let namespace = self.namespace;
        let host = full(self.host, namespace.unwrap_or_default(), lookup.domain());
        let is_meant = |key: &ServiceKey| namespace.is_none_or(|namespace| *key.namespace == *namespace);
        let meant = lookup.host(&host).filter(|(key, _)| is_meant(key));
        let (seen, hidden): (Vec<_>, Vec<_>) = meant.partition(|(_, service)| service.audience.has(viewer));
        let native = seen.iter().find(|(_, service)| service.native);
        match (&seen[..], native) {
            (&[(key, service)], _) | (_, Some(&(key, service))) => Ok((host, key, service)),
            ([], None) if !hidden.is_empty() => Err(Unusable::Hidden(host, viewer.to_owned())),
            ([], None) => {
                let within = namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
                Err(Unusable::Missing(format!(
                    "service {host} is not there{within}: a Service or a ServiceEntry has to have this host"
                )))
            }
            (_, None) => {
                Err(Unusable::Missing(format!("several namespaces have the host {host}: write NAMESPACE/{host}")))
            }
        }
    }
}

#[cfg(test)]
#[path = "external_auth/tests.rs"]
mod tests;
