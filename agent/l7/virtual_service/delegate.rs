//! Routes of which another virtual service says more.

use std::collections::{BTreeMap, BTreeSet};

use source::{
    api::virtual_service::{HttpMatchRequest, HttpRoute, StringMatch, VirtualServiceSpec},
    object::ObjectKey,
};

use crate::l7::{hosts::Audience, route::Place};

/// Puts in place of each route that delegates those of the other virtual service, narrowed to what was delegated.
///
/// A delegate that is not there, or not shown to the namespace, takes its route away and is noted. Second: what is wrong.
pub fn expand(
    place: Place<'_>,
    spec: &VirtualServiceSpec,
    notes: &mut BTreeSet<String>,
) -> (Vec<HttpRoute>, Vec<String>) {
    let (mut out, mut faults) = (Vec::new(), Vec::new());
    for (index, route) in spec.http.iter().enumerate() {
        let Some(delegate) = &route.delegate else {
            out.push(route.clone());
            continue;
        };
        if !route.route.is_empty() || route.redirect.is_some() || route.direct_response.is_some() {
            faults.push(format!("http[{index}]: delegate, route, redirect and directResponse exclude each other"));
            continue;
        }
        let own = &place.key.namespace;
        let namespace = if delegate.namespace.is_empty() { own } else { &delegate.namespace };
        let key = ObjectKey { namespace: namespace.clone(), name: delegate.name.clone() };
        match part(place, &key) {
            Ok(part) => out.extend(part.http.iter().filter_map(|inner| merged(route, inner))),
            Err(why) => drop(notes.insert(format!("http[{index}]: delegate {namespace}/{}: {why}", key.name))),
        }
    }
    (out, faults)
}

/// Returns a virtual service that may be a part of others.
fn part<'k>(place: Place<'k>, key: &ObjectKey) -> Result<&'k VirtualServiceSpec, &'static str> {
    let part = place.lookup.delegate(key).ok_or("it is not there")?;
    if !Audience::of(&part.export_to, &key.namespace).has(&place.key.namespace) {
        return Err("its exportTo does not show it to this namespace");
    }
    if !part.hosts.is_empty() {
        return Err("it has hosts, so it is no part of another");
    }
    if part.http.iter().any(|route| route.delegate.is_some()) {
        return Err("it delegates itself, and only one step is taken");
    }
    Ok(part)
}

/// Merges the route of a delegate into the one that delegates: conditions of both hold, and what the delegate does not say
/// the other says. None if no request can be meant by both.
fn merged(outer: &HttpRoute, inner: &HttpRoute) -> Option<HttpRoute> {
    let matches: Vec<HttpMatchRequest> = match (&*outer.matches, &*inner.matches) {
        ([], all) | (all, []) => all.to_vec(),
        (outer, inner) => outer.iter().flat_map(|o| inner.iter().filter_map(move |i| both(o, i))).collect(),
    };
    if matches.is_empty() && !(outer.matches.is_empty() && inner.matches.is_empty()) {
        return None;
    }
    let o = outer.clone();
    let i = inner.clone();
    let name = match (&*o.name, &*i.name) {
        ("", name) | (name, "") => name.to_owned(),
        (outer, inner) => format!("{outer}-{inner}"),
    };
    let mirrored = i.mirror.is_some();
    Some(HttpRoute {
        name,
        matches,
        rewrite: i.rewrite.or(o.rewrite),
        timeout: i.timeout.or(o.timeout),
        retries: i.retries.or(o.retries),
        fault: i.fault.or(o.fault),
        mirror: i.mirror.or(o.mirror),
        mirrors: if i.mirrors.is_empty() { o.mirrors } else { i.mirrors },
        // A percentage belongs to its mirror.
        mirror_percentage: if mirrored { i.mirror_percentage } else { o.mirror_percentage },
        mirror_percent: if mirrored { i.mirror_percent } else { o.mirror_percent },
        mirror_percent_old: if mirrored { i.mirror_percent_old } else { o.mirror_percent_old },
        cors_policy: i.cors_policy.or(o.cors_policy),
        headers: i.headers.or(o.headers),
        route: i.route,
        redirect: i.redirect,
        direct_response: i.direct_response,
        delegate: None,
    })
}

