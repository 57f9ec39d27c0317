//! From manifests to what waypoints know: the loop on a folder, its discovery server, and real clients.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::api::{authentication::v1::TokenRequest, core::v1::ServiceAccount};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use prost_types::{Struct, value::Kind as Text};
use runtime::{Drain, Readiness};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Code, Status,
    metadata::MetadataMap,
    transport::{Channel, Endpoint, Server},
};
use xds::{
    client::{self, Store},
    proto::discovery::{Node, aggregated_discovery_service_server::AggregatedDiscoveryServiceServer},
    server::Admit,
};

use crate::{
    auth::{Authenticator, Gate},
    here::{Here, Replica, resource},
};

/// A waypoint's process, as far as discovery goes.
struct Client {
    store: Store,
    runs: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.runs.abort();
    }
}

/// Serves discovery; without TLS, which is tried elsewhere.
async fn serve(here: &Here, replica: Replica) -> (Channel, Gate) {
    let authenticator = Arc::new(Authenticator::new(here.client.clone()));
    let gate = Gate { authenticator, waypoints: replica.proof };
    let service = xds::server::Server::new(replica.resources, gate.clone(), Drain::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = Server::builder().add_service(AggregatedDiscoveryServiceServer::new(service));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    (Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy(), gate)
}

fn node(pod: &str, gateway: &str) -> Node {
    let gateway = prost_types::Value { kind: Some(Text::StringValue(gateway.to_owned())) };
    let metadata = Some(Struct { fields: [("GATEWAY_NAME".to_owned(), gateway)].into() });
    Node { id: format!("waypoint~10.0.0.1~{pod}.shop~shop.svc.cluster.local"), metadata, ..Node::default() }
}

async fn token(here: &Here, pod: &str, account: &str) -> String {
    let uid = here.find("Pod", pod).await.and_then(|p| p.uid()).expect("the pod");
    let pod = json!({"kind": "Pod", "apiVersion": "v1", "name": pod, "uid": uid});
    let spec = json!({"audiences": ["istio-ca"], "expirationSeconds": 600, "boundObjectRef": pod});
    let request: TokenRequest = serde_json::from_value(json!({ "spec": spec })).expect("a request");
    let accounts = Api::<ServiceAccount>::namespaced(here.client.clone(), "shop");
    let answer = accounts.create_token_request(account, &PostParams::default(), &request).await.expect("a token");
    answer.status.expect("a status").token
}

impl Client {
    fn start(channel: &Channel, node: Node, token: String) -> Self {
        let store = Store::default();
        let bearer = move || {
            let token = format!("Bearer {token}");
            async move { Ok::<_, Status>(token) }
        };
        let (readiness, drain) = (Readiness::pending([client::READY]), Drain::new());
        let types = client::OF_WAYPOINT;
        let runs = client::run(node, channel.clone(), types, bearer, store.clone(), readiness, drain);
        Self { store, runs: tokio::spawn(runs) }
    }

    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.store.l7().resources().map(|(key, _)| key.to_string()).collect();
        keys.sort();
        keys
    }

    async fn until_has(&self, here: &Here, want: &[&str]) {
        here.until(&format!("it has {want:?}"), async |_| if self.keys() == want { Ok(()) } else { Err(self.keys()) })
            .await;
    }

    async fn until_has_one(&self, here: &Here, prefix: &str) {
        let one = |keys: &[String]| keys.iter().any(|key| key.starts_with(prefix));
        here.until(prefix, async |_| if one(&self.keys()) { Ok(()) } else { Err(self.keys()) }).await;
    }

    /// Returns a resource as it travels.
    fn resource(&self, key: &str) -> Value {
        let state = self.store.l7();
        let found = state.resources().find(|(name, _)| ***name == *key);
        found.map(|(_, held)| serde_json::to_value(held).expect("serialises")).unwrap_or_default()
    }

    async fn until_is(&self, here: &Here, key: &str, pointer: &str, want: Value) {
        let what = format!("{pointer} of {key} is {want}");
        here.until(&what, async |_| match self.resource(key).pointer(pointer) {
            Some(found) if *found == want => Ok(()),
            found => Err(found.cloned()),
        })
        .await;
    }

    /// Counts the changes of what it knows from now on.
    fn count(&self) -> Arc<Mutex<u32>> {
        let (count, mut changes) = (Arc::new(Mutex::new(0)), self.store.changes());
        changes.mark_unchanged();
        let counted = count.clone();
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                *counted.lock().expect("no panic") += 1;
            }
        });
        count
    }
}

