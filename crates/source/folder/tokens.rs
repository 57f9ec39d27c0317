//! Tokens of service accounts: signed here, reviewed here.
//!
//! The key is one that only those who can read the state directory have, so signing and checking take the same key
//! (HS256); nobody else checks these tokens.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::folder::{
    kinds::{Key, Kind},
    refusal::Refusal,
    store::Store,
};

/// Who signs, and the audience of tokens for which none is asked.
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// The lifetimes that Kubernetes allows, in seconds, and the usual one.
const SHORTEST: i64 = 600;
const LONGEST: i64 = 86_400;
const USUAL: i64 = 3600;

/// The claims, as those of Kubernetes.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Vec<String>,
    exp: i64,
    iat: i64,
    nbf: i64,
    #[serde(rename = "kubernetes.io")]
    bound: Bound,
}

#[derive(Debug, Serialize, Deserialize)]
struct Bound {
    namespace: String,
    serviceaccount: Named,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pod: Option<Named>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Named {
    name: String,
    uid: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct RequestSpec {
    audiences: Vec<String>,
    expiration_seconds: Option<i64>,
    bound_object_ref: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    kind: String,
    name: String,
    #[serde(default)]
    uid: String,
}

/// Answers a `TokenRequest` for a service account.
///
/// # Errors
/// There is no such account, or the pod is not there, is another, or runs as another account.
pub fn request(
    store: &Store,
    namespace: &str,
    name: &str,
    body: &Value,
    now: OffsetDateTime,
) -> Result<Value, Refusal> {
    let account = Key::new(Kind::named("ServiceAccount"), namespace, name);
    let entry = store.read(&account).ok_or_else(|| Refusal::absent(&account))?;
    let spec = match &body["spec"] {
        Value::Null => RequestSpec::default(),
        spec => RequestSpec::deserialize(spec).map_err(|error| Refusal::bad(format!("spec: {error}")))?,
    };
    let seconds = spec.expiration_seconds.unwrap_or(USUAL);
    if !(SHORTEST..=LONGEST).contains(&seconds) {
        let why = format!("spec.expirationSeconds: {seconds}: want {SHORTEST} to {LONGEST}");
        return Err(Refusal::invalid("TokenRequest", name, &why));
    }
    let audiences = if spec.audiences.is_empty() { vec![ISSUER.to_owned()] } else { spec.audiences };
    let pod = spec.bound_object_ref.map(|r| bound_pod(store, namespace, name, r)).transpose()?;
    let (iat, expires) = (now.unix_timestamp(), now + time::Duration::seconds(seconds));
    let claims = Claims {
        iss: ISSUER.to_owned(),
        sub: format!("system:serviceaccount:{namespace}:{name}"),
        aud: audiences.clone(),
        exp: iat + seconds,
        iat,
        nbf: iat,
        bound: Bound {
            namespace: namespace.to_owned(),
            serviceaccount: Named { name: name.to_owned(), uid: uid_of(&entry.stored.object) },
            pod,
        },
    };
    let key = EncodingKey::from_secret(&store.disk().token_key()?);
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|error| Refusal::internal(format!("the token cannot be signed: {error}")))?;
    let expires = expires.replace_nanosecond(0).ok().and_then(|t| t.format(&Rfc3339).ok());
    Ok(json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"audiences": audiences, "expirationSeconds": seconds},
        "status": {"token": token, "expirationTimestamp": expires},
    }))
}