/// Returns the conditions of both; none if they exclude each other, or nobody can say what holds both.
fn both(outer: &HttpMatchRequest, inner: &HttpMatchRequest) -> Option<HttpMatchRequest> {
    if outer.ignore_uri_case != inner.ignore_uri_case && outer.uri.is_some() && inner.uri.is_some() {
        return None;
    }
    let name = match (&*outer.name, &*inner.name) {
        ("", name) | (name, "") => name.to_owned(),
        (outer, inner) => format!("{outer}-{inner}"),
    };
    Some(HttpMatchRequest {
        name,
        uri: narrowed(outer.uri.as_ref(), inner.uri.as_ref())?,
        scheme: narrowed(outer.scheme.as_ref(), inner.scheme.as_ref())?,
        method: narrowed(outer.method.as_ref(), inner.method.as_ref())?,
        authority: narrowed(outer.authority.as_ref(), inner.authority.as_ref())?,
        headers: all_narrowed(&outer.headers, &inner.headers)?,
        query_params: all_narrowed(&outer.query_params, &inner.query_params)?,
        // Each of both keeps requests away.
        without_headers: all_equal(&outer.without_headers, &inner.without_headers)?,
        source_labels: all_equal(&outer.source_labels, &inner.source_labels)?,
        port: equal(outer.port, inner.port)?,
        source_namespace: equal(
            Some(outer.source_namespace.clone()).filter(|n| !n.is_empty()),
            Some(inner.source_namespace.clone()).filter(|n| !n.is_empty()),
        )?
        .unwrap_or_default(),
        gateways: match (&*outer.gateways, &*inner.gateways) {
            ([], all) | (all, []) => all.to_vec(),
            (outer, inner) => {
                let common: Vec<String> = outer.iter().filter(|g| inner.contains(g)).cloned().collect();
                (!common.is_empty()).then_some(common)?
            }
        },
        ignore_uri_case: outer.ignore_uri_case || inner.ignore_uri_case,
        stat_prefix: if inner.stat_prefix.is_empty() { outer.stat_prefix.clone() } else { inner.stat_prefix.clone() },
    })
}

fn equal<T: PartialEq>(outer: Option<T>, inner: Option<T>) -> Option<Option<T>> {
    match (outer, inner) {
        (Some(outer), Some(inner)) => (outer == inner).then_some(Some(outer)),
        (one, other) => Some(one.or(other)),
    }
}

fn all_equal<T: Clone + PartialEq>(
    outer: &BTreeMap<String, T>,
    inner: &BTreeMap<String, T>,
) -> Option<BTreeMap<String, T>> {
    let mut all = outer.clone();
    for (name, value) in inner {
        if all.insert(name.clone(), value.clone()).is_some_and(|old| old != *value) {
            return None;
        }
    }
    Some(all)
}

fn all_narrowed(
    outer: &BTreeMap<String, StringMatch>,
    inner: &BTreeMap<String, StringMatch>,
) -> Option<BTreeMap<String, StringMatch>> {
    let names: BTreeSet<&String> = outer.keys().chain(inner.keys()).collect();
    let one = |name: &String| Some((name.clone(), narrowed(outer.get(name), inner.get(name))?.unwrap_or_default()));
    names.into_iter().map(one).collect()
}

/// Returns the condition that holds if both hold: the inner one, where it says no more than the outer one.
fn narrowed(outer: Option<&StringMatch>, inner: Option<&StringMatch>) -> Option<Option<StringMatch>> {
    let (Some(outer), Some(inner)) = (outer, inner) else { return Some(outer.or(inner).cloned()) };
    let any = StringMatch::default();
    let within = if *outer == any || outer == inner {
        return Some(Some(inner.clone()));
    } else if *inner == any {
        return Some(Some(outer.clone()));
    } else {
        match (&outer.exact, &outer.prefix, &inner.exact, &inner.prefix) {
            (Some(outer), _, Some(inner), _) => outer == inner,
            (None, Some(outer), Some(inner), _) | (None, Some(outer), None, Some(inner)) => inner.starts_with(outer),
            _ => false,
        }
    };
    within.then(|| Some(inner.clone()))
}
