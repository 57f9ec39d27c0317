//! GRPCRoute.

use model::l7::{
    filter::Filter,
    matching::{HttpMatch, PathMatch},
    route::{Action, Backend, BackendTarget, HttpRule, Retry},
};
use source::api::{
    grpc_route::{GrpcMethodMatch, GrpcRouteFilter, GrpcRouteFilterType, GrpcRouteMatch, GrpcRouteRule, GrpcRouteSpec},
    route::MatchType,
};

use crate::l7::{
    route::{
        Bound, Converted, Faults, Place, backend, convert,
        filter::{Filters, Refusal, mirror, told},
        http::{empty, refused, session},
    },
    text::{Headers, named, pattern},
};

/// Any name of a service or method.
const ANY: &str = "[^/]+";

/// Converts a route.
#[must_use]
pub fn grpc(place: Place<'_>, spec: &GrpcRouteSpec) -> Converted<HttpRule> {
    convert(place, &spec.parent_refs, |place, bound, faults| {
        spec.rules.iter().enumerate().filter_map(|(index, r)| rule(place, bound, (index, r), faults)).collect()
    })
}

fn rule(
    place: Place<'_>,
    bound: &Bound,
    (index, written): (usize, &GrpcRouteRule),
    faults: &Faults,
) -> Option<HttpRule> {
    let mut rule = empty(place, bound, index, written.name.as_deref());
    match written.matches.iter().map(matched).collect() {
        Ok(matches) => rule.matches = matches,
        Err(message) => {
            faults.rule(index, message);
            return None;
        }
    }
    let session = written.session_persistence.as_ref().map(|s| session(place.key, index, s)).transpose();
    match (filters(place, &written.filters, faults), session) {
        (Ok(filters), Ok(session)) => {
            rule.filters = filters.changes;
            rule.mirrors = filters.mirrors;
            rule.session = session;
            rule.retry = Some(Retry::default());
            rule.action = Action::Forward(backends(place, written, index, faults));
        }
        (Err(refusal), _) => rule.action = refused(refusal, index, faults),
        (_, Err(message)) => rule.action = refused(message.into(), index, faults),
    }
    Some(rule)
}

fn backends(place: Place<'_>, written: &GrpcRouteRule, index: usize, faults: &Faults) -> Vec<Backend> {
    let one = |reference: &source::api::route::FilteredBackendRef<GrpcRouteFilter>| {
        let own: Result<Vec<Filter>, String> = match filters(place, &reference.filters, faults) {
            Ok(Filters { changes, mirrors, .. }) if mirrors.is_empty() => Ok(changes),
            Ok(_) => Err("filters of a backendRef can change headers, and nothing else".to_owned()),
            Err(Refusal::Kind(message)) => {
                faults.reference("InvalidKind", message.clone());
                Err(message)
            }
            Err(Refusal::Value(message) | Refusal::Incompatible(message)) => Err(message),
        };
        let (target, filters) = match own {
            Ok(filters) => (backend::target(place, &reference.object(), faults), filters),
            Err(message) => {
                let name = &reference.name;
                faults.rule(index, format!("the share of backend {name} is answered with an error: {message}"));
                (BackendTarget::Invalid(message.into()), vec![])
            }
        };
        Backend { target, weight: reference.weight, filters }
    };
    written.backend_refs.iter().map(one).collect()
}

fn filters(place: Place<'_>, filters: &[GrpcRouteFilter], faults: &Faults) -> Result<Filters, Refusal> {
    let mut out = Filters::default();
    for filter in filters {
        match filter.kind {
            GrpcRouteFilterType::RequestHeaderModifier => {
                let headers = told(&filter.request_header_modifier, "requestHeaderModifier")?;
                out.changes.extend(Headers::from(headers).request_filters()?);
            }
            GrpcRouteFilterType::ResponseHeaderModifier => {
                let headers = told(&filter.response_header_modifier, "responseHeaderModifier")?;
                out.changes.push(Filter::ResponseHeaders(Headers::from(headers).change()?));
            }
            GrpcRouteFilterType::RequestMirror => {
                out.mirrors.push(mirror(place, told(&filter.request_mirror, "requestMirror")?, faults)?);
            }
            GrpcRouteFilterType::ExtensionRef => {
                let to = told(&filter.extension_ref, "extensionRef")?;
                return Err(Refusal::Kind(format!(
                    "extensionRef: {}.{} {} is no filter of the mesh",
                    to.kind, to.group, to.name
                )));
            }
        }
    }
    Ok(out)
}

fn matched(written: &GrpcRouteMatch) -> Result<HttpMatch, String> {
    let path = written.method.as_ref().map(path).transpose()?.flatten();
    Ok(HttpMatch { path, headers: named(&written.headers, true)?, ..HttpMatch::default() })
}

/// Converts service and method: the path of a call is `/service/method`.
fn path(written: &GrpcMethodMatch) -> Result<Option<PathMatch>, String> {
    let given = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    let (service, method) = (given(&written.service), given(&written.method));
    for name in [&service, &method].into_iter().flatten() {
        if written.kind == MatchType::Exact && !name.chars().all(|c| c.is_ascii_alphanumeric() || "._".contains(c)) {
            return Err(format!("method: {name:?} is no name of a service or method"));
        }
    }
    Ok(Some(match (written.kind, service, method) {
        (_, None, None) => return Ok(None),
        (MatchType::Exact, Some(service), Some(method)) => PathMatch::Exact(format!("/{service}/{method}").into()),
        (MatchType::Exact, Some(service), None) => PathMatch::Prefix(format!("/{service}/").into()),
        (MatchType::Exact, None, Some(method)) => {
            PathMatch::Regex(pattern(&format!("/{ANY}/{}", method.replace('.', "\\.")))?)
        }
        (MatchType::RegularExpression, service, method) => {
            // Each on its own first, so that neither closes a bracket of the whole.
            let part = |text: Option<String>| -> Result<String, String> {
                let text = text.unwrap_or_else(|| ANY.to_owned());
                pattern(&text).map(|_| format!("(?:{text})"))
            };
            PathMatch::Regex(pattern(&format!("/{}/{}", part(service)?, part(method)?))?)
        }
    }))
}
