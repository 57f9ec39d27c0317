//! The client of a waypoint against a control plane that says what the test says.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures::Stream;
use model::l7::{Defaults, GatewayKey, Normalization, Resource, Settings, Traffic};
use runtime::{Drain, Readiness};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Endpoint, Server},
};
use xds::{
    ADDRESS_TYPE, AUTHORIZATION_TYPE, Any, L7_TYPE,
    client::{self, OF_WAYPOINT, Store},
    proto::discovery::{
        self, DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node,
        aggregated_discovery_service_server::{AggregatedDiscoveryService, AggregatedDiscoveryServiceServer},
    },
};

type Answers = mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>;
type Stream1 = (Streaming<DeltaDiscoveryRequest>, Answers);

/// Hands every stream to the test.
struct Scripted(mpsc::Sender<Stream1>);

#[tonic::async_trait]
impl AggregatedDiscoveryService for Scripted {
    type DeltaAggregatedResourcesStream = Pin<Box<dyn Stream<Item = Result<DeltaDiscoveryResponse, Status>> + Send>>;

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let (answers, outgoing) = mpsc::channel(16);
        self.0.send((request.into_inner(), answers)).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }
}

/// The control plane's side of one stream.
struct Peer {
    requests: Streaming<DeltaDiscoveryRequest>,
    answers: Answers,
}

impl Peer {
    async fn accept(streams: &mut mpsc::Receiver<Stream1>) -> Self {
        let (requests, answers) = timeout(Duration::from_secs(5), streams.recv()).await.expect("in time").expect("one");
        Self { requests, answers }
    }

    async fn request(&mut self) -> DeltaDiscoveryRequest {
        let request = timeout(Duration::from_secs(5), self.requests.message()).await.expect("in time");
        request.expect("a stream").expect("a request")
    }

    /// Answers, and returns what the client says to that: why it refuses, or nothing.
    async fn answer(&mut self, type_url: &str, resources: &[(&str, &str, String)], removed: &[&str]) -> Option<String> {
        let one = |(name, version, value): &(&str, &str, String)| discovery::Resource {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            resource: Some(Any { type_url: type_url.to_owned(), value: Bytes::from(value.clone()) }),
            ..discovery::Resource::default()
        };
        let answer = DeltaDiscoveryResponse {
            type_url: type_url.to_owned(),
            nonce: "n".to_owned(),
            resources: resources.iter().map(one).collect(),
            removed_resources: removed.iter().map(|name| (*name).to_owned()).collect(),
            ..DeltaDiscoveryResponse::default()
        };
        self.answers.send(Ok(answer)).await.expect("sent");
        let ack = self.request().await;
        assert_eq!((&*ack.type_url, &*ack.response_nonce), (type_url, "n"));
        ack.error_detail.map(|e| e.message)
    }
}

fn settings(waypoint: &str, traffic: Traffic) -> String {
    let settings = Settings {
        waypoint: GatewayKey { namespace: "shop".into(), name: waypoint.into() },
        traffic,
        root_namespace: "istio-system".into(),
        trust_domains: vec!["cluster.local".into()],
        normalization: Normalization::Base,
        providers: vec![],
        defaults: Defaults::default(),
    };
    serde_json::to_string(&Resource::Settings(settings)).expect("serialises")
}

fn keys(store: &Store) -> Vec<String> {
    let mut keys: Vec<String> = store.l7().resources().map(|(key, _)| key.to_string()).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn a_resource_that_cannot_be_read_is_refused_alone_and_what_was_before_stays() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, mut streams) = mpsc::channel(4);
    let server = Server::builder().add_service(AggregatedDiscoveryServiceServer::new(Scripted(sender)));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let (store, readiness, drain) = (Store::default(), Readiness::pending([client::READY]), Drain::new());
    let channel = Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy();
    let node = Node { id: "waypoint~10.0.0.1~w-1.shop~shop.svc.cluster.local".into(), ..Node::default() };
    let bearer = || async { Ok::<_, Status>("token".to_owned()) };
    tokio::spawn(client::run(node, channel, OF_WAYPOINT, bearer, store.clone(), readiness.clone(), drain.clone()));

    let mut peer = Peer::accept(&mut streams).await;
    let first = [peer.request().await, peer.request().await, peer.request().await];
    let asked = first.each_ref().map(|r| &*r.type_url);
    assert_eq!(asked, [L7_TYPE, AUTHORIZATION_TYPE, ADDRESS_TYPE], "policies first");
    assert!(first[0].node.is_some() && first.iter().all(|r| r.initial_resource_versions.is_empty()));

    let (a, b) = ("settings/shop/a", "settings/shop/b");
    let wrong = "{\"settings\": {\"waypoint\": \"shop/b\", \"more\": 1}}".to_owned();
    let said = peer
        .answer(
            L7_TYPE,
            &[(a, "1", settings("a", Traffic::Service)), (b, "1", wrong), ("c", "1", settings("d", Traffic::All))],
            &[],
        )
        .await
        .expect("refused");
    assert!(said.contains(&format!("{b}: not readable: unknown field `more`")), "{said}");
    assert!(said.contains("c: it is settings/shop/d, and not what its name says") && !said.contains(a), "{said}");
    assert_eq!(keys(&store), [a]);
    assert!(!readiness.missing().is_empty(), "not all types were answered");
    assert_eq!(peer.answer(AUTHORIZATION_TYPE, &[], &[]).await, None);
    assert_eq!(peer.answer(ADDRESS_TYPE, &[], &[]).await, None);
    sleep(Duration::from_millis(50)).await;
    assert!(readiness.missing().is_empty());

    // A later version that is wrong changes nothing, and is not told as known to the next stream.
    assert!(peer.answer(L7_TYPE, &[(a, "2", "{".to_owned())], &[]).await.is_some());
    assert_eq!(store.l7().settings().map(|s| s.traffic), Some(Traffic::Service));
    drop(peer);
    let mut peer = Peer::accept(&mut streams).await;
    let first = peer.request().await;
    assert_eq!(first.initial_resource_versions.into_iter().collect::<Vec<_>>(), [(a.to_owned(), "1".to_owned())]);
    peer.request().await;
    peer.request().await;
    assert_eq!(peer.answer(L7_TYPE, &[(b, "3", settings("b", Traffic::All))], &[a]).await, None);
    assert_eq!(keys(&store), [b]);
    drain.start();
}
