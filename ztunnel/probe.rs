//! Connections made on an operator's demand from inside a pod's namespace: the evidence of `ambient verify`.
//!
//! A probe takes the very way of the pod's own connections, from the redirection on, so that it finds rules that were lost as
//! well as a policy that refuses. It sends no byte to the application.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use model::Peer;
use net::{
    redirect,
    sockets::{self, ConnectOptions, Family},
};
use runtime::error::chain;
use serde::Serialize;
use tokio::{
    io::Interest,
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    connections::Shown,
    pod::{MARK, Pod},
};

/// How long a probe may take until it is known how it ended: the longest that the proxy itself waits.
const OPEN_WITHIN: Duration = Duration::from_secs(12);
/// How long a plaintext connection must stay open to count as accepted.
const ACCEPTED_AFTER: Duration = Duration::from_millis(1500);
/// The longest that a probe may be held open.
const HOLD_MAX: Duration = Duration::from_secs(30);
/// How often a probe is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How often a probe is made that is reset before it is known to be there.
const ATTEMPTS: usize = 6;

/// Which way a probe takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Way {
    /// That of the pod's own connections: redirected, through this proxy.
    Mesh,
    /// Past this proxy, in the clear, as a client outside the mesh would.
    Plaintext,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Open, and listed among the pod's connections.
    Open,
    /// Accepted in the clear.
    Accepted,
    /// Reset or closed by the other side before anything was sent.
    Refused,
    /// It left the pod without being redirected: the pod is not captured.
    NotRedirected,
    /// No connection at all.
    Failed,
}

/// What a probe found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    way: Way,
    outcome: Outcome,
    /// The probe's own address, by which both sides list it.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SocketAddr>,
    target: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<Shown>,
}

/// Probes a target from a pod and holds an open connection for `hold`, in the background.
pub async fn probe(pod: &Arc<Pod>, target: SocketAddr, way: Way, hold: Duration) -> Finding {
    let finding =
        |outcome, source, reason: Option<String>| Finding { way, outcome, source, target, reason, connection: None };
    let mark = (way == Way::Plaintext).then_some(MARK);
    let (stream, local) = match connect(pod, target, mark).await {
        Ok(connected) => connected,
        Err(error) => return finding(Outcome::Failed, None, Some(error.to_string())),
    };
    let found = match way {
        Way::Plaintext => match timeout(ACCEPTED_AFTER, ended(&stream)).await {
            Ok(reason) => finding(Outcome::Refused, Some(local), Some(reason)),
            Err(_) => finding(Outcome::Accepted, Some(local), None),
        },
        Way::Mesh => match address_at_proxy(pod, local, target).await {
            Ok(Some(source)) => listed(pod, &stream, source, target).await,
            Ok(None) => finding(Outcome::NotRedirected, Some(local), None),
            Err(reason) => finding(Outcome::Failed, Some(local), Some(reason)),
        },
    };
    if matches!(found.outcome, Outcome::Open | Outcome::Accepted) {
        tokio::spawn(async move {
            sleep(hold.min(HOLD_MAX)).await;
            drop(stream);
        });
    }
    found
}

/// Asks the kernel by which address the proxy knows a connection of the pod, if it was redirected at all.
async fn address_at_proxy(pod: &Pod, local: SocketAddr, target: SocketAddr) -> Result<Option<SocketAddr>, String> {
    let netns = pod.netns.clone();
    let asked = tokio::task::spawn_blocking(move || redirect::address_at_proxy(&netns, local, target));
    asked.await.map_err(|_| "stopping".to_owned())?.map_err(|error| chain(&error))
}

fn live(pod: &Pod, source: SocketAddr) -> Option<Shown> {
    pod.outbound.all().into_iter().find(|live| live.source == source).map(|live| live.shown())
}

/// Connects to a target; returns the connection's own address as well. Where the proxy refuses faster than the connection is known to be
/// there, it ends without an address by which to find the reason: then the next one is to tell.
async fn connect(pod: &Pod, target: SocketAddr, mark: Option<u32>) -> io::Result<(TcpStream, SocketAddr)> {
    for _ in 1..ATTEMPTS {
        match connect_once(pod, target, mark).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            done => return done,
        }
    }
    connect_once(pod, target, mark).await
}

async fn connect_once(pod: &Pod, target: SocketAddr, mark: Option<u32>) -> io::Result<(TcpStream, SocketAddr)> {
    let options = ConnectOptions { mark, nodelay: true, ..ConnectOptions::default() };
    let socket = sockets::tcp_socket(Some(&pod.netns), Family::from(target), &options).map_err(io::Error::other)?;
    let late = || io::Error::from(io::ErrorKind::TimedOut);
    let stream = timeout(OPEN_WITHIN, sockets::connect(socket, target)).await.unwrap_or_else(|_| Err(late()))?;
    let source = stream.local_addr()?;
    Ok((stream, SocketAddr::new(source.ip().to_canonical(), source.port())))
}

/// Waits until the proxy lists the probe as open, or resets it.
async fn listed(pod: &Arc<Pod>, stream: &TcpStream, source: SocketAddr, target: SocketAddr) -> Finding {
    let begun = Instant::now();
    let (outcome, reason, connection) = loop {
        if let Some(shown) = live(pod, source) {
            break (Outcome::Open, None, Some(shown));
        }
        if let Ok(reason) = timeout(LOOK, ended(stream)).await {
            let told = pod.refusals.of(source).unwrap_or(reason);
            break (Outcome::Refused, Some(told), None);
        }
        if begun.elapsed() > OPEN_WITHIN {
            break (Outcome::Failed, Some("the proxy did not open the connection in time".to_owned()), None);
        }
    };
    Finding { way: Way::Mesh, outcome, source: Some(source), target, reason, connection }
}

/// Waits for the end of a connection and says what it was; bytes of a server that speaks first are passed over.
async fn ended(stream: &TcpStream) -> String {
    let mut buffer = [0; 1024];
    loop {
        if let Err(error) = stream.ready(Interest::READABLE).await {
            return error.to_string();
        }
        match stream.try_read(&mut buffer) {
            Ok(0) => return "closed by the other side".to_owned(),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return error.to_string(),
        }
    }
}

/// Tells what the policies of a pod say to a client in the clear that asks for one of its ports.
pub async fn plaintext_decision(pod: &Arc<Pod>, source: std::net::IpAddr, port: u16) -> Option<model::Decision> {
    let workload = pod.workload().await?;
    let destination = SocketAddr::new(*workload.addresses.first()?, port);
    Some(pod.shared.store.world().decide(&workload, &Peer { identity: None, source, destination }))
}