fn bound_pod(store: &Store, namespace: &str, account: &str, wanted: Reference) -> Result<Named, Refusal> {
    if wanted.kind != "Pod" {
        return Err(Refusal::bad(format!("cannot bind a token to a {}: want a Pod", wanted.kind)));
    }
    let kind = Kind::named("Pod");
    if kind.bad_name(&wanted.name).is_some() {
        return Err(Refusal::bad(format!("{:?} is no name of a pod", wanted.name)));
    }
    let key = Key::new(kind, namespace, &wanted.name);
    let pod = store.read(&key).ok_or_else(|| Refusal::absent(&key))?;
    let uid = uid_of(&pod.stored.object);
    if !wanted.uid.is_empty() && wanted.uid != uid {
        return Err(Refusal::conflict(
            &key,
            &format!("the UID in the bound object reference ({}) is not that of the pod", wanted.uid),
        ));
    }
    let runs_as = pod.stored.object["spec"]["serviceAccountName"].as_str().unwrap_or("default");
    if runs_as != account {
        return Err(Refusal::bad(format!("cannot bind a token of service account {account} to a pod of {runs_as}")));
    }
    Ok(Named { name: wanted.name, uid })
}

fn uid_of(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}

/// Answers a `TokenReview`.
///
/// # Errors
/// The key cannot be read. A bad token is an answer, not an error.
pub fn review(store: &Store, body: &Value, now: OffsetDateTime) -> Result<Value, Refusal> {
    let token = body["spec"]["token"].as_str().unwrap_or_default();
    let asked: Vec<&str> =
        body["spec"]["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let asked = if asked.is_empty() { vec![ISSUER] } else { asked };
    let key = store.disk().token_key()?;
    let status = match check(store, token, &key, &asked, now) {
        Ok((claims, audiences)) => {
            let account = &claims.bound.serviceaccount;
            let groups = [
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{}", claims.bound.namespace),
                "system:authenticated".to_owned(),
            ];
            let extra = claims.bound.pod.as_ref().map(|pod| {
                json!({
                    "authentication.kubernetes.io/pod-name": [pod.name],
                    "authentication.kubernetes.io/pod-uid": [pod.uid],
                })
            });
            let mut user = json!({"username": claims.sub, "uid": account.uid, "groups": groups});
            if let Some(extra) = extra {
                user["extra"] = extra;
            }
            json!({"authenticated": true, "user": user, "audiences": audiences})
        }
        Err(error) => json!({"authenticated": false, "user": {}, "error": error}),
    };
    let mut answer = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}});
    // Without the token: an answer may end in a log.
    answer["spec"] = json!({"audiences": body["spec"]["audiences"]});
    if answer["spec"]["audiences"].is_null() {
        answer["spec"] = json!({});
    }
    answer["status"] = status;
    Ok(answer)
}

fn check(
    store: &Store,
    token: &str,
    key: &[u8],
    asked: &[&str],
    now: OffsetDateTime,
) -> Result<(Claims, Vec<String>), String> {
    let mut rules = Validation::new(Algorithm::HS256);
    // Times and audiences are judged below: against the given clock, and any audience of several.
    (rules.validate_exp, rules.validate_nbf, rules.validate_aud) = (false, false, false);
    rules.required_spec_claims.clear();
    rules.set_issuer(&[ISSUER]);
    let decoded = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(key), &rules);
    let claims = decoded.map_err(|error| format!("invalid bearer token: {error}"))?.claims;
    let now = now.unix_timestamp();
    if claims.exp <= now {
        return Err("token has expired".to_owned());
    }
    if claims.nbf > now {
        return Err("token is not valid yet".to_owned());
    }
    let audiences: Vec<String> = claims.aud.iter().filter(|a| asked.contains(&a.as_str())).cloned().collect();
    if audiences.is_empty() {
        return Err(format!("token audiences {:?} is invalid for the target audiences {asked:?}", claims.aud));
    }
    let is_there = |kind: &str, named: &Named| {
        let kind = Kind::named(kind);
        let entry = store.read(&Key::new(kind, &claims.bound.namespace, &named.name));
        entry.is_some_and(|entry| uid_of(&entry.stored.object) == named.uid)
    };
    if !is_there("ServiceAccount", &claims.bound.serviceaccount) {
        return Err("service account token has been invalidated: the service account is gone".to_owned());
    }
    if claims.bound.pod.as_ref().is_some_and(|pod| !is_there("Pod", pod)) {
        return Err("service account token has been invalidated: the pod is gone".to_owned());
    }
    Ok((claims, audiences))
}
