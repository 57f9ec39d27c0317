//! Bodies of any form: refused or taken, and never a fault of the folder.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Here;

/// Any value whose names are those that the folder looks at.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z./:-]{0,4}".prop_map(Value::from),
        Just(json!("2026-01-01T00:00:00Z")),
    ];
    let names = "metadata|spec|status|labels|annotations|finalizers|containers|ports|name|namespace|uid|kind|apiVersion|data|stringData|conditions|type|template|deletionTimestamp|\\$patch|resourceVersion|generation|phase";
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::hash_map(names, inner, 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_body_is_answered(bodies in proptest::collection::vec((value(), 0usize..6, 0usize..5), 16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let codes = runtime.block_on(async {
            let here = Here::new();
            here.namespace("shop").await;
            here.pod("shop", "web").await;
            let mut codes = Vec::new();
            for (body, path, how) in bodies {
                let path = ["namespaces/shop", "namespaces/shop/pods/web", "namespaces/shop/pods/web/status", "namespaces/shop/secrets/s", "namespaces/shop/status", "namespaces/shop/serviceaccounts/default/token"][path];
                let (method, media) = [
                    ("PATCH", "application/merge-patch+json"),
                    ("PATCH", "application/strategic-merge-patch+json"),
                    ("PATCH", "application/apply-patch+yaml"),
                    ("PUT", "application/json"),
                    ("POST", "application/json"),
                ][how];
                let path = if method == "POST" { path.trim_end_matches("/web").trim_end_matches("/s") } else { path };
                let request = http::Request::builder()
                    .method(method)
                    .uri(format!("/api/v1/{path}?fieldManager=any"))
                    .header("content-type", media)
                    .body(kube::client::Body::from(body.to_string().into_bytes()))
                    .expect("a request");
                codes.push((here.folder.handle(request).await.status().as_u16(), body));
            }
            codes
        });
        for (code, body) in codes {
            prop_assert!(code < 500, "{code}: {body}");
        }
    }
}
