//! SPIFFE identities as the mesh uses them; parsed once, here, and trusted everywhere else.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The trust domain of a mesh that names none.
pub const DEFAULT_TRUST_DOMAIN: &str = "cluster.local";

/// Names a workload's owner: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
///
/// The form is strict, as every Istio component expects it; anything else is refused by [`FromStr`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    trust_domain: Arc<str>,
    namespace: Arc<str>,
    service_account: Arc<str>,
}

impl Identity {
    /// Makes an identity from its parts; an empty trust domain or service account takes the default.
    ///
    /// # Errors
    /// A part that is empty where it may not be, or holds a character that SPIFFE ID section 2 does not allow in a path segment.
    pub fn new(trust_domain: &str, namespace: &str, service_account: &str) -> Result<Self, InvalidIdentity> {
        let trust_domain = if trust_domain.is_empty() { DEFAULT_TRUST_DOMAIN } else { trust_domain };
        let service_account = if service_account.is_empty() { "default" } else { service_account };
        for part in [trust_domain, namespace, service_account] {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            if part.is_empty() || part == "." || part == ".." || !part.chars().all(allowed) {
                return Err(InvalidIdentity(format!("{trust_domain}/ns/{namespace}/sa/{service_account}")));
            }
        }
        Ok(Self {
            trust_domain: trust_domain.into(),
            namespace: namespace.into(),
            service_account: service_account.into(),
        })
    }

    /// Returns the trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// Returns the Kubernetes namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the Kubernetes service account.
    #[must_use]
    pub fn service_account(&self) -> &str {
        &self.service_account
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/ns/{}/sa/{}", self.trust_domain, self.namespace, self.service_account)
    }
}

impl FromStr for Identity {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidIdentity(text.to_owned());
        let parts: Vec<&str> = text.strip_prefix("spiffe://").ok_or_else(invalid)?.split('/').collect();
        let [trust_domain, "ns", namespace, "sa", service_account] = parts[..] else { return Err(invalid()) };
        // `new` fills defaults in for empty parts; in a written identity an empty part is a mistake.
        if trust_domain.is_empty() || service_account.is_empty() {
            return Err(invalid());
        }
        Self::new(trust_domain, namespace, service_account).map_err(|_| invalid())
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Tells that a text is no identity of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not of the form spiffe://<trust domain>/ns/<namespace>/sa/<service account>")]
pub struct InvalidIdentity(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_round_trip_and_bad_ones_are_refused() {
        let text = "spiffe://cluster.local/ns/shop/sa/cart";
        assert_eq!(text.parse::<Identity>().expect("valid").to_string(), text);
        for bad in [
            "",
            "spiffe://",
            "cluster.local/ns/a/sa/b",
            "spiffe://td/ns/a/sa/",
            "spiffe://td/ns//sa/b",
            "spiffe:///ns/a/sa/b",
            "spiffe://td/ns/a/sa/b/c",
            "spiffe://td/sa/a/ns/b",
            "spiffe://td/ns/../sa/b",
            "spiffe://td/ns/a b/sa/c",
            "SPIFFE://td/ns/a/sa/b",
        ] {
            assert!(bad.parse::<Identity>().is_err(), "{bad}");
        }
    }
}
