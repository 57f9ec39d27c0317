//! Tokens: read, held to a rule, and proven. Pure: the clock and the keys are arguments.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use model::{l7::authentication::JwtRule, workload::Name};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::{self, KeySet, Unproven};

/// How far the clocks of issuers may be off, seconds.
const SKEW: i64 = 60;
/// How much of a text out of a token is shown.
const SHOWN: usize = 100;
/// What is always read as a list parted by spaces (Istio, `spaceDelimitedClaims`).
const SPACE_DELIMITED: [&str; 2] = ["scope", "permission"];

/// Why a token is not believed. Shown, it names what operators can look for and nothing that could be used as a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No token.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// An algorithm that proves nothing, or that is not known.
    #[error("tokens of algorithm {0:?} are not believed")]
    Algorithm(String),
    /// Nobody whom a rule names.
    #[error("no rule believes tokens of issuer {0:?}")]
    Issuer(String),
    /// For others.
    #[error("the token is for none of the audiences of its rule")]
    Audience,
    /// Too late.
    #[error("the token has expired")]
    Expired,
    /// Too early.
    #[error("the token is not valid yet")]
    NotYet,
    /// Not made by the key that it names.
    #[error("the signature of the token is wrong")]
    Signature,
    /// Made by nobody who is known.
    #[error("the issuer has no key {0:?} for this token")]
    NoSuchKey(Option<String>),
    /// There are no keys yet.
    #[error("there never were keys of issuer {0}: {1} has not answered with any yet")]
    NoKeys(Name, String),
}

impl Fault {
    /// Returns what the client is told, in the words that Envoy uses.
    #[must_use]
    pub fn told(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
            Self::Algorithm(_) => "Jwt header [alg] is not supported",
            Self::Issuer(_) => "Jwt issuer is not configured",
            Self::Audience => "Audiences in Jwt are not allowed",
            Self::Expired => "Jwt is expired",
            Self::NotYet => "Jwt not yet valid",
            Self::Signature => "Jwt verification fails",
            Self::NoSuchKey(_) => "Jwks doesn't have key to match kid or alg from Jwt",
            Self::NoKeys(..) => "Jwks remote fetch is failed",
        }
    }
}

/// A token that was proven by a set of keys.
#[derive(Debug)]
pub struct Believed {
    /// Its claims, as they are written.
    pub claims: Value,
    /// Its claims, as policies read them, where that is something else.
    read: Option<Value>,
    /// The payload, in base64url.
    pub payload: String,
    limits: Limits,
    keys: u64,
    space_delimited: Vec<Name>,
}

/// From when and until when a token is valid, seconds of Unix time.
#[derive(Clone, Copy, Debug)]
struct Limits {
    not_before: Option<i64>,
    expiry: Option<i64>,
}

/// The header of a token (RFC 7515 4.1). Keys that it brings along (`jwk`, `x5c`, `jku`) are not looked at.
#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// Holds a token to a rule and proves it.
///
/// # Errors
/// Why it is not believed.
pub fn verify(token: &str, rule: &JwtRule, keys: &KeySet, now: i64) -> Result<Believed, Fault> {
    let (signed, signature) = token.rsplit_once('.').ok_or(Fault::Malformed("it has no three parts"))?;
    let (head, payload) = signed.split_once('.').ok_or(Fault::Malformed("it has no three parts"))?;
    let head: Head = part(head).ok_or(Fault::Malformed("its header is no JSON in base64url"))?;
    let algorithm = algorithm(&head)?;
    let claims: Map<String, Value> = part(payload).ok_or(Fault::Malformed("its payload is no JSON in base64url"))?;
    let claims = Value::Object(claims);
    let limits = Limits::of(&claims)?;
    // Before the signature: only tokens that would be believed cost a check, or make anybody fetch keys.
    hold(&claims, limits, rule, now)?;
    keys.prove(head.kid.as_deref(), algorithm, signed, signature).map_err(|unproven| match unproven {
        Unproven::Wrong => Fault::Signature,
        Unproven::NoSuchKey => Fault::NoSuchKey(head.kid.as_deref().map(shown)),
    })?;
    let read = lists(&claims, &rule.space_delimited);
    let space_delimited = rule.space_delimited.clone();
    Ok(Believed { claims, read, payload: payload.to_owned(), limits, keys: keys.id(), space_delimited })
}

