//! A waypoint in this process, with servers behind it.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client, server::conn, service::service_fn, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use identity::client::{Authority, Signing};
use model::{
    Identity, Service, Workload,
    l7::{
        Resource,
        destination::{DestinationPolicy, TrafficPolicy},
        matching::Client as Source,
    },
    service::{IpFamilies, LoadBalancer, TargetPort, Visibility},
    workload::{Locality, Protocol, ServiceKey},
};
use runtime::{Drain, resolve::Names};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{
    Shared,
    inbound::{Client, Inbound, Target},
    requests,
    sniff::Spoken,
    telemetry::AtHand,
    upstream::{self, Endpoint, Failure, Group, Hints, Inputs, Io, Outcome, Wanted, plan::Plan},
};

/// What a server speaks.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Http,
    Http2,
    /// Both, in TLS.
    Tls,
    /// HTTP/1 that goes over to an echo.
    Upgrade,
    /// HTTP/1 behind a header of the PROXY protocol.
    Proxied,
    Echo,
    /// A proxy that leads on to an address.
    Connect(SocketAddr),
}

#[derive(Default)]
struct State {
    status: AtomicU16,
    held: watch::Sender<bool>,
    connections: AtomicUsize,
    requests: AtomicUsize,
}

pub struct Server {
    pub address: SocketAddr,
    state: Arc<State>,
    root: String,
}

impl Server {
    pub async fn start(kind: Kind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { status: AtomicU16::new(200), ..State::default() });
        let (root, tls) = certificates();
        let served = state.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                served.connections.fetch_add(1, Relaxed);
                tokio::spawn(serve(kind, stream, served.clone(), address, tls.clone()));
            }
        });
        Self { address, state, root }
    }

    /// Returns one that nobody hears at.
    pub async fn gone() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { address: listener.local_addr().unwrap(), state: Arc::default(), root: String::new() }
    }

    pub fn answers(&self, status: u16) {
        self.state.status.store(status, Relaxed);
    }

    /// Holds answers back, or lets go of them.
    pub fn hold(&self, held: bool) {
        self.state.held.send_replace(held);
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Relaxed)
    }

    pub fn requests(&self) -> usize {
        self.state.requests.load(Relaxed)
    }

    pub fn root(&self) -> &str {
        &self.root
    }
}

fn certificates() -> (String, Arc<ServerConfig>) {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["db.example.com".to_owned()];
    let leaf = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (root.pem(), Arc::new(config))
}

async fn serve(kind: Kind, mut stream: TcpStream, state: Arc<State>, address: SocketAddr, tls: Arc<ServerConfig>) {
    match kind {
        Kind::Http => http(stream, false, state, address, String::new()).await,
        Kind::Http2 => http(stream, true, state, address, String::new()).await,
        Kind::Tls => {
            let Ok(stream) = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await else { return };
            let is_2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            http(stream, is_2, state, address, String::new()).await;
        }
        Kind::Proxied => {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(stream.read_u8().await.unwrap());
            }
            let client = String::from_utf8(line).unwrap().split(' ').nth(2).unwrap().to_owned();
            http(stream, false, state, address, client).await;
        }
        Kind::Upgrade => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let answer = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            let (mut reader, mut writer) = stream.split();
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        }
        Kind::Echo => {
            let (mut reader, mut writer) = stream.split();
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        }
        Kind::Connect(to) => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            assert!(head.starts_with(b"CONNECT db.example.com:5432 HTTP/1.1\r\n"));
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut server = TcpStream::connect(to).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
        }
    }
}

async fn http<S>(io: S, is_2: bool, state: Arc<State>, address: SocketAddr, client: String)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |_: Request<Incoming>| {
        let (state, client) = (state.clone(), client.clone());
        async move {
            state.requests.fetch_add(1, Relaxed);
            let _ = state.held.subscribe().wait_for(|held| !held).await;
            let answer = Response::builder()
                .status(state.status.load(Relaxed))
                .header("x-server", address.to_string())
                .header("x-client", client);
            Ok::<_, Infallible>(answer.body(Empty::<Bytes>::new()).unwrap())
        }
    });
    let io = TokioIo::new(io);
    let _ = if is_2 {
        conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
    } else {
        conn::http1::Builder::new().serve_connection(io, service).await
    };
}

/// Nobody's certificates are needed.
struct Nobody;

impl Authority for Nobody {
    fn sign<'a>(&'a self, _: &'a Identity, _: String, _: Duration) -> Signing<'a> {
        Box::pin(std::future::pending())
    }
}

fn identity() -> Identity {
    Identity::new("", "ns", "sa").unwrap()
}

#[derive(Clone)]
pub struct Bed {
    shared: Arc<Shared>,
    client: SocketAddr,
    identity: Identity,
    destination: SocketAddr,
    servers: Vec<SocketAddr>,
    service: String,
}

impl Bed {
    pub fn new(servers: &[Server]) -> Self {
        Self::with_names(servers, Names::default())
    }

