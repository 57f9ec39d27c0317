//! Who is told of what, and in which order: the server over a real connection, and clients that answer when the test says so.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use model::l7::GatewayKey;
use runtime::Drain;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    Status, Streaming,
    metadata::MetadataMap,
    transport::{Channel, Endpoint, Server},
};
use xds::{
    ADDRESS_TYPE, AUTHORIZATION_TYPE, L7_TYPE,
    proto::discovery::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node,
        aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        aggregated_discovery_service_server::AggregatedDiscoveryServiceServer,
    },
    server::{self, Admit, Audience, Change, Reader, Resources},
};

/// Believes what a node says.
struct Believing;

impl Admit for Believing {
    async fn admit(&self, _: &MetadataMap, node: &Node) -> Result<Reader, Status> {
        Ok(match node.id.strip_prefix("waypoint~") {
            Some(name) => Reader::Waypoint(gateway(name)),
            None => Reader::Proxy,
        })
    }
}

fn gateway(name: &str) -> GatewayKey {
    GatewayKey { namespace: "shop".into(), name: name.into() }
}

fn these(waypoints: &[&str]) -> Audience {
    Audience::These(waypoints.iter().map(|name| gateway(name)).collect())
}

fn put(type_url: &'static str, name: &str, value: &'static str, audience: Audience) -> Change {
    Change { type_url, name: name.into(), value: Some(Bytes::from(value)), aliases: vec![], audience }
}

fn take_back(type_url: &'static str, name: &str) -> Change {
    Change { type_url, name: name.into(), value: None, aliases: vec![], audience: Audience::Everybody }
}

async fn serve(resources: &Resources) -> Channel {
    resources.synced();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let service = server::Server::new(resources.clone(), Believing, Drain::new());
    let server = Server::builder().add_service(AggregatedDiscoveryServiceServer::new(service));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    Endpoint::from_shared(format!("http://{address}")).expect("an address").connect().await.expect("connects")
}

/// A client that says nothing by itself.
struct Peer {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    answers: Streaming<DeltaDiscoveryResponse>,
}

/// An answer: its type, names of what it has, and names of what is gone.
type Told = (String, BTreeSet<String>, BTreeSet<String>);

fn told(type_url: &str, new: &[&str], gone: &[&str]) -> Told {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    (type_url.to_owned(), set(new), set(gone))
}

impl Peer {
    async fn connect(channel: &Channel, node: &str, types: &[&str], known: &[(&str, &str)]) -> Self {
        let (requests, outgoing) = mpsc::channel(16);
        let versions = || known.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect();
        for type_url in types {
            let request = DeltaDiscoveryRequest {
                node: Some(Node { id: node.to_owned(), ..Node::default() }),
                type_url: (*type_url).to_owned(),
                initial_resource_versions: versions(),
                ..DeltaDiscoveryRequest::default()
            };
            requests.send(request).await.expect("sent");
        }
        let mut client = AggregatedDiscoveryServiceClient::new(channel.clone());
        let answers = client.delta_aggregated_resources(ReceiverStream::new(outgoing)).await.expect("served");
        Self { requests, answers: answers.into_inner() }
    }

    /// Receives an answer without a word about it.
    async fn hear(&mut self) -> DeltaDiscoveryResponse {
        let answer = timeout(Duration::from_secs(5), self.answers.message()).await.expect("in time");
        answer.expect("served").expect("an answer")
    }

    async fn accept(&self, answer: &DeltaDiscoveryResponse) {
        let (type_url, response_nonce) = (answer.type_url.clone(), answer.nonce.clone());
        let ack = DeltaDiscoveryRequest { type_url, response_nonce, ..DeltaDiscoveryRequest::default() };
        self.requests.send(ack).await.expect("sent");
    }

    /// Receives an answer and accepts it.
    async fn next(&mut self) -> Told {
        let answer = self.hear().await;
        self.accept(&answer).await;
        read(&answer)
    }

