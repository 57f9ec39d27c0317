//! The `forwarded` header of a tunnel's stream (RFC 7239).

use std::net::SocketAddr;

use http::HeaderMap;

/// Returns the client's address as the tunnel's other end tells it (RFC 7239 5.2), so that both sides name one connection by the
/// same address. Only its port is believed, which no policy reads: the address must be the tunnel's own.
#[must_use]
pub fn client(headers: &HeaderMap, peer: SocketAddr) -> SocketAddr {
    let told = headers.get("forwarded").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let told = told.split(';').find_map(|part| part.trim().strip_prefix("for=")).map(|v| v.trim_matches('"'));
    let client = told.and_then(|text| text.parse::<SocketAddr>().ok());
    client
        .filter(|client| client.ip().to_canonical() == peer.ip())
        .map_or(peer, |c| SocketAddr::new(peer.ip(), c.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_named_by_its_own_port_and_by_no_other_address() {
        let peer: SocketAddr = "10.0.0.1:40000".parse().expect("valid");
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("forwarded", text.parse().expect("valid"));
            client(&headers, peer).to_string()
        };
        assert_eq!(of("for=\"10.0.0.1:1234\";host=web.shop.svc"), "10.0.0.1:1234");
        assert_eq!(of("host=web.shop.svc; for=\"10.0.0.1:1234\""), "10.0.0.1:1234");
        for other in ["for=\"10.0.0.9:1234\"", "for=10.0.0.1", "for=\"[::1]:1\"", "", "for=\"\"", "nonsense"] {
            assert_eq!(of(other), peer.to_string(), "{other}");
        }
        assert_eq!(client(&HeaderMap::new(), peer), peer);
    }
}
