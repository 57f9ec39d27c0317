//! A waypoint without its tunnel: clients speak over a pipe, endpoints listen on addresses of this machine.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use identity::{
    channel::ControlPlane,
    client::{Asking, RemoteAuthority},
    manager::Manager,
};
use model::{
    Identity, Service, Workload,
    l7::{
        GatewayKey, Resource,
        route::{Action, Backend, BackendTarget, HttpRule, Origin, OriginKind, Parent},
    },
    service::{TargetPort, Visibility},
    workload::ServiceKey,
};
use prometheus_client::registry::Registry;
use runtime::Drain;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    time::timeout,
};

use crate::{
    Config, Shared,
    inbound::{Client, Inbound, Target},
    sniff::Spoken,
    telemetry::AtHand,
};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(10);
/// The port of all services.
pub const PORT: u16 = 80;

/// A waypoint of the service `web`.
pub struct Bench {
    pub shared: Arc<Shared>,
    registry: Registry,
}

impl Bench {
    pub fn new() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config {
            waypoint: GatewayKey { namespace: "shop".into(), name: "waypoint".into() },
            pod_name: "waypoint-1".into(),
            service_account: "waypoint".into(),
            instance_ip: "192.0.2.1".into(),
            node_name: "node".into(),
            cluster_id: "Kubernetes".into(),
            network: String::new(),
            trust_domain: "cluster.local".into(),
            xds_address: "127.0.0.1:1".into(),
            ca_address: "127.0.0.1:1".into(),
            xds_roots: "/nowhere".into(),
            ca_roots: "/nowhere".into(),
            token: "/nowhere".into(),
            certificate_lifetime: LONG,
            grace: LONG,
            workers: 1,
            measures: crate::config::Measures::default(),
            hbone: any,
            admin: any,
            stats: any,
            readiness: any,
        };
        // Endpoints are in the clear: nobody is asked for a certificate.
        let nobody = ControlPlane {
            host: "127.0.0.1".into(),
            port: 1,
            roots: "/nowhere".into(),
            token: "/nowhere".into(),
            cluster: String::new(),
        };
        let authority = RemoteAuthority::new(nobody, Asking::ForItself).expect("an address");
        let identity = config.identity().expect("valid");
        let made = Shared::new(config, identity, Manager::new(Arc::new(authority), LONG));
        let (mut shared, registry) = made.expect("a thread");
        shared.mirrors = Arc::new(Semaphore::new(2));
        let shared = Arc::new(shared);
        let bench = Self { shared, registry };
        bench.service("web");
        bench
    }

    /// Returns all metrics.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("a text");
        text
    }

    /// Returns how many requests to a service were counted with a status.
    pub fn counted(&self, service: &str, status: u16) -> u64 {
        self.counted_as(service, &format!("response_code=\"{status}\""))
    }

    /// Returns how many requests to a service were counted with a label.
    pub fn counted_as(&self, service: &str, label: &str) -> u64 {
        let text = self.metrics();
        let labels = [format!("destination_service_name=\"{service}\""), label.to_owned()];
        let lines = text.lines().filter(|line| line.starts_with("istio_requests_total"));
        let lines = lines.filter(|line| labels.iter().all(|label| line.contains(&**label)));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    }

    /// Adds a service.
    pub fn service(&self, name: &str) {
        let service = Service {
            name: name.into(),
            key: key(name),
            vips: vec![],
            cidr_vips: vec![],
            ports: BTreeMap::from([(PORT, TargetPort { target_port: 0, app_protocol: 0 })]),
            subject_alt_names: vec![],
            waypoint: None,
            weighted_waypoints: vec![],
            load_balancer: model::service::LoadBalancer::default(),
            ip_families: model::service::IpFamilies::default(),
            canonical: true,
            ingress_use_waypoint: false,
            visibility: Visibility::Public,
            guarded: false,
        };
        self.shared.store.update(|world| world.insert_service(service));
    }

    /// Adds an endpoint of a service.
    pub fn endpoint(&self, service: &str, address: SocketAddr) {
        let workload = Workload {
            uid: format!("Kubernetes//Pod/shop/{service}-{address}").into(),
            name: format!("{service}-{address}").into(),
            namespace: "shop".into(),
            addresses: vec![address.ip()],
            service_account: "default".into(),
            services: BTreeMap::from([(key(service), BTreeMap::from([(PORT, address.port())]))]),
            capacity: 1,
            ..Workload::default()
        };
        self.shared.store.update(|world| world.insert_workload(workload));
    }

    /// Adds an endpoint that hears requests of HTTP/1 and gives the same answer to each.
    pub async fn peer(&self, service: &str, address: [u8; 4], answer: &'static str) -> mpsc::UnboundedReceiver<String> {
        let listener = TcpListener::bind((Ipv4Addr::from(address), 0)).await.expect("a port");
        self.endpoint(service, listener.local_addr().expect("bound"));
        let (tell, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer_all(socket, answer, tell.clone()));
            }
        });
        heard
    }

    /// Adds something that the waypoint is told.
    pub fn told(&self, resource: Resource) {
        self.shared.store.update_l7(|state| state.insert(resource));
    }

    /// Adds a rule for all requests to `web`.
    pub fn rule(&self, change: impl FnOnce(&mut HttpRule)) {
        let mut rule = HttpRule {
            name: "rule".into(),
            parent: Parent { service: key("web"), port: None },
            consumer: None,
            origin: Origin {
                created: "2026-01-01T00:00:00Z".into(),
                namespace: "shop".into(),
                name: "rule".into(),
                index: 0,
                kind: OriginKind::HTTPRoute,
                rule: None,
            },
            matches: vec![],
            filters: vec![],
            action: Action::Forward(vec![Backend { target: target("web"), weight: 1, filters: vec![] }]),
            timeout: None,
            backend_timeout: None,
            retry: None,
            mirrors: vec![],
            fault: None,
            cors: None,
            session: None,
            external_auth: None,
        };
        change(&mut rule);
        self.told(Resource::HttpRule(rule));
    }

    /// Makes a client's connection to `web`.
    pub fn inbound(&self) -> Arc<Inbound> {
        let service = self.shared.store.world().services.get(&key("web")).expect("there").clone();
        let identity: Identity = "spiffe://cluster.local/ns/shop/sa/client".parse().expect("valid");
        Arc::new(Inbound {
            shared: self.shared.clone(),
            client: Client { address: SocketAddr::from(([192, 0, 2, 9], 4000)), identity, workload: None },
            target: Target::Service(service, PORT),
            destination: SocketAddr::new(IpAddr::from([192, 0, 2, 10]), PORT),
            at_hand: AtHand::default(),
            introduction: std::sync::OnceLock::new(),
        })
    }

    /// Opens a client's connection to `web`.
    pub fn connect(&self, spoken: Spoken) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(256 << 10);
        tokio::spawn(crate::requests::serve(self.inbound(), theirs, None, spoken, Drain::new()));
        ours
    }

    /// Says something in HTTP/1 and then nothing more; returns all that is answered.
    pub async fn say(&self, text: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect(Spoken::Http1);
        stream.write_all(text.as_ref()).await.expect("the pipe takes it");
        stream.shutdown().await.expect("the pipe is there");
        let mut answer = Vec::new();
        timeout(LONG, stream.read_to_end(&mut answer)).await.expect("an end").expect("no error of a pipe");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// Returns the key of a service.
pub fn key(name: &str) -> ServiceKey {
    ServiceKey { namespace: "shop".into(), hostname: format!("{name}.shop.svc.cluster.local").into() }
}

/// Returns a service as rules name it.
pub fn target(name: &str) -> BackendTarget {
    BackendTarget::Service { service: key(name), port: Some(PORT), subset: None }
}

/// Waits for the next request that an endpoint hears.
pub async fn next(heard: &mut mpsc::UnboundedReceiver<String>) -> String {
    timeout(LONG, heard.recv()).await.expect("a request in time").expect("the endpoint is there")
}

async fn answer_all(mut socket: TcpStream, answer: &'static str, tell: mpsc::UnboundedSender<String>) {
    let mut heard = Vec::new();
    let mut piece = [0; 16 << 10];
    while let Ok(count @ 1..) = socket.read(&mut piece).await {
        heard.extend_from_slice(&piece[..count]);
        if is_whole(&heard) {
            let _ = tell.send(String::from_utf8_lossy(&heard).into_owned());
            heard.clear();
            if socket.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
    // What was cut is told as well.
    if !heard.is_empty() {
        let _ = tell.send(format!("CUT {}", String::from_utf8_lossy(&heard)));
    }
}

/// Tells whether a request has come to its end, as far as a well-meaning sender says where that is.
fn is_whole(heard: &[u8]) -> bool {
    let Some(end) = heard.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let (head, body) = (String::from_utf8_lossy(&heard[..end]).to_lowercase(), &heard[end + 4..]);
    if head.contains("transfer-encoding: chunked") {
        let body = String::from_utf8_lossy(body);
        return body.starts_with("0\r\n") && body.ends_with("\r\n\r\n")
            || body.rsplit_once("\r\n0\r\n").is_some_and(|(_, rest)| rest == "\r\n" || rest.ends_with("\r\n\r\n"));
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    body.len() >= length.unwrap_or(0)
}