impl Believed {
    /// Tells whether it was proven by this set, and is read as this rule says.
    #[must_use]
    pub fn is_of(&self, keys: &KeySet, rule: &JwtRule) -> bool {
        self.keys == keys.id() && self.space_delimited == rule.space_delimited
    }

    /// Holds it to a rule again, which another one may have been before, and to the clock.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn hold(&self, rule: &JwtRule, now: i64) -> Result<(), Fault> {
        hold(&self.claims, self.limits, rule, now)
    }

    /// Tells whether it will never be valid again.
    #[must_use]
    pub fn is_over(&self, now: i64) -> bool {
        self.limits.is_over(now)
    }

    /// Returns the claims as policies read them.
    #[must_use]
    pub fn claims(&self) -> &Value {
        self.read.as_ref().unwrap_or(&self.claims)
    }

    /// Returns a claim as the value of a header: a text, a number or a truth. Its name is a path, `.` between nested ones.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<String> {
        let nested = || name.split('.').try_fold(&self.claims, |value, name| value.get(name));
        // Names may have dots of their own, as those that are addresses do.
        match self.claims.get(name).or_else(nested)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl Limits {
    fn of(claims: &Value) -> Result<Self, Fault> {
        // RFC 7519 2: a NumericDate may have a fraction.
        let date = |name: &str, wrong: &'static str| match claims.get(name) {
            None => Ok(None),
            Some(value) => value
                .as_i64()
                .or_else(|| value.as_f64().map(|date| date as i64))
                .map(Some)
                .ok_or(Fault::Malformed(wrong)),
        };
        Ok(Self { not_before: date("nbf", "nbf is no date")?, expiry: date("exp", "exp is no date")? })
    }

    fn is_over(self, now: i64) -> bool {
        self.expiry.is_some_and(|expiry| now > expiry.saturating_add(SKEW))
    }
}

fn part<'t, T: for<'d> Deserialize<'d>>(text: &'t str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

fn algorithm(head: &Head) -> Result<Algorithm, Fault> {
    // RFC 7515 4.1.11: what is critical and not understood makes the token invalid.
    if head.crit.is_some() {
        return Err(Fault::Malformed("its header has extensions that are critical"));
    }
    keys::algorithm(&head.alg).ok_or_else(|| Fault::Algorithm(shown(&head.alg)))
}

fn hold(claims: &Value, limits: Limits, rule: &JwtRule, now: i64) -> Result<(), Fault> {
    let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    if issuer != &*rule.issuer || issuer.is_empty() {
        return Err(Fault::Issuer(shown(issuer)));
    }
    if limits.is_over(now) {
        return Err(Fault::Expired);
    }
    if limits.not_before.is_some_and(|from| now.saturating_add(SKEW) < from) {
        return Err(Fault::NotYet);
    }
    let named = |wanted: &Name| match claims.get("aud") {
        Some(Value::String(audience)) => same_audience(audience, wanted),
        Some(Value::Array(audiences)) => {
            audiences.iter().filter_map(Value::as_str).any(|audience| same_audience(audience, wanted))
        }
        _ => false,
    };
    if rule.audiences.is_empty() || rule.audiences.iter().any(named) { Ok(()) } else { Err(Fault::Audience) }
}

/// Compares audiences as Envoy does: neither `http://` or `https://` nor a slash at the end makes another one.
fn same_audience(one: &str, other: &str) -> bool {
    fn bare(audience: &str) -> &str {
        let rest = audience.strip_prefix("https://").or_else(|| audience.strip_prefix("http://"));
        rest.map_or(audience, |rest| rest.strip_suffix('/').unwrap_or(rest))
    }
    one == other || bare(one) == bare(other)
}

/// Makes lists of the claims whose text is a list parted by spaces (RFC 8693 4.2); none if there are none.
fn lists(claims: &Value, further: &[Name]) -> Option<Value> {
    let names = SPACE_DELIMITED.into_iter().chain(further.iter().map(|name| &**name));
    let texts: Vec<(&str, &str)> =
        names.filter_map(|name| Some((name, claims.get(name).and_then(Value::as_str)?))).collect();
    if texts.is_empty() {
        return None;
    }
    let mut read = claims.clone();
    for (name, text) in texts {
        read[name] = text.split(' ').filter(|word| !word.is_empty()).collect();
    }
    Some(read)
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
