//! Headers on their way: what ends here, what is added, what rules change.

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, COOKIE, EXPECT, HOST,
        SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
    request::Parts,
    uri::PathAndQuery,
};
use model::{
    Identity,
    l7::filter::{Filter, HeaderChange, Rewrite},
};

use super::refusal::Refusal;

/// Headers that are for one connection only (RFC 9110 7.6.1).
const HOP: [&str; 5] = ["keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "upgrade"];
/// Fields that say where a message ends, who sent it or how it is read: in trailers nobody expects them (RFC 9110 6.5.1).
const NOT_IN_TRAILERS: [HeaderName; 14] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    EXPECT,
    HOST,
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    CLIENT_CERTIFICATE,
];
/// The header that tells a backend who asks.
pub const CLIENT_CERTIFICATE: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
/// The header that names a request in all logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that tells a client that there is too much to do.
pub const OVERLOADED: HeaderName = HeaderName::from_static("x-envoy-overloaded");
/// The header that tells how the client spoke.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Removes what `Connection` names, and the name with it.
///
/// Before anything is decided or added: a client must not have removed what the mesh adds by naming it.
pub fn drop_named(headers: &mut HeaderMap) {
    let options = |headers: &HeaderMap| -> Vec<HeaderName> {
        let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
    };
    let mut upgrade = false;
    for name in options(headers) {
        match name {
            // Rules may ask for it; it goes with the rest of what is for this connection only.
            UPGRADE => upgrade = true,
            // Told apart from the others by what it says; and what says where a request goes is for everybody.
            TE | HOST => {}
            name => drop(headers.remove(name)),
        }
    }
    headers.remove(CONNECTION);
    if upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// Removes what is for one connection only, and what `Connection` names; `TE: trailers` stays, which gRPC needs.
pub fn end_to_end(headers: &mut HeaderMap) {
    drop_named(headers);
    let trailers = headers.get_all(TE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).any(|v| {
        let coding = v.split(';').next().unwrap_or_default();
        coding.trim().eq_ignore_ascii_case("trailers")
    });
    for name in HOP {
        headers.remove(name);
    }
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    headers.remove(TE);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Removes from trailers what must not come so late.
pub fn of_trailers(trailers: &mut HeaderMap) {
    for name in &NOT_IN_TRAILERS {
        trailers.remove(name);
    }
}

/// Returns what tells a backend who asks.
#[must_use]
pub fn introduction(own: &Identity, client: &Identity) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("By={own};URI={client}")).ok()
}

/// Tells a backend who asks: what the client itself says about that is removed first.
pub fn introduce(headers: &mut HeaderMap, introduction: Option<&HeaderValue>) {
    headers.remove(CLIENT_CERTIFICATE);
    if let Some(value) = introduction {
        headers.insert(CLIENT_CERTIFICATE, value.clone());
    }
    if !headers.contains_key(&REQUEST_ID) {
        let (high, low): (u64, u64) = (rand::random(), rand::random());
        // A UUID of version 4 (RFC 9562 5.4).
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        );
        if let Ok(value) = HeaderValue::from_str(&id) {
            headers.insert(REQUEST_ID, value);
        }
    }
    if let Some(id) = headers.get_mut(&REQUEST_ID) {
        // It never comes again: in the table of a connection (RFC 7541 2.3.2) it would only take the place of what does.
        id.set_sensitive(true);
    }
    headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
}

/// Makes a change of headers.
pub fn change(headers: &mut HeaderMap, change: &HeaderChange) {
    for name in &change.remove {
        headers.remove(&**name);
    }
    let pair = |(name, value): &(model::workload::Name, model::workload::Name)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    };
    for (name, value) in change.set.iter().filter_map(pair) {
        headers.insert(name, value);
    }
    for (name, value) in change.add.iter().filter_map(pair) {
        headers.append(name, value);
    }
}

/// Changes a request as rules say; `prefix` is how much of the path the match took.
///
/// # Errors
/// A path that cannot be sent.
pub fn request(
    parts: &mut Parts,
    authority: &mut String,
    filters: &[Filter],
    prefix: Option<usize>,
) -> Result<(), Refusal> {
    for filter in filters {
        match filter {
            Filter::RequestHeaders(wanted) => {
                // `Host` is the authority.
                if let Some((_, host)) = wanted.set.iter().find(|(name, _)| &**name == "host") {
                    (**host).clone_into(authority);
                }
                change(&mut parts.headers, wanted);
            }
            Filter::Rewrite(wanted) => rewrite(parts, authority, wanted, prefix)?,
            Filter::ResponseHeaders(_) => {}
        }
    }
    Ok(())
}

fn rewrite(parts: &mut Parts, authority: &mut String, wanted: &Rewrite, prefix: Option<usize>) -> Result<(), Refusal> {
    if let Some(new) = &wanted.authority {
        (**new).clone_into(authority);
    }
    if let Some(new) = &wanted.path {
        let path = new.apply(parts.uri.path(), prefix);
        let query = parts.uri.query().map(str::to_owned);
        set_target(parts, &path, query.as_deref())?;
    }
    Ok(())
}

/// Gives a request another path and query.
///
/// # Errors
/// The two are none, or are too long; nothing is changed then.
pub fn set_target(parts: &mut Parts, path: &str, query: Option<&str>) -> Result<(), Refusal> {
    let text = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let none = |error: http::Error| {
        let reason =
            format!("what rules or the external authorization make of its path and query cannot be sent: {error}");
        Refusal { reason, ..Refusal::bad("") }
    };
    let mut uri = parts.uri.clone().into_parts();
    uri.path_and_query = Some(text.parse::<PathAndQuery>().map_err(|error| none(error.into()))?);
    parts.uri = Uri::from_parts(uri).map_err(|error| none(error.into()))?;
    Ok(())
}

/// Changes an answer as rules say.
pub fn answer(headers: &mut HeaderMap, filters: &[Filter]) {
    for filter in filters {
        if let Filter::ResponseHeaders(wanted) = filter {
            change(headers, wanted);
        }
    }
}

/// Returns the protocol that a client wants to go over to (RFC 9110 7.8), if its request says so on this connection.
#[must_use]
pub fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut options = headers.get_all(CONNECTION).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    options.any(|option| option.trim().eq_ignore_ascii_case("upgrade")).then(|| headers.get(UPGRADE).cloned()).flatten()
}

/// Sets the one `Host`.
pub fn set_host(headers: &mut HeaderMap, authority: &str) {
    headers.remove(HOST);
    if let Ok(value) = HeaderValue::from_str(authority) {
        headers.insert(HOST, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_one_connection_ends_and_what_announces_trailers_stays() {
        let pairs = [
            ("connection", "x-own"),
            ("x-own", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("x-a", "1"),
        ];
        let pairs = pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::from_iter(pairs);
        end_to_end(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["te", "trailer", "x-a"]);
    }
}
