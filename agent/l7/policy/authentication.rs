//! RequestAuthentication with targets.
//!
//! A rule that is wrong refuses every token at the places that it names: none passes unchecked.

use model::{
    l7::authentication::{Authentication, JwtRule, Keys},
    workload::Name,
};
use serde_json::Value;
use source::{
    api::request_authentication::{self as written, RequestAuthenticationSpec},
    object::ObjectKey,
};

use crate::l7::{policy::Attachment, text::header_name};

/// A set without keys, which no token fits.
const NO_KEYS: &str = r#"{"keys":[]}"#;

/// Where a token is looked for when a rule does not say (Istio, `jwtRules`).
const DEFAULT_HEADER: (&str, &str) = ("authorization", "Bearer ");
/// The same, in the query.
const DEFAULT_PARAM: &str = "access_token";

/// Converts a policy: its specification, as far as it can be read, and all that is wrong with that.
///
/// Returns what waypoints enforce, none without targets, and what is wrong.
#[must_use]
pub fn convert(
    key: &ObjectKey,
    (spec, mut faults): (Option<&RequestAuthenticationSpec>, Vec<String>),
    attachment: &Attachment,
) -> (Option<Authentication>, Vec<String>) {
    // Of what cannot be read nobody knows which tokens it is about: none is believed where they usually are.
    let unread = spec.is_none().then(|| refusing(&written::JwtRule::default()));
    let rules = spec.into_iter().flat_map(|s| &s.jwt_rules).enumerate().map(|(index, rule)| {
        let mut wrong = Vec::new();
        let made = self::rule(rule, &mut wrong);
        let bad = !wrong.is_empty();
        faults.extend(wrong.into_iter().map(|why| format!("jwtRules[{index}]: {why}")));
        if bad { JwtRule { keys: Keys::Inline(NO_KEYS.into()), ..made } } else { made }
    });
    let rules: Vec<JwtRule> = rules.collect::<Vec<_>>().into_iter().chain(unread).collect();
    let policy = Authentication {
        namespace: (*key.namespace).into(),
        name: (*key.name).into(),
        targets: attachment.targets.clone(),
        rules,
    };
    ((!attachment.targets.is_empty()).then_some(policy), faults)
}

fn refusing(rule: &written::JwtRule) -> JwtRule {
    JwtRule { keys: Keys::Inline(NO_KEYS.into()), ..self::rule(rule, &mut Vec::new()) }
}

fn rule(rule: &written::JwtRule, faults: &mut Vec<String>) -> JwtRule {
    if rule.issuer.is_empty() {
        faults.push("issuer has to be there".to_owned());
    }
    let mut header = |name: &str| -> Option<Name> { header_name(name).map_err(|why| faults.push(why)).ok() };
    let mut from_headers: Vec<(Name, Name)> =
        rule.from_headers.iter().filter_map(|h| Some((header(&h.name)?, (*h.prefix).into()))).collect();
    let claims = rule.output_claim_to_headers.iter();
    let claim_headers = claims.filter_map(|c| Some((header(&c.header)?, (*c.claim).into()))).collect();
    let payload_header = rule.output_payload_to_header.as_deref().filter(|h| !h.is_empty()).and_then(&mut header);
    let names = |list: &[String]| -> Vec<Name> { list.iter().map(|text| (**text).into()).collect() };
    let (mut from_params, from_cookies) = (names(&rule.from_params), names(&rule.from_cookies));
    if rule.from_headers.is_empty() && from_params.is_empty() && from_cookies.is_empty() {
        from_headers.push((DEFAULT_HEADER.0.into(), DEFAULT_HEADER.1.into()));
        from_params.push(DEFAULT_PARAM.into());
    }
    JwtRule {
        issuer: (*rule.issuer).into(),
        audiences: names(&rule.audiences),
        keys: keys(rule, faults),
        from_headers,
        from_params,
        from_cookies,
        payload_header,
        claim_headers,
        space_delimited: names(&rule.space_delimited_claims),
        forward: rule.forward_original_token,
        timeout: rule.timeout.map(|t| t.0).filter(|t| !t.is_zero()),
    }
}

fn keys(rule: &written::JwtRule, faults: &mut Vec<String>) -> Keys {
    let given = |text: &Option<String>| text.as_deref().filter(|t| !t.is_empty()).map(Name::from);
    match (given(&rule.jwks), given(&rule.jwks_uri).or_else(|| given(&rule.jwks_uri_old))) {
        (Some(_), Some(_)) => {
            faults.push("jwks and jwksUri exclude each other".to_owned());
            Keys::Inline(NO_KEYS.into())
        }
        (Some(set), None) => {
            let parsed = serde_json::from_str::<Value>(&set);
            if !parsed.is_ok_and(|set| set["keys"].is_array()) {
                faults.push("jwks is no set of keys (RFC 7517 5)".to_owned());
            }
            Keys::Inline(set)
        }
        (None, Some(uri)) => {
            let known = uri.parse::<http::Uri>().is_ok_and(|u| matches!(u.scheme_str(), Some("http" | "https")));
            if !known {
                faults.push(format!("jwksUri: {uri:?} is no address of http or https"));
            }
            Keys::Uri(uri)
        }
        (None, None) => Keys::Discovery,
    }
}
