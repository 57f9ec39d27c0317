//! What the proxies are set up for: services that differ in routes and policies, and the kinds of work that are measured on them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};

use super::bed::{SERVER, at};
use crate::accept::chain;

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// How many routes it has, each for a part of the paths; the last one is asked for.
    pub routes: usize,
    /// Whether a policy decides by identity, method and path.
    pub policy: bool,
    /// Whether it wants a token.
    pub token: bool,
    /// Whether there is an access log.
    pub logged: bool,
}

const ONE: Case = Case { name: "one", routes: 1, policy: false, token: false, logged: false };

/// All services.
pub const CASES: [Case; 6] = [
    ONE,
    Case { name: "hundred", routes: 100, ..ONE },
    Case { name: "thousand", routes: 1000, ..ONE },
    Case { name: "policy", policy: true, ..ONE },
    Case { name: "token", token: true, ..ONE },
    Case { name: "logged", logged: true, ..ONE },
];

/// A port of every service: the port, that of the server behind it, its name and protocol.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// That of the server.
    pub target: u16,
    /// Its name, which is its protocol.
    pub name: &'static str,
}

const HTTP: Port = Port { number: 80, target: 8080, name: "http" };
const HTTP2: Port = Port { number: 81, target: 8082, name: "http2" };
const GRPC: Port = Port { number: 82, target: 8082, name: "grpc" };

/// All ports.
pub static PORTS: [Port; 3] = [HTTP, HTTP2, GRPC];

impl Case {
    /// Returns its place among all.
    pub fn index(self) -> u8 {
        CASES.iter().position(|case| *case == self).unwrap_or_default() as u8
    }

    /// Returns the service's address.
    pub fn vip(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 77, 2, self.index() + 1))
    }

    /// Returns its ports: many routes are on the first alone.
    pub fn ports(self) -> &'static [Port] {
        if self.routes > 1 { &PORTS[..1] } else { &PORTS }
    }

    /// Returns the port of a proxy that serves it without tunnels.
    pub fn plain(self, port: &Port) -> u16 {
        9000 + u16::from(self.index()) * 10 + (port.number - 80)
    }

    /// Returns what the paths of its routes begin with.
    pub fn prefixes(self) -> Vec<String> {
        match self.routes {
            1 => vec!["/".to_owned()],
            // Of the same length: an order by length says nothing.
            many => (0..many).map(|n| format!("/part/{n:04}")).collect(),
        }
    }

    /// Returns a path for its last route.
    pub fn path(self, page: &str) -> String {
        let prefix = self.prefixes().pop().unwrap_or_default();
        format!("{}/{page}", prefix.trim_end_matches('/'))
    }
}

/// One kind of work.
pub struct Work {
    /// What it is.
    pub name: &'static str,
    /// On which service.
    pub case: Case,
    /// On which port.
    pub port: Port,
    /// What is asked for.
    pub page: &'static str,
    /// How: arguments of the client.
    pub how: &'static str,
    /// Whether nginx can do it.
    pub nginx: bool,
}

const KEPT: &str = "--connections 64";
const BASE: Work = Work { name: "", case: ONE, port: HTTP, page: "1k", how: KEPT, nginx: true };

/// All kinds of work whose rate is measured.
pub const WORK: [Work; 12] = [
    Work { name: "HTTP/1.1, keep-alive, 1 route", ..BASE },
    Work { name: "HTTP/1.1, 100 routes", case: CASES[1], ..BASE },
    Work { name: "HTTP/1.1, 1,000 routes", case: CASES[2], ..BASE },
    Work { name: "HTTP/1.1, AuthorizationPolicy", case: CASES[3], nginx: false, ..BASE },
    Work { name: "HTTP/1.1, JWT", case: CASES[4], nginx: false, ..BASE },
    Work { name: "HTTP/1.1, access log", case: CASES[5], ..BASE },
    Work { name: "HTTP/1.1, bodies of 10 kB", page: "10k", ..BASE },
    Work { name: "HTTP/1.1, bodies of 1 MB", page: "1m", how: "--connections 8", ..BASE },
    Work { name: "HTTP/1.1, new connection per request", how: "--connections 64 --each connection", ..BASE },
    Work { name: "HTTP/1.1, new tunnel per request", how: "--connections 16 --each tunnel", nginx: false, ..BASE },
    Work { name: "HTTP/2", port: HTTP2, how: "--connections 4 --streams 16 --spoken http2", ..BASE },
    Work { name: "gRPC", port: GRPC, how: "--connections 4 --streams 16 --spoken grpc", ..BASE },
];

/// How latency is measured: requests at a fixed rate that all proxies can bear.
pub const CALM: [(&str, &str); 2] = [
    ("HTTP/1.1, 400 /s over 1 connection", "--connections 1 --rate 400"),
    ("HTTP/1.1, 2,000 /s over 64 connections", "--connections 64 --rate 2000"),
];

/// The server's own address for a port.
pub fn server(port: &Port) -> SocketAddr {
    at(SERVER, port.target)
}

/// Who issues the tokens, and a token.
pub struct Issuer {
    /// The issuer's name.
    pub name: &'static str,
    /// Its keys (RFC 7517).
    pub keys: String,
    /// A token that holds for a day.
    pub token: String,
}

impl Issuer {
    /// Makes one with an RSA key, as most are.
    pub fn new() -> Result<Self, String> {
        let name = "https://issuer.bench";
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).map_err(chain)?.serialize_der();
        // PKCS#1, which stands in PKCS#8 behind a head of this length (RFC 5208 5).
        let key = EncodingKey::from_rsa_der(pair.get(26..).ok_or("a key that is too short")?);
        let public = Jwk::from_encoding_key(&key, Algorithm::RS256).map_err(chain)?;
        let mut public: Value = serde_json::to_value(public).map_err(chain)?;
        public["kid"] = "bench".into();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_err(chain)?.as_secs();
        let claims = json!({ "iss": name, "sub": "client", "iat": now - 60, "exp": now + 24 * 3600 });
        let header = Header { kid: Some("bench".to_owned()), ..Header::new(Algorithm::RS256) };
        let token = jsonwebtoken::encode(&header, &claims, &key).map_err(chain)?;
        Ok(Self { name, keys: json!({ "keys": [public] }).to_string(), token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_route_is_asked_for() {
        let paths = CASES.map(|case| case.path("1k"));
        assert_eq!(paths[..3], ["/1k", "/part/0099/1k", "/part/0999/1k"]);
        assert_eq!(CASES[2].prefixes().len(), 1000);
    }
}
