//! The server: HTTP, TCP echo, server-speaks-first, UDP echo and bulk, each on as many ports as asked.

mod asked;
mod tcp;
mod tls;
mod web;

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use clap::Args;
use serde_json::json;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    signal::unix::{SignalKind, signal},
};
use tokio_rustls::TlsAcceptor;

pub use self::web::Counts;
use crate::wire::{self, Server};

/// Connections that may wait for `accept`: a test opens a thousand at once.
const BACKLOG: i32 = 4096;

/// What to serve. Each port may be given several times; 0 takes a free one.
#[derive(Args)]
pub struct ServeArgs {
    /// The name to answer with
    #[arg(long)]
    name: String,
    /// Serve HTTP/1.1 and HTTP/2 (prior knowledge), with /healthz and grpc.health.v1
    #[arg(long, value_name = "PORT")]
    http: Vec<u16>,
    /// Serve TCP echo; a first line WHO or HOLD is a request
    #[arg(long, value_name = "PORT")]
    tcp: Vec<u16>,
    /// Serve TCP echo that greets first
    #[arg(long, value_name = "PORT")]
    first: Vec<u16>,
    /// Serve UDP echo
    #[arg(long, value_name = "PORT")]
    udp: Vec<u16>,
    /// Serve uploads, and downloads after a line "SEND bytes"
    #[arg(long, value_name = "PORT")]
    bulk: Vec<u16>,
    #[command(flatten)]
    tls: tls::TlsArgs,
}

#[derive(Clone)]
enum Service {
    Http,
    Tls(TlsAcceptor),
    Tcp,
    First,
    Bulk,
}

/// Serves until SIGTERM or SIGINT; false if a port cannot be opened.
pub async fn run(args: ServeArgs) -> bool {
    match start(args).await {
        Ok(()) => true,
        Err(error) => {
            eprintln!("error: {error}");
            false
        }
    }
}

async fn start(args: ServeArgs) -> io::Result<()> {
    // Asked for before anything else: as process 1 of a container, a signal without a handler is ignored.
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let server = Server::new(args.name);
    let mut open = json!({ "name": &*server.name });
    let secure = args.tls.tls.first().map(|_| args.tls.acceptor()).transpose()?;
    let services = [
        ("http", Service::Http, args.http),
        ("tcp", Service::Tcp, args.tcp),
        ("first", Service::First, args.first),
        ("bulk", Service::Bulk, args.bulk),
    ];
    let services = services.into_iter().chain(secure.map(|secure| ("tls", Service::Tls(secure), args.tls.tls)));
    for (word, service, ports) in services {
        let mut opened = Vec::new();
        for port in ports {
            let listener = TcpListener::from_std(bind(Type::STREAM, port)?.into())?;
            opened.push(listener.local_addr()?.port());
            tokio::spawn(accept(listener, service.clone(), server.clone()));
        }
        open[word] = opened.into();
    }
    let mut opened = Vec::new();
    for port in args.udp {
        let socket = UdpSocket::from_std(bind(Type::DGRAM, port)?.into())?;
        opened.push(socket.local_addr()?.port());
        tokio::spawn(datagrams(socket, server.clone()));
    }
    open["udp"] = opened.into();
    println!("{open}");
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Opens a port for both families, or for IPv4 alone where the kernel has no IPv6.
fn bind(kind: Type, port: u16) -> io::Result<Socket> {
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    bind_to(kind, both).or_else(|error| match error.kind() {
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
        _ => bind_to(kind, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
    })
}

fn bind_to(kind: Type, address: SocketAddr) -> io::Result<Socket> {
    let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    let described = |e: io::Error| io::Error::new(e.kind(), format!("port {} cannot be opened: {e}", address.port()));
    socket.bind(&address.into()).map_err(described)?;
    if kind == Type::STREAM {
        socket.listen(BACKLOG).map_err(described)?;
    }
    Ok(socket)
}

/// Connections are not counted or ended: they live as long as their client or this process.
async fn accept(listener: TcpListener, service: Service, server: Server) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(connection(stream, wire::plain(peer), service.clone(), server.clone()));
            }
            // Out of file descriptors, or a client that is gone already: others may still be served.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// The end of a connection is the client's to judge, so errors are not told here.
async fn connection(stream: TcpStream, peer: SocketAddr, service: Service, server: Server) {
    let _ = stream.set_nodelay(true);
    let _ = match service {
        Service::Http => return web::serve(stream, peer, server).await,
        Service::Tls(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => return web::serve(stream, peer, server).await,
            Err(error) => Err(error),
        },
        Service::Tcp => tcp::echo(stream, &server.greeting(peer)).await,
        Service::First => tcp::first(stream, &server.greeting(peer)).await,
        Service::Bulk => tcp::bulk(stream).await,
    };
}

async fn datagrams(socket: UdpSocket, server: Server) {
    let mut buffer = vec![0; 65536];
    loop {
        // An error here is the ICMP answer to an earlier datagram.
        let Ok((count, peer)) = socket.recv_from(&mut buffer).await else { continue };
        let received = &buffer[..count];
        let greeting = server.greeting(peer);
        let answer = if received == wire::WHO.as_bytes() { greeting.as_bytes() } else { received };
        let _ = socket.send_to(answer, peer).await;
    }
}
