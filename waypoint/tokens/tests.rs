mod fetching;
mod fuzz;
mod requests;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use model::l7::authentication::{JwtRule, Keys};
use serde_json::{Value, json};

use super::{
    keys::KeySet,
    verify::{Fault, verify},
};

/// A moment in the life of tests.
const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://id.example";

/// Somebody who issues tokens with one key.
#[derive(Clone)]
struct Issuer {
    algorithm: Algorithm,
    key: EncodingKey,
    id: &'static str,
    public: Value,
}

impl Issuer {
    fn new(algorithm: Algorithm, id: &'static str) -> Self {
        let made = |kind| rcgen::KeyPair::generate_for(kind).expect("a key").serialize_der();
        let key = match algorithm {
            Algorithm::ES256 => EncodingKey::from_ec_der(&made(&rcgen::PKCS_ECDSA_P256_SHA256)),
            Algorithm::ES384 => EncodingKey::from_ec_der(&made(&rcgen::PKCS_ECDSA_P384_SHA384)),
            Algorithm::EdDSA => {
                let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
                let x = URL_SAFE_NO_PAD.encode(pair.public_key_raw());
                let public = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": x});
                return Self { algorithm, key: EncodingKey::from_ed_der(&pair.serialize_der()), id, public };
            }
            // PKCS#1, which stands in PKCS#8 behind a head of this length (RFC 5208 5).
            _ => EncodingKey::from_rsa_der(&made(&rcgen::PKCS_RSA_SHA256)[26..]),
        };
        let public = Jwk::from_encoding_key(&key, algorithm).expect("a key");
        Self { algorithm, key, id, public: serde_json::to_value(public).expect("JSON") }
    }

    /// Returns the public key; one of RSA is for any of its algorithms, so the name is that of the issuer's.
    fn jwk(&self) -> Value {
        let mut jwk = self.public.clone();
        jwk["kid"] = self.id.into();
        jwk["alg"] = format!("{:?}", self.algorithm).into();
        jwk
    }

    fn token(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(self.algorithm) };
        self.token_with(&serde_json::to_value(header).expect("JSON"), claims)
    }

    fn token_with(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, self.algorithm).expect("signed");
        format!("{signed}.{signature}")
    }
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn set(issuers: &[&Issuer]) -> String {
    json!({ "keys": issuers.iter().map(|i| i.jwk()).collect::<Vec<_>>() }).to_string()
}

fn keys(text: &str) -> KeySet {
    KeySet::parse(text.as_bytes()).expect("a set")
}

/// Makes a rule as the control plane does, with these fields changed.
fn rule(keys: &Keys, change: &Value) -> JwtRule {
    let mut rule = json!({
        "issuer": ISSUER, "keys": keys, "fromHeaders": [["authorization", "Bearer "]], "fromParams": ["access_token"],
    });
    for (field, value) in change.as_object().into_iter().flatten() {
        rule[field] = value.clone();
    }
    serde_json::from_value(rule).expect("a rule")
}

fn claims(change: &Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "sub": "alice", "exp": NOW + 600});
    for (claim, value) in change.as_object().into_iter().flatten() {
        claims[claim] = value.clone();
    }
    claims
}

#[test]
fn every_algorithm_is_believed_by_its_own_keys_only() {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let algorithms = [ES256, ES384, EdDSA, RS256, RS384, RS512, PS256, PS384, PS512];
    let rsa = Issuer::new(RS256, "rsa");
    let issuers: Vec<Issuer> = algorithms
        .into_iter()
        .map(|algorithm| match algorithm {
            ES256 | ES384 | EdDSA => Issuer::new(algorithm, "k"),
            _ => Issuer { algorithm, id: "k", ..rsa.clone() },
        })
        .collect();
    let rule = rule(&Keys::Discovery, &json!({}));
    for issuer in &issuers {
        let token = issuer.token(&claims(&json!({})));
        for other in &issuers {
            let by = verify(&token, &rule, &keys(&set(&[other])), NOW).map(|b| b.claims["sub"].clone());
            let wanted = if issuer.algorithm == other.algorithm {
                Ok("alice".into())
            } else {
                Err(Fault::NoSuchKey(Some("k".to_owned())))
            };
            assert_eq!(by, wanted, "{:?} by a key for {:?}", issuer.algorithm, other.algorithm);
        }
        // A key that does not say what it is for.
        let mut bare = issuer.jwk();
        bare.as_object_mut().expect("an object").retain(|name, _| !matches!(&**name, "alg" | "kid" | "use"));
        let bare = keys(&json!({ "keys": [bare] }).to_string());
        assert!(verify(&token, &rule, &bare, NOW).is_ok(), "{:?}", issuer.algorithm);
    }
}

