//! The sandbox's name server, on the switch: answers for the mesh's services, and knows no other name.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, RwLock},
    time::Duration,
};

use hickory_server::{
    Server,
    net::runtime::Time,
    proto::{
        op::{Header, HeaderCounts, LowerQuery, Metadata, ResponseCode},
        rr::{DNSClass, Name, RData, Record, RecordType, rdata},
    },
    server::{Request, RequestHandler, ResponseHandler, ResponseInfo},
    zone_handler::MessageResponseBuilder,
};
use tokio::net::{TcpListener, UdpSocket};
use tracing::debug;

use crate::names::{Answer, Names};

/// How long an answer may be kept, seconds: short, as pods come and go.
const TTL: u32 = 5;
/// How long a client may keep a connection open without a question.
const IDLE: Duration = Duration::from_secs(10);

/// Serves on this address for as long as the result lives.
///
/// # Errors
/// The port is taken.
pub async fn serve(address: SocketAddr, names: Arc<RwLock<Names>>) -> std::io::Result<Server<impl RequestHandler>> {
    let mut server = Server::new(Handler { names });
    server.register_socket(UdpSocket::bind(address).await?);
    server.register_listener(TcpListener::bind(address).await?, IDLE, 4096);
    Ok(server)
}

struct Handler {
    names: Arc<RwLock<Names>>,
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut out: R) -> ResponseInfo {
        let (code, records) = match request.request_info() {
            Ok(info) => self.answer(request.src().ip().to_canonical(), info.query),
            Err(_) => (ResponseCode::FormErr, vec![]),
        };
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = code;
        metadata.authoritative = true;
        let none = || std::iter::empty::<&Record>();
        let message = MessageResponseBuilder::from_message_request(request).build(
            metadata,
            records.iter(),
            none(),
            none(),
            none(),
        );
        match out.send_response(message).await {
            Ok(info) => info,
            Err(error) => {
                debug!(%error, "no answer sent");
                Header { metadata: Metadata::response_from_request(&request.metadata), counts: HeaderCounts::default() }
                    .into()
            }
        }
    }
}

impl Handler {
    fn answer(&self, asker: IpAddr, query: &LowerQuery) -> (ResponseCode, Vec<Record>) {
        let (name, kind, class) = (query.name(), query.query_type(), query.query_class());
        let text = name.to_string();
        let text = text.trim_end_matches('.');
        let names = self.names.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let own = Name::from(name.clone());
        let record = |data| Record::from_rdata(own.clone(), TTL, data);
        match names.answer(text, asker) {
            // There is no way out of a sandbox, so a name of the world leads nowhere; to refuse it would make clients try again.
            Answer::Foreign | Answer::Unknown => (ResponseCode::NXDomain, vec![]),
            _ if class != DNSClass::IN => (ResponseCode::NoError, vec![]),
            Answer::Nothing => (ResponseCode::NoError, vec![]),
            Answer::Addresses(addresses) => {
                let data = addresses.into_iter().filter_map(|ip| match (ip, kind) {
                    (IpAddr::V4(ip), RecordType::A) => Some(RData::A(rdata::A(ip))),
                    (IpAddr::V6(ip), RecordType::AAAA) => Some(RData::AAAA(rdata::AAAA(ip))),
                    _ => None,
                });
                (ResponseCode::NoError, data.map(record).collect())
            }
            Answer::Ports(ports) if kind == RecordType::SRV => {
                let data = ports.into_iter().filter_map(|(port, target)| {
                    Some(RData::SRV(rdata::SRV::new(0, 100, port, Name::from_ascii(target).ok()?)))
                });
                (ResponseCode::NoError, data.map(record).collect())
            }
            Answer::Ports(_) => (ResponseCode::NoError, vec![]),
        }
    }
}
