//! Keys of issuers: JWK sets (RFC 7517 5) as far as they can be used, and signatures.

use std::{
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::Value;

/// The keys of one issuer.
#[derive(Debug)]
pub struct KeySet {
    id: u64,
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    // Where the set says that the key is for this one only.
    algorithm: Option<Algorithm>,
    kind: Kind,
    key: DecodingKey,
}

/// What a key is, and so what it can check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// Tells why a text is no set of keys.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// No JSON.
    #[error("not JSON")]
    Json(#[from] serde_json::Error),
    /// No `keys`.
    #[error("no list of keys in it")]
    NoList,
}

/// Why no key of a set stands for a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// The key that the token names did not make the signature.
    Wrong,
    /// The set has no such key: perhaps it is newer than the set.
    NoSuchKey,
}

/// One key as it is written (RFC 7517 4, RFC 7518 6, RFC 8037 2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a set. A key that cannot be used is passed over, as RFC 7517 5 wants: others of the set still count.
    ///
    /// # Errors
    /// A text that is no set.
    pub fn parse(text: &[u8]) -> Result<Self, Invalid> {
        let mut set: Value = serde_json::from_slice(text)?;
        let Some(Value::Array(keys)) = set.get_mut("keys").map(Value::take) else { return Err(Invalid::NoList) };
        let keys = keys.into_iter().filter_map(|key| Key::new(&serde_json::from_value(key).ok()?)).collect();
        Ok(Self::of(keys))
    }

    /// Returns a set without keys, which no token fits.
    #[must_use]
    pub fn none() -> Self {
        Self::of(Vec::new())
    }

    fn of(keys: Vec<Key>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), keys }
    }

    /// Returns what no other set of this process has: what one set proved is not proven by another.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Tells whether there is no usable key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Checks a signature over a text by the keys that the token's header lets come into question.
    ///
    /// # Errors
    /// No key stands for it.
    pub fn prove(&self, key: Option<&str>, algorithm: Algorithm, text: &str, signature: &str) -> Result<(), Unproven> {
        let mut met = false;
        for candidate in self.keys.iter().filter(|k| k.may_be(key) && k.fits(algorithm)) {
            met = true;
            // What is no signature at all is an error, and no signature either.
            if crypto::verify(signature, text.as_bytes(), &candidate.key, algorithm).unwrap_or(false) {
                return Ok(());
            }
        }
        // Without a name the right key may be one that is not known yet.
        Err(if met && key.is_some() { Unproven::Wrong } else { Unproven::NoSuchKey })
    }
}

impl Key {
    fn new(jwk: &Jwk) -> Option<Self> {
        let signs = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
        let verifies = jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !signs || !verifies {
            return None;
        }
        // Some write the padding that RFC 7515 2 leaves out.
        let number = |field: &'_ Option<String>| Some(field.as_deref()?.trim_end_matches('=').to_owned());
        let (kind, key) = match (&*jwk.kty, jwk.crv.as_deref()) {
            ("RSA", _) => (Kind::Rsa, DecodingKey::from_rsa_components(&number(&jwk.n)?, &number(&jwk.e)?)),
            ("EC", Some("P-256")) => (Kind::P256, DecodingKey::from_ec_components(&number(&jwk.x)?, &number(&jwk.y)?)),
            ("EC", Some("P-384")) => (Kind::P384, DecodingKey::from_ec_components(&number(&jwk.x)?, &number(&jwk.y)?)),
            ("OKP", Some("Ed25519")) => (Kind::Ed25519, DecodingKey::from_ed_components(&number(&jwk.x)?)),
            // Secrets (`oct`) above all: whoever can check with one can make tokens as well.
            _ => return None,
        };
        let algorithm = match &jwk.alg {
            Some(name) => Some(algorithm(name).filter(|a| kind.fits(*a))?),
            None => None,
        };
        Some(Self { id: jwk.kid.clone(), algorithm, kind, key: key.ok()? })
    }

    fn may_be(&self, wanted: Option<&str>) -> bool {
        match (&self.id, wanted) {
            (Some(id), Some(wanted)) => id == wanted,
            _ => true,
        }
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.kind.fits(algorithm) && self.algorithm.is_none_or(|own| own == algorithm)
    }
}

impl Kind {
    fn fits(self, algorithm: Algorithm) -> bool {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        match self {
            Self::Rsa => matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512),
            Self::P256 => algorithm == ES256,
            Self::P384 => algorithm == ES384,
            Self::Ed25519 => algorithm == EdDSA,
        }
    }
}

/// Returns an algorithm by its name (RFC 7518 3.1); none for those that share a secret, and for `none`.
#[must_use]
pub fn algorithm(name: &str) -> Option<Algorithm> {
    use Algorithm::{EdDSA, HS256, HS384, HS512};
    // RFC 9864 2.2
    if name == "Ed25519" {
        return Some(EdDSA);
    }
    Algorithm::from_str(name).ok().filter(|known| !matches!(known, HS256 | HS384 | HS512))
}