#[test]
fn whatever_is_wrong_with_a_token_is_told() {
    let (issuer, other) = (Issuer::new(Algorithm::ES256, "k1"), Issuer::new(Algorithm::ES256, "k1"));
    let good = json!({"alg": "ES256", "kid": "k1"});
    let head = |change: &Value| {
        let mut head = good.clone();
        head.as_object_mut().expect("an object").extend(change.as_object().cloned().unwrap_or_default());
        issuer.token_with(&head, &claims(&json!({})))
    };
    let body = |change: Value| issuer.token(&claims(&change));
    let token = body(json!({}));
    let (signed, signature) = token.rsplit_once('.').expect("parts");
    let mut without = claims(&json!({}));
    without.as_object_mut().expect("an object").remove("exp");
    let secret = EncodingKey::from_secret(issuer.jwk().to_string().as_bytes());
    let shared = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(&json!({})), &secret).expect("a token");
    let malformed = |why| Err(Fault::Malformed(why));
    let algorithm = |name: &str| Err(Fault::Algorithm(name.to_owned()));
    let parts = "it has no three parts";
    let (no_head, no_body) = ("its header is no JSON in base64url", "its payload is no JSON in base64url");
    let cases = [
        (token.clone(), Ok(())),
        (issuer.token(&without), Ok(())),
        (head(&json!({"typ": "at+jwt"})), Ok(())),
        (issuer.token_with(&json!({"alg": "ES256"}), &claims(&json!({}))), Ok(())),
        (other.token(&claims(&json!({}))), Err(Fault::Signature)),
        (format!("{signed}.AAAA"), Err(Fault::Signature)),
        (format!("{signed}."), Err(Fault::Signature)),
        (format!("{signed}.{}", &signature[1..]), Err(Fault::Signature)),
        (format!("{signed}.no base64!"), Err(Fault::Signature)),
        (head(&json!({"kid": "k2"})), Err(Fault::NoSuchKey(Some("k2".to_owned())))),
        (other.token_with(&json!({"alg": "ES256"}), &claims(&json!({}))), Err(Fault::NoSuchKey(None))),
        (head(&json!({"alg": "ES384"})), Err(Fault::NoSuchKey(Some("k1".to_owned())))),
        (head(&json!({"alg": "RS256"})), Err(Fault::NoSuchKey(Some("k1".to_owned())))),
        (head(&json!({"alg": "none"})), algorithm("none")),
        (format!("{}.{}.", encode(&json!({"alg": "none"})), encode(&claims(&json!({})))), algorithm("none")),
        (head(&json!({"alg": "NONE"})), algorithm("NONE")),
        (head(&json!({"alg": "HS256"})), algorithm("HS256")),
        (shared, algorithm("HS256")),
        (head(&json!({"alg": "ES512"})), algorithm("ES512")),
        (head(&json!({"alg": 7})), malformed(no_head)),
        (head(&json!({"kid": 7})), malformed(no_head)),
        (head(&json!({"crit": ["b64"], "b64": false})), malformed("its header has extensions that are critical")),
        (body(json!({"iss": "https://id.example/"})), Err(Fault::Issuer("https://id.example/".to_owned()))),
        (body(json!({"iss": null})), Err(Fault::Issuer(String::new()))),
        (body(json!({"iss": [ISSUER]})), Err(Fault::Issuer(String::new()))),
        (body(json!({"exp": NOW - 60})), Ok(())),
        (body(json!({"exp": NOW - 61})), Err(Fault::Expired)),
        (body(json!({"exp": i64::MIN})), Err(Fault::Expired)),
        (body(json!({"exp": i64::MAX})), Ok(())),
        (body(json!({"exp": (NOW + 5) as f64 + 0.5})), Ok(())),
        (body(json!({"exp": 1e300})), Ok(())),
        (body(json!({"exp": "2030"})), malformed("exp is no date")),
        (body(json!({"exp": null})), malformed("exp is no date")),
        (body(json!({"nbf": NOW + 60})), Ok(())),
        (body(json!({"nbf": NOW + 61})), Err(Fault::NotYet)),
        (body(json!({"nbf": i64::MAX})), Err(Fault::NotYet)),
        (body(json!({"nbf": {}})), malformed("nbf is no date")),
        (String::new(), malformed(parts)),
        ("opaque".to_owned(), malformed(parts)),
        ("a.b".to_owned(), malformed(parts)),
        ("..".to_owned(), malformed(no_head)),
        (format!("{signed}.{signature}.x"), malformed(no_body)),
        (format!("{}.{}.x", encode(&good), encode(&json!([1]))), malformed(no_body)),
        (format!("{}.e30=.x", encode(&good)), malformed(no_body)),
    ];
    let keys = keys(&set(&[&issuer]));
    let rule = rule(&Keys::Discovery, &json!({}));
    for (token, wanted) in cases {
        assert_eq!(verify(&token, &rule, &keys, NOW).map(|_| ()), wanted, "{token}");
        let seen = verify(&token, &rule, &KeySet::none(), NOW).map(|_| ());
        assert!(seen.is_err(), "without keys nothing is believed: {token}");
    }
}