    async fn hears_nothing(&mut self) {
        let heard = timeout(Duration::from_millis(200), self.answers.message()).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}

fn read(answer: &DeltaDiscoveryResponse) -> Told {
    let names = answer.resources.iter().map(|r| r.name.clone()).collect();
    (answer.type_url.clone(), names, answer.removed_resources.iter().cloned().collect())
}

#[test]
fn an_audience_has_whom_it_names() {
    let (a, b) = (Reader::Waypoint(gateway("a")), Reader::Waypoint(gateway("b")));
    let rows = [
        (Audience::Everybody, [true, true, true]),
        (Audience::Waypoints, [false, true, true]),
        (these(&["a"]), [false, true, false]),
        (these(&["a", "b"]), [false, true, true]),
        (these(&[]), [false, false, false]),
    ];
    for (audience, want) in rows {
        assert_eq!([&Reader::Proxy, &a, &b].map(|reader| audience.has(reader)), want, "{audience:?}");
    }
}

#[tokio::test]
async fn a_resource_that_gets_another_audience_goes_from_one_client_to_the_other() {
    let resources = Resources::new();
    resources.publish(vec![
        put(L7_TYPE, "x", "1", these(&["a"])),
        put(L7_TYPE, "y", "1", these(&["a", "b"])),
        put(L7_TYPE, "z", "1", Audience::Waypoints),
    ]);
    let channel = serve(&resources).await;
    let mut a = Peer::connect(&channel, "waypoint~a", &[L7_TYPE], &[]).await;
    let mut b = Peer::connect(&channel, "waypoint~b", &[L7_TYPE], &[]).await;
    let mut node = Peer::connect(&channel, "ztunnel~", &[L7_TYPE], &[]).await;
    let first = a.hear().await;
    a.accept(&first).await;
    assert_eq!(read(&first), told(L7_TYPE, &["x", "y", "z"], &[]));
    assert_eq!(b.next().await, told(L7_TYPE, &["y", "z"], &[]));
    assert_eq!(node.next().await, told(L7_TYPE, &[], &[]), "answered, with nothing");

    resources.publish(vec![put(L7_TYPE, "x", "1", these(&["b"]))]);
    assert_eq!(a.next().await, told(L7_TYPE, &[], &["x"]));
    assert_eq!(b.next().await, told(L7_TYPE, &["x"], &[]));
    resources.publish(vec![put(L7_TYPE, "x", "2", these(&["a", "b"]))]);
    assert_eq!(a.next().await, told(L7_TYPE, &["x"], &[]));
    assert_eq!(b.next().await, told(L7_TYPE, &["x"], &[]));
    resources.publish(vec![put(L7_TYPE, "x", "2", these(&["a", "b"])), take_back(L7_TYPE, "y")]);
    assert_eq!(a.next().await, told(L7_TYPE, &[], &["y"]), "and what is the same is not told again");
    node.hears_nothing().await;

    // Who comes again is compared with the whole store.
    resources.publish(vec![put(L7_TYPE, "x", "2", these(&["b"]))]);
    let versions: Vec<(&str, &str)> = first.resources.iter().map(|r| (&*r.name, &*r.version)).collect();
    let mut a = Peer::connect(&channel, "waypoint~a", &[L7_TYPE], &versions).await;
    assert_eq!(a.next().await, told(L7_TYPE, &[], &["x", "y"]));
    // To know a name helps nobody.
    let named = DeltaDiscoveryRequest {
        type_url: L7_TYPE.to_owned(),
        resource_names_subscribe: vec!["x".to_owned()],
        ..DeltaDiscoveryRequest::default()
    };
    a.requests.send(named).await.expect("sent");
    assert_eq!(a.next().await, told(L7_TYPE, &[], &[]));
}

#[tokio::test]
async fn what_guards_comes_before_and_goes_after_what_it_guards() {
    let resources = Resources::new();
    let policy = |value| put(L7_TYPE, "policy", value, Audience::Waypoints);
    let service = |value| put(ADDRESS_TYPE, "service", value, Audience::Everybody);
    resources.publish(vec![service("1"), policy("1")]);
    let channel = serve(&resources).await;
    let mut a = Peer::connect(&channel, "waypoint~a", &[L7_TYPE, ADDRESS_TYPE], &[]).await;
    assert_eq!(a.next().await, told(L7_TYPE, &["policy"], &[]));
    assert_eq!(a.next().await, told(ADDRESS_TYPE, &["service"], &[]));

    // While an answer about policies is under way, a service does not overtake the next one.
    resources.publish(vec![policy("2")]);
    let first = a.hear().await;
    assert_eq!(read(&first), told(L7_TYPE, &["policy"], &[]));
    resources.publish(vec![service("2"), policy("3")]);
    a.hears_nothing().await;
    a.accept(&first).await;
    assert_eq!(a.next().await, told(L7_TYPE, &["policy"], &[]));
    assert_eq!(a.next().await, told(ADDRESS_TYPE, &["service"], &[]));

    // What is no more is told last, be there something new of its type or not.
    resources.publish(vec![take_back(L7_TYPE, "policy"), service("3")]);
    assert_eq!(a.next().await, told(ADDRESS_TYPE, &["service"], &[]));
    assert_eq!(a.next().await, told(L7_TYPE, &[], &["policy"]));
    resources.publish(vec![policy("4"), put(L7_TYPE, "other", "1", these(&["a"]))]);
    assert_eq!(a.next().await, told(L7_TYPE, &["other", "policy"], &[]));
    resources.publish(vec![put(L7_TYPE, "other", "2", these(&["a"])), take_back(L7_TYPE, "policy"), service("4")]);
    assert_eq!(a.next().await, told(L7_TYPE, &["other"], &[]));
    assert_eq!(a.next().await, told(ADDRESS_TYPE, &["service"], &[]));
    assert_eq!(a.next().await, told(L7_TYPE, &[], &["policy"]));
    // Alone, it is one answer.
    resources.publish(vec![policy("5"), take_back(L7_TYPE, "other")]);
    assert_eq!(a.next().await, told(L7_TYPE, &["policy"], &["other"]));
}

#[tokio::test]
async fn what_comes_back_before_it_was_told_to_be_gone_is_only_new() {
    let resources = Resources::new();
    let service = |value| put(ADDRESS_TYPE, "service", value, Audience::Everybody);
    resources.publish(vec![put(AUTHORIZATION_TYPE, "policy", "1", Audience::Everybody), service("1")]);
    let channel = serve(&resources).await;
    let mut node = Peer::connect(&channel, "ztunnel~", &[AUTHORIZATION_TYPE, ADDRESS_TYPE], &[]).await;
    assert_eq!(node.next().await, told(AUTHORIZATION_TYPE, &["policy"], &[]));
    assert_eq!(node.next().await, told(ADDRESS_TYPE, &["service"], &[]));
    // The service's answer is under way, and there is more: the policy is not taken back meanwhile.
    resources.publish(vec![service("2")]);
    let first = node.hear().await;
    resources.publish(vec![take_back(AUTHORIZATION_TYPE, "policy"), service("3")]);
    node.hears_nothing().await;
    resources.publish(vec![put(AUTHORIZATION_TYPE, "policy", "2", Audience::Everybody)]);
    assert_eq!(node.next().await, told(AUTHORIZATION_TYPE, &["policy"], &[]));
    node.accept(&first).await;
    assert_eq!(node.next().await, told(ADDRESS_TYPE, &["service"], &[]));
    node.hears_nothing().await;
}