    /// Makes one that knows names otherwise than by DNS.
    pub fn with_names(servers: &[Server], names: Names) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = crate::Config {
            waypoint: "ns/waypoint".to_owned().try_into().unwrap(),
            pod_name: String::new(),
            service_account: "waypoint".to_owned(),
            instance_ip: "10.1.0.1".to_owned(),
            node_name: String::new(),
            cluster_id: String::new(),
            network: String::new(),
            trust_domain: String::new(),
            xds_address: String::new(),
            ca_address: String::new(),
            xds_roots: "".into(),
            ca_roots: "".into(),
            token: "".into(),
            certificate_lifetime: Duration::from_secs(60),
            grace: Duration::ZERO,
            workers: 2,
            measures: crate::config::Measures::default(),
            hbone: any,
            admin: any,
            stats: any,
            readiness: any,
        };
        let certificates = identity::manager::Manager::new(Arc::new(Nobody), Duration::from_secs(60));
        let mut shared = Shared::new(config, identity(), certificates).unwrap().0;
        shared.names = names;
        let shared = Arc::new(shared);
        let servers = servers.iter().map(|server| server.address).collect();
        let (client, destination) = (([10, 0, 0, 1], 1000).into(), ([10, 2, 0, 1], 80).into());
        let bed = Self { shared, client, identity: identity(), destination, servers, service: "web".to_owned() };
        bed.shared.store.update(|world| world.insert_service(service("web")));
        bed.places(&Locality::default(), &vec![Locality::default(); bed.servers.len()]);
        bed
    }

    /// Says where the waypoint is, and each server.
    pub fn places(&self, own: &Locality, places: &[Locality]) {
        self.shared.store.update(|world| {
            world.insert_workload(waypoint("waypoint", [10, 1, 0, 1], own));
            for (index, (address, place)) in self.servers.iter().zip(places).enumerate() {
                world.insert_workload(Workload {
                    uid: format!("server-{index}").into(),
                    namespace: "ns".into(),
                    service_account: "sa".into(),
                    addresses: vec![address.ip()],
                    services: BTreeMap::from([(key("web"), BTreeMap::from([(80, address.port())]))]),
                    locality: place.clone(),
                    capacity: 1,
                    ..Workload::default()
                });
            }
        });
    }

    /// Takes a server out.
    pub fn without(&self, server: usize) {
        self.shared.store.update(|world| assert!(world.remove_workload(&format!("server-{server}"))));
    }

    /// Has another one beside the waypoint.
    pub fn peer(&self, place: &Locality) {
        self.shared.store.update(|world| world.insert_workload(waypoint("peer", [10, 1, 0, 2], place)));
    }

    /// Has the only server stand behind a name, for a host or for all of a domain.
    pub fn behind(&self, host: &str, name: Option<&str>) -> Self {
        let port = self.servers[0].port();
        self.shared.store.update(|world| {
            world.remove_workload("server-0");
            let ports = BTreeMap::from([(80, TargetPort { target_port: port, app_protocol: 1 })]);
            world.insert_service(Service { ports, ..service(host) });
            if let Some(name) = name {
                let services = BTreeMap::from([(key(host), BTreeMap::from([(80, port)]))]);
                world.insert_workload(Workload {
                    uid: "named".into(),
                    namespace: "ns".into(),
                    service_account: "sa".into(),
                    hostname: name.into(),
                    services,
                    capacity: 1,
                    ..Workload::default()
                });
            }
        });
        Self { service: host.to_owned(), ..self.clone() }
    }

    /// Has a workload that speaks HBONE.
    pub fn enrolled(&self, address: [u8; 4]) {
        self.shared.store.update(|world| {
            world.insert_workload(Workload {
                uid: "enrolled".into(),
                addresses: vec![address.into()],
                protocol: Protocol::Hbone,
                ..Workload::default()
            });
        });
    }

    pub fn another_service(&self) {
        self.shared.store.update(|world| world.insert_service(service("other")));
    }

    pub fn policy(&self, traffic: TrafficPolicy) {
        let source = model::l7::matching::Source::default();
        let policy =
            DestinationPolicy { name: "policy".into(), service: key("web"), source, port: None, subset: None, traffic };
        self.shared.store.update_l7(|state| state.insert(Resource::Destination(policy)));
    }

    pub fn client(&self, address: [u8; 4]) -> Self {
        Self { client: (address, 1000).into(), ..self.clone() }
    }

    /// Has another client ask.
    pub fn account(&self, name: &str) -> Self {
        Self { identity: Identity::new("", "ns", name).unwrap(), ..self.clone() }
    }

    /// Returns how many names were not looked for.
    pub fn names_refused(&self) -> u64 {
        self.shared.metrics.names_refused.get()
    }

    pub fn destined(&self, destination: SocketAddr) -> Self {
        Self { destination, ..self.clone() }
    }

    fn inbound(&self) -> Arc<Inbound> {
        let service = self.shared.store.world().services.get(&key(&self.service)).unwrap().clone();
        Arc::new(Inbound {
            shared: self.shared.clone(),
            client: Client { address: self.client, identity: self.identity.clone(), workload: None },
            target: Target::Service(service, 80),
            destination: self.destination,
            at_hand: AtHand::default(),
            introduction: std::sync::OnceLock::new(),
        })
    }

    /// Sends a request through the waypoint.
    pub async fn ask(&self, headers: &[(&str, &str)]) -> Response<()> {
        self.go_over(headers).await.0
    }

    /// Sends a request through the waypoint; returns the connection as well, if it went over to another protocol.
    pub async fn go_over(&self, headers: &[(&str, &str)]) -> (Response<()>, Option<Upgraded>) {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        tokio::spawn(requests::serve(self.inbound(), theirs, None, Spoken::Http1, Drain::new()));
        let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(ours)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        let mut request = Request::builder().uri("/");
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "web");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let upgraded = hyper::upgrade::on(&mut answer).await.unwrap();
            return (answer.map(|_| ()), Some(upgraded));
        }
        let (parts, body) = answer.into_parts();
        assert!(body.collect().await.is_ok() || parts.status != StatusCode::OK);
        (Response::from_parts(parts, ()), None)
    }

    /// Sends a request that arrives at one of the threads.
    pub async fn ask_on(&self, shard: usize, headers: &[(&'static str, &'static str)]) -> Response<()> {
        let (bed, headers) = (self.clone(), headers.to_vec());
        let runtime = self.shared.shards.runtimes().nth(shard).unwrap();
        runtime.spawn(async move { bed.ask(&headers).await }).await.unwrap()
    }

    pub async fn open(&self) -> Result<(Io, Arc<Endpoint>), Failure> {
        let inbound = self.inbound();
        upstream::connect(&inbound, &Wanted::of(&inbound.target), None).await
    }

    /// Chooses an endpoint for a client that names a host.
    pub async fn choose(&self, host: &str) -> Result<Endpoint, Failure> {
        let inbound = self.inbound();
        upstream::choose(&inbound, &Wanted::of(&inbound.target), &[], &mut Hints::named(Some(host))).await
    }

    pub async fn echo(&self) {
        let (mut io, _) = self.open().await.unwrap();
        io.write_all(b"hello").await.unwrap();
        io.flush().await.unwrap();
        let mut back = [0; 5];
        io.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"hello");
    }

    pub fn ejected(&self) -> Vec<bool> {
        self.servers.iter().map(|address| !self.shared.groups.look(&key("web"), 80, *address).0).collect()
    }

    /// Returns which part of some draws each server gets.
    pub fn shares(&self, draws: u32) -> Vec<f64> {
        let inbound = self.inbound();
        let mut shares = vec![0.0; self.servers.len()];
        for _ in 0..draws {
            let wanted = Wanted::of(&inbound.target);
            let chosen = upstream::choose_known(&inbound, &wanted, &[], &mut Hints::default()).unwrap();
            let place = self.servers.iter().position(|address| *address == chosen.address).unwrap();
            shares[place] += 1.0 / f64::from(draws);
        }
        shares
    }

    fn with_plan<T>(&self, then: impl FnOnce(&Group, Arc<Plan>) -> T) -> T {
        let (world, state) = (self.shared.store.world(), self.shared.store.l7());
        let client = Source { namespace: Some("ns"), labels: None };
        let policy = DestinationPolicy::choose(state.destinations(&key("web")), &client, 80, None);
        let group = self.shared.groups.group(&key("web"), 80, None, policy);
        let service = world.services.get(&key("web")).unwrap();
        let own = || crate::inbound::own(&self.shared, &world);
        let names = &self.shared.names.configured;
        let plan = group.plan(&Inputs { world: &world, state: &state, service, port: 80, policy, names, own: &own });
        then(&group, plan)
    }

    pub fn plan(&self) -> Arc<Plan> {
        self.with_plan(|_, plan| plan)
    }

    /// Has a server fail until it is left alone.
    pub fn fail(&self, server: usize) {
        self.with_plan(|group, plan| {
            let host = group.hosts.find(self.servers[server]).unwrap();
            let outliers = plan.traffic.outliers.as_ref().unwrap();
            (0..3).for_each(|_| group.hosts.note(&host, Outcome::Broken, outliers, tokio::time::Instant::now));
            assert!(host.is_ejected());
        });
    }
}

fn key(name: &str) -> ServiceKey {
    ServiceKey { namespace: "ns".into(), hostname: name.into() }
}

fn waypoint(name: &str, address: [u8; 4], place: &Locality) -> Workload {
    Workload {
        uid: name.into(),
        addresses: vec![address.into()],
        services: BTreeMap::from([(key("waypoint"), BTreeMap::new())]),
        locality: place.clone(),
        capacity: 1,
        ..Workload::default()
    }
}

fn service(name: &str) -> Service {
    Service {
        name: name.into(),
        key: key(name),
        vips: vec![],
        cidr_vips: vec![],
        ports: BTreeMap::from([(80, TargetPort { target_port: 80, app_protocol: 1 })]),
        subject_alt_names: vec![],
        waypoint: None,
        weighted_waypoints: vec![],
        load_balancer: LoadBalancer::default(),
        ip_families: IpFamilies::Automatic,
        canonical: true,
        ingress_use_waypoint: false,
        visibility: Visibility::Public,
        guarded: false,
    }
}