#[test]
fn one_audience_of_a_rule_must_be_named() {
    let issuer = Issuer::new(Algorithm::EdDSA, "k");
    let keys = keys(&set(&[&issuer]));
    let cases = [
        (json!([]), json!("any"), true),
        (json!([]), json!(null), true),
        (json!(["shop"]), json!("shop"), true),
        (json!(["a", "shop"]), json!(["shop", "b"]), true),
        (json!(["shop"]), json!(["b", 7]), false),
        (json!(["shop"]), json!(null), false),
        (json!(["shop"]), json!("shopping"), false),
        (json!(["shop"]), json!("Shop"), false),
        (json!(["shop.example"]), json!("https://shop.example/"), true),
        (json!(["http://shop.example/"]), json!("https://shop.example"), true),
        (json!(["shop.example"]), json!("shop.example/"), false),
    ];
    for (audiences, named, wanted) in cases {
        let rule = rule(&Keys::Discovery, &json!({ "audiences": audiences }));
        let seen = verify(&issuer.token(&claims(&json!({ "aud": named }))), &rule, &keys, NOW).map(|_| ());
        assert_eq!(seen, if wanted { Ok(()) } else { Err(Fault::Audience) }, "{audiences} {named}");
    }
}

#[test]
fn of_a_set_every_key_counts_that_can_be_used() {
    let issuer = Issuer::new(Algorithm::ES256, "k");
    let token = issuer.token(&claims(&json!({})));
    let with = |change: Value| {
        let mut jwk = issuer.jwk();
        jwk.as_object_mut().expect("an object").extend(change.as_object().cloned().unwrap_or_default());
        jwk
    };
    let padded = format!("{}=", issuer.jwk()["x"].as_str().expect("text"));
    let cases = [
        (json!([with(json!({}))]), true),
        (json!([{"kty": "oct", "k": "c2VjcmV0"}, 7, {}, {"kty": "RSA", "n": 1}, {"kty": "EC"}, with(json!({}))]), true),
        (json!([with(json!({"use": "sig", "key_ops": ["verify"]}))]), true),
        (json!([with(json!({ "x": padded }))]), true),
        (json!([with(json!({"use": "enc"}))]), false),
        (json!([with(json!({"key_ops": ["encrypt"]}))]), false),
        (json!([with(json!({"alg": "ES384"}))]), false),
        (json!([with(json!({"alg": "HS256"}))]), false),
        (json!([with(json!({"crv": "P-384"}))]), false),
        (json!([with(json!({"x": "AAAA"}))]), false),
        (json!([]), false),
    ];
    let rule = rule(&Keys::Discovery, &json!({}));
    for (list, wanted) in cases {
        let keys = keys(&json!({ "keys": list }).to_string());
        assert_eq!(verify(&token, &rule, &keys, NOW).is_ok(), wanted, "{list}");
    }
    for text in ["", "null", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]"#] {
        assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn claims_are_read_as_policies_and_headers_want_them() {
    let issuer = Issuer::new(Algorithm::ES256, "k");
    let rule = rule(&Keys::Discovery, &json!({"spaceDelimited": ["groups"]}));
    let written = claims(&json!({
        "scope": "read  write", "groups": "a b", "name": "x admin", "n": {"g": {"h": 7}, "t": true}, "list": ["a"],
        "https://x.example/role": "r", "permission": ["p q"],
    }));
    let believed = verify(&issuer.token(&written), &rule, &keys(&set(&[&issuer])), NOW).expect("believed");
    for (claim, wanted) in [
        ("scope", json!(["read", "write"])),
        ("groups", json!(["a", "b"])),
        ("name", json!("x admin")),
        ("permission", json!(["p q"])),
    ] {
        assert_eq!(believed.claims()[claim], wanted, "{claim}");
    }
    for (claim, wanted) in [
        ("scope", Some("read  write")),
        ("n.g.h", Some("7")),
        ("n.t", Some("true")),
        ("https://x.example/role", Some("r")),
        ("n.g", None),
        ("list", None),
        ("list.0", None),
        ("no.such", None),
        ("", None),
    ] {
        assert_eq!(believed.claim(claim).as_deref(), wanted, "{claim}");
    }
}
