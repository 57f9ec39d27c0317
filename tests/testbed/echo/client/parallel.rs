//! Many connections, all open at the same time.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use clap::Args;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinSet,
};

use super::{ClientError, Report, connect_any, line, millis, resolve};
use crate::wire::{Target, WHO};

/// The arguments of `parallel`.
#[derive(Args)]
pub struct ParallelArgs {
    /// HOST:PORT of our own TCP echo
    address: Target,
    /// How many connections
    #[arg(long, default_value_t = 1000)]
    count: usize,
}

#[derive(Default)]
struct Failures {
    kinds: BTreeMap<&'static str, usize>,
    example: Option<String>,
}

impl Failures {
    fn add(&mut self, error: &ClientError, report: &mut Report) {
        *self.kinds.entry(error.how()).or_default() += 1;
        self.example.get_or_insert_with(|| error.chain());
        report.set("errors", &self.kinds);
    }
}

/// Opens all, then exchanges on every one; succeeds if none failed.
pub async fn run(args: ParallelArgs, report: &mut Report) -> Result<bool, ClientError> {
    let addresses: Arc<[_]> = resolve(&args.address).await?.into();
    let mut failures = Failures::default();
    report.set("count", args.count);
    let started = Instant::now();
    let mut opening = JoinSet::new();
    for _ in 0..args.count {
        let addresses = Arc::clone(&addresses);
        opening.spawn(async move { connect_any(&addresses).await });
    }
    let mut open = Vec::with_capacity(args.count);
    while let Some(Ok(opened)) = opening.join_next().await {
        match opened {
            Ok(stream) => open.push(stream),
            Err(error) => failures.add(&error, report),
        }
        report.set("open", open.len());
    }
    report.set("open_ms", millis(started.elapsed()));
    let started = Instant::now();
    let exchanging = open.into_iter().enumerate().map(|(number, stream)| exchange(stream, number));
    let mut exchanging: JoinSet<_> = exchanging.collect();
    let mut servers: BTreeMap<String, usize> = BTreeMap::new();
    // Kept, so that none is closed before the last has exchanged.
    let mut kept = Vec::with_capacity(args.count);
    while let Some(Ok(exchanged)) = exchanging.join_next().await {
        match exchanged {
            Ok((stream, server)) => {
                kept.push(stream);
                *servers.entry(server).or_default() += 1;
            }
            Err(error) => failures.add(&error, report),
        }
        report.set("succeeded", kept.len());
        report.set("failed", args.count - kept.len());
        report.set("servers", &servers);
    }
    report.set("exchange_ms", millis(started.elapsed()));
    match failures.example {
        None => Ok(true),
        Some(example) => Err(ClientError::Unexpected(format!("{} failed: {example}", args.count - kept.len()))),
    }
}

async fn exchange(stream: TcpStream, number: usize) -> Result<(BufReader<TcpStream>, String), ClientError> {
    let mut stream = BufReader::with_capacity(1024, stream);
    let sent = format!("connection {number:08}\n");
    let request = format!("{WHO}{sent}");
    stream.write_all(request.as_bytes()).await.map_err(|e| ClientError::Io("sending", e))?;
    let greeting = line(&mut stream, "waiting for its greeting").await?;
    let greeting: Value = serde_json::from_str(&greeting).map_err(|_| ClientError::Unexpected(greeting))?;
    let mut received = vec![0; sent.len()];
    stream.read_exact(&mut received).await.map_err(|e| ClientError::Io("reading", e))?;
    if received != sent.as_bytes() {
        return Err(ClientError::Unexpected(format!("{:?} came back", String::from_utf8_lossy(&received))));
    }
    let server = greeting["name"].as_str().unwrap_or_default().to_owned();
    Ok((stream, server))
}