fn route(service: &str, prefix: &str, filters: Value) -> Value {
    let rule = json!({
        "matches": [{"path": {"type": "PathPrefix", "value": prefix}}],
        "filters": filters,
        "backendRefs": [{"name": service, "port": 80}],
    });
    json!({"spec": {"parentRefs": [{"group": "", "kind": "Service", "name": service}], "rules": [rule]}})
}

async fn route_condition(here: &Here, name: &str, condition: &str) -> (String, String, String) {
    let all = here.part("HTTPRoute", name, "/status/parents/0/conditions").await;
    let found = all.as_array().into_iter().flatten().find(|c| c["type"] == condition).cloned().unwrap_or_default();
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"), text("message"))
}

async fn until_route(here: &Here, name: &str, condition: &str, reason: &str, words: &str) {
    let what = format!("{condition} of {name} is {reason}");
    here.until(&what, async |here| match route_condition(here, name, condition).await {
        found if found.1 == reason && found.2.contains(words) => Ok(()),
        found => Err(found),
    })
    .await;
}

const WEB: &str = "http/HTTPRoute/shop/web/0/shop/web.shop.svc.cluster.local";
const API: &str = "http/HTTPRoute/shop/api/0/shop/api.shop.svc.cluster.local";
const OF_WAYPOINT: &str = "settings/shop/waypoint";
const OF_OTHER: &str = "settings/shop/other";
const POLICY: &str = "authorization/shop/strict";

/// Makes two waypoints, `waypoint` for `web` and `other` for `api`, with a route each.
async fn two() -> (Here, Channel, Gate) {
    let mut here = Here::new().await;
    let port = json!({"ports": [{"port": 80}]});
    here.put("Service", "web", json!({"spec": port})).await;
    let to_other = json!({"labels": {"istio.io/use-waypoint": "other"}});
    here.put("Service", "api", json!({"metadata": to_other, "spec": port})).await;
    here.put("HTTPRoute", "web", route("web", "/", json!([]))).await;
    here.put("HTTPRoute", "api", route("api", "/", json!([]))).await;
    let target = json!([{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "other"}]);
    here.put("AuthorizationPolicy", "strict", json!({"spec": {"targetRefs": target, "action": "DENY"}})).await;
    for gateway in ["waypoint", "other"] {
        here.gateway(gateway, json!({}), Value::Null).await;
    }
    let replica = here.replica("one");
    for (pod, gateway) in [("w-0", "waypoint"), ("o-0", "other")] {
        here.until(gateway, async |here| here.find("ServiceAccount", gateway).await.map(drop).ok_or(())).await;
        here.pod(pod, gateway, false).await;
    }
    let (channel, gate) = serve(&here, replica).await;
    (here, channel, gate)
}

