//! Which requests a route of a virtual service is about.

use std::collections::BTreeMap;

use model::l7::{
    matching::{HttpMatch, NamedMatch, PathMatch, Source},
    text::TextMatch,
};
use source::api::{
    istio::Labels,
    virtual_service::{HttpMatchRequest, StringMatch},
};

use crate::l7::{
    hosts::Audience,
    text::{header_name, pattern, text},
    virtual_service::{of_mesh, shown},
};

/// Names under which conditions over other things were once written: they are no headers.
const NO_HEADERS: [&str; 4] = ["uri", "scheme", "method", "authority"];

/// Converts conditions, for an audience; none if no request of the mesh can be meant.
///
/// # Errors
/// A pattern, name or port is wrong.
pub fn http(written: &[HttpMatchRequest], audience: &Audience) -> Result<Option<Vec<HttpMatch>>, String> {
    if written.is_empty() && *audience == Audience::Everybody {
        return Ok(Some(vec![]));
    }
    let all = [HttpMatchRequest::default()];
    let mut out = Vec::new();
    for one in if written.is_empty() { &all } else { written } {
        let converted = convert(one)?;
        if of_mesh(&one.gateways) {
            let sources = shown(converted.source.clone(), audience);
            out.extend(sources.into_iter().map(|source| HttpMatch { source, ..converted.clone() }));
        }
    }
    Ok((!out.is_empty()).then_some(out))
}

fn convert(written: &HttpMatchRequest) -> Result<HttpMatch, String> {
    let of = |what: &str, condition: &Option<StringMatch>| -> Result<Option<TextMatch>, String> {
        let converted = condition.as_ref().map(text).transpose().map_err(|why| format!("match.{what}: {why}"))?;
        // Every request has these.
        Ok(converted.filter(|c| *c != TextMatch::Present))
    };
    if written.port == Some(0) {
        return Err("match.port: 0 is no port".to_owned());
    }
    let headers = |map: &BTreeMap<String, StringMatch>| -> Result<Vec<NamedMatch>, String> {
        let real = map.iter().filter(|(name, _)| !NO_HEADERS.contains(&&***name));
        real.map(|(name, value)| {
            if name.starts_with("@request.auth.claims") {
                return Err(format!("match.headers {name}: what a token claims is looked at by gateways alone"));
            }
            let value = text(value).map_err(|why| format!("match.headers {name}: {why}"))?;
            Ok(NamedMatch { name: header_name(name)?, value })
        })
        .collect()
    };
    let query = written.query_params.iter().map(|(name, value)| {
        let value = text(value).map_err(|why| format!("match.queryParams {name}: {why}"))?;
        Ok(NamedMatch { name: (**name).into(), value })
    });
    Ok(HttpMatch {
        path: written.uri.as_ref().map(path).transpose().map_err(|why| format!("match.uri: {why}"))?.flatten(),
        ignore_case: written.ignore_uri_case,
        method: of("method", &written.method)?,
        scheme: of("scheme", &written.scheme)?,
        authority: of("authority", &written.authority)?,
        headers: headers(&written.headers)?,
        without_headers: headers(&written.without_headers)?,
        query: query.collect::<Result<_, String>>()?,
        port: written.port,
        source: source(&written.source_namespace, &written.source_labels),
    })
}

/// Converts a condition over the path; the regular expression alone heeds case.
fn path(condition: &StringMatch) -> Result<Option<PathMatch>, String> {
    Ok(match (text(condition)?, &condition.regex) {
        (TextMatch::Exact(exact), _) => Some(PathMatch::Exact(exact)),
        (TextMatch::Prefix(prefix), _) => Some(PathMatch::Prefix(prefix)),
        (TextMatch::Regex(_), Some(regex)) => Some(PathMatch::Regex(pattern(regex)?)),
        _ => None,
    })
}

/// Converts conditions over the client.
#[must_use]
pub fn source(namespace: &str, labels: &Labels) -> Source {
    Source {
        namespace: Some(namespace).filter(|n| !n.is_empty()).map(Into::into),
        labels: labels.iter().map(|(k, v)| ((**k).into(), (**v).into())).collect(),
    }
}
