//! Tokens: who gets them, and who is believed.

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenReview, TokenReviewStatus},
    core::v1::{Pod, ServiceAccount},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};

use crate::{Here, code, make};

async fn token(here: &Here, account: &str, spec: Value) -> Result<String, kube::Error> {
    let accounts = Api::<ServiceAccount>::namespaced(here.client.clone(), "shop");
    let request: TokenRequest = serde_json::from_value(json!({"spec": spec})).expect("a request");
    let answer = accounts.create_token_request(account, &PostParams::default(), &request).await?;
    Ok(answer.status.expect("a status").token)
}

async fn review(here: &Here, token: &str, audience: &str) -> TokenReviewStatus {
    let review = serde_json::from_value(json!({"spec": {"token": token, "audiences": [audience]}})).expect("a review");
    let reviews = Api::<TokenReview>::all(here.client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await.expect("an answer");
    assert_eq!(answer.spec.token, None, "not told back");
    answer.status.expect("a status")
}

fn bound(pod: &Pod) -> Value {
    let pod = json!({"kind": "Pod", "apiVersion": "v1", "name": pod.name_any(), "uid": pod.uid()});
    json!({"audiences": ["istio-ca"], "expirationSeconds": 600, "boundObjectRef": pod})
}

#[tokio::test]
async fn a_good_token_says_who_it_is() {
    let here = Here::new();
    here.namespace("shop").await;
    let pod = here.pod("shop", "web").await;
    let token = token(&here, "default", bound(&pod)).await.expect("a token");
    let status = review(&here, &token, "istio-ca").await;
    assert_eq!(status.authenticated, Some(true));
    assert_eq!(status.audiences, Some(vec!["istio-ca".into()]));
    let user = status.user.expect("a user");
    assert_eq!(user.username.as_deref(), Some("system:serviceaccount:shop:default"));
    let extra = user.extra.expect("more");
    assert_eq!(extra["authentication.kubernetes.io/pod-name"], ["web"]);
    assert_eq!(extra["authentication.kubernetes.io/pod-uid"], [pod.uid().expect("one")]);
    // The key is the state's, not the process's.
    let here = here.reopen();
    assert_eq!(review(&here, &token, "istio-ca").await.authenticated, Some(true));
}

#[tokio::test]
async fn a_bad_token_is_not_believed() {
    let here = Here::new();
    here.namespace("shop").await;
    let pod = here.pod("shop", "web").await;
    let good = token(&here, "default", bound(&pod)).await.expect("a token");
    let refused = async |token: &str, audience: &str| {
        let status = review(&here, token, audience).await;
        assert_eq!(status.authenticated, Some(false), "{token}");
        status.error.expect("a reason")
    };
    assert!(refused(&good, "other").await.contains("audiences"));
    assert!(refused("", "istio-ca").await.contains("invalid"));
    assert!(refused("a.b.c", "istio-ca").await.contains("invalid"));
    let (head, signature) = good.rsplit_once('.').expect("three parts");
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let flipped = format!("{first}{}", &signature[1..]);
    assert!(refused(&format!("{head}.{flipped}"), "istio-ca").await.contains("Signature"));

    let claims: Value = jsonwebtoken::dangerous::insecure_decode::<Value>(&good).expect("claims").claims;
    let key = std::fs::read(here.path("state/.token-key")).expect("a key");
    let sign = |claims: &Value, key: &[u8], how| {
        let key = jsonwebtoken::EncodingKey::from_secret(key);
        jsonwebtoken::encode(&jsonwebtoken::Header::new(how), claims, &key).expect("signed")
    };
    use jsonwebtoken::Algorithm::{HS256, HS512};
    assert_eq!(review(&here, &sign(&claims, &key, HS256), "istio-ca").await.authenticated, Some(true));
    assert!(refused(&sign(&claims, b"another key", HS256), "istio-ca").await.contains("Signature"));
    assert!(refused(&sign(&claims, &key, HS512), "istio-ca").await.contains("Algorithm"));
    let with = |field: &str, value: Value| {
        let mut claims = claims.clone();
        claims[field] = value;
        sign(&claims, &key, HS256)
    };
    assert_eq!(refused(&with("exp", json!(1_000_000)), "istio-ca").await, "token has expired");
    assert!(refused(&with("nbf", json!(99_999_999_999_i64)), "istio-ca").await.contains("not valid yet"));
    assert!(refused(&with("iss", json!("another")), "istio-ca").await.contains("Issuer"));

    // A pod of the same name is another pod.
    let pods = Api::<Pod>::namespaced(here.client.clone(), "shop");
    pods.delete("web", &DeleteParams::default().grace_period(0)).await.expect("deleted");
    assert!(refused(&good, "istio-ca").await.contains("the pod is gone"));
    let next = here.pod("shop", "web").await;
    assert!(refused(&good, "istio-ca").await.contains("the pod is gone"));
    let good = token(&here, "default", bound(&next)).await.expect("a token");
    let accounts = Api::<ServiceAccount>::namespaced(here.client.clone(), "shop");
    accounts.delete("default", &DeleteParams::default()).await.expect("deleted");
    assert!(refused(&good, "istio-ca").await.contains("the service account is gone"));
}

#[tokio::test]
async fn requests_for_tokens_are_checked() {
    let here = Here::new();
    here.namespace("shop").await;
    let pod = here.pod("shop", "web").await;
    let _: ServiceAccount = make(&here.client, Some("shop"), &json!({"metadata": {"name": "other"}})).await;
    let mut spec = bound(&pod);
    assert_eq!(code(token(&here, "nobody", spec.clone()).await).0, 404);
    assert_eq!(code(token(&here, "other", spec.clone()).await).0, 400, "the pod is not its");
    spec["boundObjectRef"]["uid"] = json!("another");
    assert_eq!(code(token(&here, "default", spec.clone()).await).0, 409);
    spec["boundObjectRef"] = json!({"kind": "Pod", "name": "nothing"});
    assert_eq!(code(token(&here, "default", spec.clone()).await).0, 404);
    spec["boundObjectRef"] = json!({"kind": "Pod", "name": "../web"});
    assert_eq!(code(token(&here, "default", spec).await).0, 400);
    for seconds in [599, 86_401, -1] {
        let spec = json!({"audiences": [], "expirationSeconds": seconds});
        assert_eq!(code(token(&here, "default", spec).await).0, 422, "{seconds}");
    }
    let plain = token(&here, "default", json!({"audiences": []})).await.expect("a token");
    let audience = "https://kubernetes.default.svc.cluster.local";
    assert_eq!(review(&here, &plain, audience).await.authenticated, Some(true));
    assert_eq!(review(&here, &plain, "istio-ca").await.authenticated, Some(false));
}