#[tokio::test]
async fn a_waypoint_knows_what_it_does_itself_and_nothing_of_others() {
    let (here, channel, _) = two().await;
    let w = Client::start(&channel, node("w-0", "waypoint"), token(&here, "w-0", "waypoint").await);
    let o = Client::start(&channel, node("o-0", "other"), token(&here, "o-0", "other").await);
    // Before any of them is ready, and so before anything is bound to it.
    w.until_has(&here, &[WEB, OF_WAYPOINT]).await;
    o.until_has(&here, &[POLICY, API, OF_OTHER]).await;
    let state = w.store.l7();
    let settings = state.settings().expect("its settings");
    assert_eq!((&*settings.root_namespace, &*settings.trust_domains[0]), ("istio-system", "cluster.local"));
    until_route(&here, "web", "Accepted", "Accepted", "").await;
    until_route(&here, "web", "ResolvedWaypoints", "WaypointIsNotReady", "was not ready yet").await;
    here.until_condition("AuthorizationPolicy", "strict", "WaypointAccepted", "Accepted", "").await;
    here.pod("w-0", "waypoint", true).await;
    until_route(&here, "web", "ResolvedWaypoints", "ResolvedWaypoints", "waypoint shop/waypoint").await;

    // One changed route is one change, at one waypoint.
    let at = "/httpRule/matches/0/path/segments";
    let (of_w, of_o) = (w.count(), o.count());
    sleep(Duration::from_millis(300)).await;
    let before = (*of_w.lock().expect("no panic"), *of_o.lock().expect("no panic"));
    here.put("HTTPRoute", "web", route("web", "/shop", json!([]))).await;
    w.until_is(&here, WEB, at, json!("/shop")).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!((*of_w.lock().expect("no panic"), *of_o.lock().expect("no panic")), (before.0 + 1, before.1));

    // Of a wrong route the last one that was right stays, and its status says so.
    let redirect = json!({"type": "RequestRedirect", "requestRedirect": {"hostname": "a.example.com"}});
    let rewrite = json!({"type": "URLRewrite", "urlRewrite": {"hostname": "a.example.com"}});
    here.put("HTTPRoute", "web", route("web", "/wrong", json!([redirect, rewrite]))).await;
    until_route(&here, "web", "Accepted", "IncompatibleFilters", "what generation 2 says stays in effect").await;
    assert_eq!(w.resource(WEB).pointer(at), Some(&json!("/shop")));
    here.put("HTTPRoute", "web", route("web", "/right", json!([]))).await;
    until_route(&here, "web", "Accepted", "Accepted", "").await;
    w.until_is(&here, WEB, at, json!("/right")).await;

    // A service goes to another waypoint, and what concerns it goes along.
    let moved = json!({"metadata": {"labels": {"istio.io/use-waypoint": "other"}}, "spec": {"ports": [{"port": 80}]}});
    here.put("Service", "web", moved).await;
    o.until_has(&here, &[POLICY, API, WEB, OF_OTHER]).await;
    w.until_has(&here, &[OF_WAYPOINT]).await;
    here.api("HTTPRoute").delete("web", &DeleteParams::default()).await.expect("deleted");
    o.until_has(&here, &[POLICY, API, OF_OTHER]).await;
    here.api("Gateway").delete("waypoint", &DeleteParams::default()).await.expect("deleted");
    w.until_has(&here, &[]).await;
}

#[tokio::test]
async fn what_others_say_of_a_route_stays() {
    let (here, _, _) = two().await;
    until_route(&here, "web", "Accepted", "Accepted", "").await;
    let ours = here.part("HTTPRoute", "web", "/status/parents/0").await;
    let condition = json!({
        "type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let theirs = json!({
        "parentRef": {"name": "ingress"}, "controllerName": "example.com/gateway", "conditions": [condition],
    });
    let status = json!({"status": {"parents": [theirs, ours]}});
    let how = PatchParams::default();
    here.api("HTTPRoute").patch_status("web", &how, &Patch::Merge(&status)).await.expect("written");
    // Their words stay as they are when ours change.
    let nowhere = route("nowhere", "/", json!([]));
    here.put("HTTPRoute", "web", nowhere).await;
    here.until("ours are others", async |here| {
        let found = here.part("HTTPRoute", "web", "/status/parents").await;
        let reason = found.pointer("/1/conditions/0/reason").cloned();
        if reason == Some(json!("NoMatchingParent")) && found[0] == theirs { Ok(()) } else { Err(found) }
    })
    .await;
}

/// Starts another replica, and returns a waypoint as it is when that has told it the first thing.
async fn first_told(here: &mut Here, pod: &str, gateway: &str) -> Client {
    let replica = here.replica("one");
    let (channel, _) = serve(here, replica).await;
    let client = Client::start(&channel, node(pod, gateway), token(here, pod, gateway).await);
    let mut changes = client.store.changes();
    while client.keys().is_empty() {
        changes.changed().await.expect("a store");
    }
    client
}

