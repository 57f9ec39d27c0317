use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverConfig};
use hickory_server::{
    Server,
    net::runtime::Time,
    proto::{
        op::{Header, HeaderCounts, Metadata},
        rr::{
            Name as Domain, RData, Record, RecordType,
            rdata::{A, CNAME, SOA},
        },
    },
    server::{Request, RequestHandler, ResponseHandler, ResponseInfo},
    zone_handler::MessageResponseBuilder,
};
use tokio::net::{TcpListener, UdpSocket};

use super::*;

fn domain(text: &str) -> Domain {
    Domain::from_ascii(text).expect("a name")
}

fn address(ttl: u32, last: u32) -> Record {
    Record::from_rdata(domain("set.test."), ttl, RData::A(A(Ipv4Addr::from(0xc000_0200 + last))))
}

/// Answers by the first label of a name: `chain-3` is an alias of `chain-2`, and so on to an address.
fn zone(name: &Domain) -> (ResponseCode, Vec<Record>, Vec<Record>) {
    let text = name.to_string();
    let label = text.split('.').next().unwrap_or_default();
    let soa = |ttl, minimum| {
        let data = SOA::new(domain("ns.test."), domain("who.test."), 1, 1, 1, 1, minimum);
        vec![Record::from_rdata(domain("test."), ttl, RData::SOA(data))]
    };
    let own = |mut record: Record| {
        record.name = name.clone();
        record
    };
    let alias = |to: &str| vec![Record::from_rdata(name.clone(), 20, RData::CNAME(CNAME(domain(to))))];
    match (label, label.strip_prefix("chain-").and_then(|left| left.parse::<u32>().ok())) {
        ("zero", _) => (ResponseCode::NoError, vec![own(address(0, 1))], vec![]),
        ("enormous", _) => (ResponseCode::NoError, vec![own(address(u32::MAX, 1))], vec![]),
        ("many", _) => (ResponseCode::NoError, (0..600).map(|n| own(address(60, n))).collect(), vec![]),
        ("gone", _) => (ResponseCode::NXDomain, vec![], soa(300, 20)),
        ("empty", _) => (ResponseCode::NoError, vec![], soa(10, 20)),
        ("silent", _) => (ResponseCode::NXDomain, vec![], vec![]),
        ("broken", _) => (ResponseCode::ServFail, vec![], soa(300, 300)),
        ("loop", _) => (ResponseCode::NoError, alias("loop.test."), vec![]),
        (_, Some(0)) => (ResponseCode::NoError, vec![own(address(60, 1))], vec![]),
        (_, Some(left)) => (ResponseCode::NoError, alias(&format!("chain-{}.test.", left - 1)), vec![]),
        _ => (ResponseCode::Refused, vec![], vec![]),
    }
}

struct Zone;

#[async_trait::async_trait]
impl RequestHandler for Zone {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut out: R) -> ResponseInfo {
        let query = request.request_info().expect("a question").query;
        let (code, mut answers, soa) = zone(&Domain::from(query.name().clone()));
        let of_kind = |record: &Record| [query.query_type(), RecordType::CNAME].contains(&record.record_type());
        answers.retain(of_kind);
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = code;
        metadata.authoritative = true;
        let none = || std::iter::empty::<&Record>();
        let message = MessageResponseBuilder::from_message_request(request).build(
            metadata,
            answers.iter(),
            none(),
            soa.iter(),
            none(),
        );
        out.send_response(message).await.unwrap_or_else(|_| {
            Header { metadata: Metadata::response_from_request(&request.metadata), counts: HeaderCounts::default() }
                .into()
        })
    }
}

async fn serve() -> (Server<Zone>, TokioResolver) {
    let mut server = Server::new(Zone);
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(any).await.expect("a port");
    let at = listener.local_addr().expect("its address");
    server.register_socket(UdpSocket::bind(at).await.expect("the same port"));
    server.register_listener(listener, Duration::from_secs(5), 4096);
    let connection = |protocol| {
        let mut connection = ConnectionConfig::new(protocol);
        connection.port = at.port();
        connection
    };
    let mut one = NameServerConfig::udp_and_tcp(at.ip());
    one.connections = vec![connection(ProtocolConfig::Udp), connection(ProtocolConfig::Tcp)];
    let resolver = with(ResolverConfig::from_parts(None, vec![], vec![one]), ResolverOpts::default());
    (server, resolver.expect("a resolver"))
}

#[tokio::test]
async fn answers_are_read_as_they_are_meant() {
    let (_server, resolver) = serve().await;
    let addresses = |count: u32| (0..count).map(|n| IpAddr::from(Ipv4Addr::from(0xc000_0200 + n))).collect::<Vec<_>>();
    let one = vec![IpAddr::from([192, 0, 2, 1])];
    // Addresses and seconds; or for how long there is nothing.
    let rows = [
        ("zero.test", Ok((one.clone(), 0))),
        // A day is the most that hickory has; what asks has less.
        ("enormous.test", Ok((one.clone(), 86_400))),
        ("many.test", Ok((addresses(600), 60))),
        ("chain-3.test", Ok((one.clone(), 20))),
        ("chain-40.test", Err(None)),
        ("loop.test", Err(None)),
        ("gone.test", Err(Some(20))),
        ("empty.test", Err(None)),
        ("silent.test", Err(None)),
        ("broken.test", Err(None)),
        ("refused.test", Err(None)),
        ("not a name.test", Err(None)),
    ];
    for (name, wanted) in rows {
        let begun = Instant::now();
        let found = ask(&resolver, &name.into()).await;
        let told = match &found {
            // Some of the last second may be over.
            Ok((addresses, life)) => Ok((addresses.clone(), life.as_secs_f64().ceil() as u64)),
            Err(nothing) => Err(nothing.life.map(|life| life.as_secs())),
        };
        assert_eq!(told, wanted, "{name}: {found:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{name}");
    }
}

#[tokio::test]
async fn many_questions_at_once_are_all_answered() {
    let (_server, resolver) = serve().await;
    // Truncated answers are asked for again over TCP, where one connection carries all of them.
    let asked = (0..AT_ONCE).map(|n| {
        let resolver = resolver.clone();
        tokio::spawn(async move { ask(&resolver, &format!("many.{n}.test").into()).await })
    });
    for asked in asked.collect::<Vec<_>>() {
        let found = asked.await.expect("an end");
        assert!(found.is_ok_and(|(addresses, _)| addresses.len() == 600));
    }
}

#[test]
fn a_resolver_is_made_anew_when_its_file_changes() {
    let file = std::env::temp_dir().join(format!("ambient-resolv-{}", std::process::id()));
    let system = System { resolv_conf: file.clone(), made: Mutex::default() };
    let made = || system.made.lock().expect("it is whole").as_ref().map(|made| made.stamps);
    assert!(system.resolver().is_err_and(|nothing| nothing.reason.starts_with("no name server")));
    fs::write(&file, "nameserver 192.0.2.1\n").expect("a file");
    let first = system.resolver().map(|resolver| resolver.options().ndots);
    let stamps = made();
    let again = system.resolver().map(|resolver| resolver.options().ndots);
    assert_eq!((first, again), (Ok(1), Ok(1)));
    assert_eq!(made(), stamps, "the same file is read once");
    fs::write(&file, "nameserver 192.0.2.1\noptions ndots:5\n").expect("a file");
    let changed = system.resolver().map(|resolver| resolver.options().ndots);
    assert_eq!(changed, Ok(5));
    assert_ne!(made(), stamps);
    fs::remove_file(&file).expect("it was there");
}
