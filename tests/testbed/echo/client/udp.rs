//! UDP: datagrams and their echoes.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use clap::Args;
use tokio::{net::UdpSocket, time::timeout};

use super::{ClientError, Report, json_or_text, millis, resolve};
use crate::wire::{self, Target, WHO};

/// After this time without an answer a datagram is sent again: it may be lost by right.
const AGAIN: Duration = Duration::from_millis(500);

/// The arguments of `udp`.
#[derive(Args)]
pub struct UdpArgs {
    /// HOST:PORT
    address: Target,
    /// What to send
    #[arg(long, default_value = "hello")]
    send: String,
    /// Datagrams, one after the other
    #[arg(long, default_value_t = 1)]
    count: u32,
}

/// Asks who serves, then sends each datagram until it comes back.
pub async fn run(args: UdpArgs, report: &mut Report) -> Result<bool, ClientError> {
    let failed = |doing| move |e| ClientError::Io(doing, e);
    let address = resolve(&args.address).await?[0];
    let any: SocketAddr =
        if address.is_ipv6() { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await.map_err(failed("opening a socket"))?;
    socket.connect(address).await.map_err(|e| ClientError::Connect(address, e))?;
    report.set("local", wire::plain(socket.local_addr().map_err(failed("reading the address"))?));
    report.set("remote", wire::plain(address));
    let mut resent = 0;
    let greeting = ask(&socket, WHO, |answer| answer.starts_with('{'), &mut resent).await?;
    report.set("server", json_or_text(&greeting));
    let mut slowest = Duration::ZERO;
    for number in 0..args.count {
        // The number tells a late answer to the datagram before from that to this one.
        let text = if number == 0 { args.send.clone() } else { format!("{} {number}", args.send) };
        let started = Instant::now();
        ask(&socket, &text, |answer| answer == text, &mut resent).await?;
        slowest = slowest.max(started.elapsed());
        report.set("answered", number + 1);
        report.set("resent", resent);
        report.set("slowest_ms", millis(slowest));
    }
    Ok(true)
}

async fn ask(
    socket: &UdpSocket,
    text: &str,
    fits: impl Fn(&str) -> bool,
    resent: &mut u32,
) -> Result<String, ClientError> {
    let mut buffer = vec![0; 65536];
    loop {
        socket.send(text.as_bytes()).await.map_err(|e| ClientError::Io("sending", e))?;
        let answer = timeout(AGAIN, async {
            loop {
                let count = socket.recv(&mut buffer).await?;
                let answer = String::from_utf8_lossy(&buffer[..count]).into_owned();
                if fits(&answer) {
                    return Ok(answer);
                }
            }
        });
        match answer.await {
            Ok(received) => return received.map_err(|e| ClientError::Io("receiving", e)),
            Err(_) => *resent += 1,
        }
    }
}
