//! Requests that others might read differently than we do (RFC 9112 11): what the parser of hyper takes, and we do not.
//!
//! What it refuses itself is told by the tests of the wire; what only the bytes show by [`super::framing`].

use http::{HeaderMap, Method, StatusCode, Version, header::TRANSFER_ENCODING, request::Parts, uri::Authority};

use super::{framing::Fault, refusal::Refusal};

/// The largest head of a request, bytes. The parser's own bound is on its buffer, which may grow past it.
pub const MAX_HEAD: usize = 64 << 10;

/// The most headers of a request.
pub const MAX_HEADERS: usize = 256;

/// Refuses what must not be passed on.
///
/// # Errors
/// The answer that it gets instead.
pub fn check(parts: &Parts) -> Result<(), Refusal> {
    if let Some(fault) = parts.extensions.get::<Fault>() {
        return Err(Refusal::bad(fault.reason()));
    }
    if size(parts) > MAX_HEAD || parts.headers.len() > MAX_HEADERS {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Refusal::new(status, "DPE", "request header fields too large\n", "the head is too large"));
    }
    coding(&parts.headers)?;
    if parts.method == Method::CONNECT {
        // There is no tunnel through a service: what is behind it is what its rules say.
        let reason = "CONNECT makes no sense to a service";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "DPE", "method not allowed\n", reason).closing());
    }
    target(parts)
}

fn size(parts: &Parts) -> usize {
    let target = parts.uri.path().len() + parts.uri.query().map_or(0, str::len);
    target + parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
}

/// Only one coding is taken, once: what else a body is wrapped in would get lost with the header (RFC 9112 6.1).
fn coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let unknown = || {
        let reason = "the transfer coding is not chunked alone";
        Refusal::new(StatusCode::NOT_IMPLEMENTED, "DPE", "not implemented\n", reason).closing()
    };
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(unknown()),
    }
}

/// The target is a path, a whole URI of HTTP, or `*` for OPTIONS (RFC 9112 3.2).
fn target(parts: &Parts) -> Result<(), Refusal> {
    let uri = &parts.uri;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(_) => return Err(Refusal::bad("the scheme is none of HTTP")),
        None if uri.authority().is_some() && parts.version < Version::HTTP_2 => {
            return Err(Refusal::bad("the target is an authority alone"));
        }
        None => {}
    }
    match uri.path() {
        "*" if parts.method != Method::OPTIONS => Err(Refusal::bad("the target is no path")),
        "*" | "" => Ok(()),
        path if path.starts_with('/') => Ok(()),
        _ => Err(Refusal::bad("the target is no path")),
    }
}

/// Checks an authority: a host and perhaps a port, no name of a user (RFC 9110 4.2.4, 7.2).
///
/// # Errors
/// Anything else.
pub fn authority(text: &str) -> Result<(), Refusal> {
    let parsed = text.parse::<Authority>();
    let well = parsed.is_ok_and(|authority| {
        let rest = text.strip_prefix(authority.host()).unwrap_or("@");
        let port = rest.strip_prefix(':').map_or(rest.is_empty(), |port| port.parse::<u16>().is_ok());
        let host = authority.host();
        port && !host.is_empty() && (host.starts_with('[') || host.bytes().all(is_of_name))
    });
    if well { Ok(()) } else { Err(Refusal::bad("the Host is no host and port")) }
}

/// Tells whether a byte may be in a name or an IPv4 address; what RFC 3986 allows beyond that no resolver takes.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        for good in ["a", "a.b:80", "10.0.0.1", "10.0.0.1:8080", "[::1]", "[::1]:80", "A_b", "a.", "xn--a"] {
            assert!(authority(good).is_ok(), "{good}");
        }
        for bad in
            ["", ":80", "a b", "u@a", "a/b", "a,b", "a:b", "a:", "a:80:80", "a:99999", "::1", "[::1", "a%20", "a#"]
        {
            assert!(authority(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_must_not_be_passed_on_is_refused() {
        let with = |method: &str, uri: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method(method).uri(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            check(&request.body(()).expect("valid").into_parts().0).map_err(|refusal| refusal.status.as_u16())
        };
        let long = "a".repeat(MAX_HEAD);
        type Row<'r> = (&'r str, &'r str, &'r [(&'r str, &'r str)], Result<(), u16>);
        let rows: [Row<'_>; 14] = [
            ("GET", "/", &[], Ok(())),
            ("GET", "http://a/x", &[], Ok(())),
            ("OPTIONS", "*", &[], Ok(())),
            ("GET", "*", &[], Err(400)),
            ("GET", "a:80", &[], Err(400)),
            ("GET", "ftp://a/x", &[], Err(400)),
            ("CONNECT", "a:80", &[], Err(405)),
            ("GET", "/", &[("a", &long)], Err(431)),
            ("POST", "/", &[("transfer-encoding", "Chunked")], Ok(())),
            ("POST", "/", &[("transfer-encoding", "gzip, chunked")], Err(501)),
            ("POST", "/", &[("transfer-encoding", "chunked, chunked")], Err(501)),
            ("POST", "/", &[("transfer-encoding", "identity")], Err(501)),
            ("POST", "/", &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], Err(501)),
            ("POST", "/", &[("transfer-encoding", "chunked;a=b")], Err(501)),
        ];
        for (method, uri, headers, wanted) in rows {
            assert_eq!(with(method, uri, headers), wanted, "{method} {uri} {headers:.40?}");
        }
    }
}
