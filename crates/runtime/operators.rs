//! The servers that a proxy has for operators: metrics, readiness, administration.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::{Request, StatusCode};
use hyper::body::Incoming;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::{
    drain::Drain,
    http::{self as server, Answer, text},
    readiness::Readiness,
};

/// How often a port that is taken is tried, and how far apart.
const TRIES: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(100);

/// Where the servers are.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Metrics.
    pub stats: SocketAddr,
    /// Readiness.
    pub readiness: SocketAddr,
    /// Administration.
    pub admin: SocketAddr,
}

/// Tells which port is taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct Taken {
    address: SocketAddr,
    source: io::Error,
}

/// Starts the three servers; `admin` answers the requests of administration.
///
/// # Errors
/// A port that is taken.
pub async fn serve<H, F>(
    addresses: Addresses,
    registry: Registry,
    readiness: Readiness,
    drain: &Drain,
    admin: H,
) -> Result<(), Taken>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let registry = Arc::new(registry);
    let stats = move |request: Request<Incoming>| {
        let registry = registry.clone();
        async move {
            match request.uri().path() {
                "/metrics" | "/stats/prometheus" => server::metrics(&registry),
                _ => text(StatusCode::NOT_FOUND, "want /metrics or /stats/prometheus\n"),
            }
        }
    };
    // Readiness ends with the stop's beginning, but its server lives on: probes must read the refusal.
    let ready = move |request: Request<Incoming>| {
        let readiness = readiness.clone();
        async move {
            match request.uri().path() {
                "/healthz/ready" => server::readiness(&readiness),
                _ => text(StatusCode::NOT_FOUND, "want /healthz/ready\n"),
            }
        }
    };
    tokio::spawn(server::serve(listen(addresses.stats).await?, drain.clone(), stats));
    tokio::spawn(server::serve(listen(addresses.readiness).await?, Drain::new(), ready));
    tokio::spawn(server::serve(listen(addresses.admin).await?, Drain::new(), admin));
    Ok(())
}

/// Listens; a predecessor that is about to leave may still hold the port for a moment.
async fn listen(address: SocketAddr) -> Result<TcpListener, Taken> {
    let mut tries = 0;
    loop {
        let listener = match TcpListener::bind(address).await {
            // A kernel without IPv6.
            Err(_) if address.ip() == Ipv6Addr::UNSPECIFIED => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
            }
            listener => listener,
        };
        match listener {
            Ok(listener) => return Ok(listener),
            Err(source) if tries == TRIES => return Err(Taken { address, source }),
            Err(_) => tokio::time::sleep(BETWEEN).await,
        }
        tries += 1;
    }
}