#[tokio::test]
async fn authorities_are_followed_while_a_policy_names_them() {
    let (mut here, channel, _) = two().await;
    let w = Client::start(&channel, node("w-0", "waypoint"), token(&here, "w-0", "waypoint").await);
    let spec = json!({
        "targetRefs": [{"group": "", "kind": "Service", "name": "web"}],
        "validation": {"hostname": "h", "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}]},
    });
    here.put("ConfigMap", "other", json!({"data": {"ca.crt": "PEM 0"}})).await;
    here.put("BackendTLSPolicy", "tls", json!({ "spec": spec })).await;
    w.until_has_one(&here, "destination/").await;
    let key = w.keys().into_iter().find(|key| key.starts_with("destination/")).expect("one");
    let roots = "/destination/traffic/tls/roots";
    let absent =
        json!({"invalid": "caCertificateRefs: ConfigMap ca is not there, or has no certificates under ca.crt"});
    w.until_is(&here, &key, roots, absent.clone()).await;
    let reason = "/status/ancestors/0/conditions/1/reason";
    here.until_is("BackendTLSPolicy", "tls", reason, json!("InvalidCACertificateRef")).await;
    for pem in ["PEM 1", "PEM 2"] {
        here.put("ConfigMap", "ca", json!({"data": {"ca.crt": pem}})).await;
        w.until_is(&here, &key, roots, json!({"pem": pem})).await;
    }
    here.until_is("BackendTLSPolicy", "tls", reason, json!("ResolvedRefs")).await;

    // Another replica serves when it knows them, and not before.
    let again = first_told(&mut here, "w-0", "waypoint").await;
    assert_eq!(again.resource(&key).pointer(roots), Some(&json!({"pem": "PEM 2"})));

    here.api("ConfigMap").delete("ca", &DeleteParams::default()).await.expect("deleted");
    w.until_is(&here, &key, roots, absent).await;
    here.api("BackendTLSPolicy").delete("tls", &DeleteParams::default()).await.expect("deleted");
    w.until_has(&here, &[WEB, OF_WAYPOINT]).await;
}

#[tokio::test]
async fn the_configuration_of_the_mesh_is_followed() {
    let (mut here, channel, _) = two().await;
    let o = Client::start(&channel, node("o-0", "other"), token(&here, "o-0", "other").await);
    let target = json!([{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "other"}]);
    let asks = json!({"targetRefs": target, "action": "CUSTOM", "provider": {"name": "authz"}, "rules": [{}]});
    here.put("AuthorizationPolicy", "strict", json!({ "spec": asks })).await;
    here.until_condition("AuthorizationPolicy", "strict", "WaypointAccepted", "Invalid", "no provider authz").await;
    let configure = async |here: &Here, text: &str| {
        let maps: Api<DynamicObject> =
            Api::namespaced_with(here.client.clone(), "istio-system", &resource("ConfigMap"));
        let map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio"}, "data": {"mesh": text}});
        maps.patch("istio", &PatchParams::apply("operator").force(), &Patch::Apply(&map)).await.expect("applied");
    };
    let good = json!({
        "extensionProviders": [
            {"name": "authz", "envoyExtAuthzGrpc": {"service": "web.shop.svc.cluster.local", "port": 80}},
            {"name": "otel", "opentelemetry": {"service": "web.shop.svc.cluster.local", "port": 80}},
        ],
        "pathNormalization": {"normalization": "NONE"},
        "trustDomainAliases": ["old.example"],
    });
    configure(&here, &good.to_string()).await;
    here.until_condition("AuthorizationPolicy", "strict", "WaypointAccepted", "Accepted", "").await;
    let is_so = async |client: &Client| {
        client.until_is(&here, OF_OTHER, "/settings/normalization", json!("none")).await;
        client.until_is(&here, OF_OTHER, "/settings/trustDomains", json!(["cluster.local", "old.example"])).await;
        client.until_is(&here, OF_OTHER, "/settings/providers/0/name", json!("otel")).await;
        client.until_is(&here, POLICY, "/authorization/action/custom/ask/target/service/port", json!(80)).await;
    };
    is_so(&o).await;

    // What is wrong changes nothing.
    let before = o.count();
    let mut wrong = good.clone();
    wrong["pathNormalization"]["normalization"] = "SOME".into();
    configure(&here, &wrong.to_string()).await;
    sleep(Duration::from_millis(300)).await;
    is_so(&o).await;
    assert_eq!(*before.lock().expect("no panic"), 0);

    configure(&here, "{}").await;
    here.until_condition("AuthorizationPolicy", "strict", "WaypointAccepted", "Invalid", "no provider authz").await;
    o.until_is(&here, OF_OTHER, "/settings/normalization", json!("base")).await;
    o.until_is(&here, OF_OTHER, "/settings/trustDomains", json!(["cluster.local"])).await;

    // Another replica knows it before it serves.
    configure(&here, &good.to_string()).await;
    let again = first_told(&mut here, "o-0", "other").await;
    assert_eq!(again.resource(OF_OTHER).pointer("/settings/normalization"), Some(&json!("none")));
}

#[tokio::test]
async fn nobody_is_a_waypoint_who_is_not() {
    let (here, channel, gate) = two().await;
    let (own, others) = (token(&here, "w-0", "waypoint").await, token(&here, "o-0", "other").await);
    let ask = async |token: &str, node: Node| {
        let mut metadata = MetadataMap::new();
        metadata.insert("authorization", format!("Bearer {token}").parse().expect("a header"));
        gate.admit(&metadata, &node).await.map_err(|status| (status.code(), status.message().to_owned()))
    };
    assert!(ask(&own, node("w-0", "waypoint")).await.is_ok());
    let rows = [
        (&own, node("w-0", "other"), Code::PermissionDenied, "is of gateway waypoint by its label"),
        (&own, node("o-0", "other"), Code::PermissionDenied, "the token is that of w-0.shop"),
        (&others, node("o-0", "waypoint"), Code::PermissionDenied, "is of gateway other by its label"),
        (&own, Node { metadata: None, ..node("w-0", "waypoint") }, Code::InvalidArgument, "GATEWAY_NAME"),
    ];
    for (token, node, code, words) in rows {
        let refused = ask(token, node).await.expect_err(words);
        assert!(refused.0 == code && refused.1.contains(words), "{refused:?}");
    }
    // Refused by the server itself, and told nothing.
    let client = Client::start(&channel, node("w-0", "other"), own);
    sleep(Duration::from_millis(500)).await;
    assert!(client.keys().is_empty() && client.store.world().services.is_empty());
}

#[tokio::test]
async fn without_the_right_to_read_secrets_only_rules_that_need_it_fail() {
    let mut here = Here::new().await;
    let asked = here.without_secrets();
    for service in ["web", "api"] {
        here.put("Service", service, json!({"spec": {"ports": [{"port": 80}]}})).await;
        let tls = match service {
            "web" => json!({"mode": "SIMPLE", "credentialName": "roots"}),
            _ => json!({"mode": "SIMPLE"}),
        };
        let spec = json!({"host": format!("{service}.shop.svc.cluster.local"), "trafficPolicy": {"tls": tls}});
        here.put("DestinationRule", service, json!({"spec": spec})).await;
    }
    here.put("HTTPRoute", "web", route("web", "/", json!([]))).await;
    here.gateway("waypoint", json!({}), Value::Null).await;
    here.replica("one");
    here.until("deployed", async |here| here.find("ServiceAccount", "waypoint").await.map(drop).ok_or(())).await;
    here.pod("w-0", "waypoint", true).await;
    let accepted = "WaypointAccepted";
    for words in ["get, list and watch secrets in namespace shop", "agent.readSecrets=true"] {
        here.until_condition("DestinationRule", "web", accepted, "PartiallyInvalid", words).await;
    }
    here.until_condition("DestinationRule", "api", accepted, "Accepted", "").await;
    here.until_condition("Gateway", "waypoint", "Programmed", "Programmed", "").await;
    until_route(&here, "web", "ResolvedWaypoints", "ResolvedWaypoints", "").await;
    sleep(Duration::from_secs(2)).await;
    // Once for the Secret, and once for the one with its authorities.
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 2, "it is left at that for a while");
}
