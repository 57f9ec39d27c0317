//! Streams held for a long time, and new connections opened beside them: what a change of the mesh must not disturb.

use std::{
    collections::BTreeMap,
    io::BufRead,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{ClientError, Report, connect_any, millis, resolve};
use crate::wire::Target;

/// What one exchange sends and expects back.
const BYTES: usize = 64;

/// The arguments of `stream`.
#[derive(Args)]
pub struct StreamArgs {
    /// HOST:PORT of a TCP echo
    address: Target,
    /// How many streams to hold
    #[arg(long, default_value_t = 20)]
    streams: usize,
    /// Milliseconds between two exchanges of a stream
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    every_ms: u64,
    /// How long
    #[arg(long, value_parser = crate::seconds)]
    seconds: Duration,
    /// HOST:PORT of a TCP echo to open new connections to
    #[arg(long, value_name = "ADDRESS")]
    connect: Option<Target>,
    /// Milliseconds between two new connections
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    connect_every_ms: u64,
}

/// What happened so far, shared by all tasks and locked for a few instructions at a time.
#[derive(Default)]
struct Counts {
    lost: Vec<Value>,
    errors: BTreeMap<&'static str, usize>,
    exchanges: u64,
    slowest_exchange: Duration,
    connects: u64,
    failed: u64,
    connect_errors: BTreeMap<&'static str, usize>,
    first_failure: Option<(f64, String)>,
    last_failure_ms: Option<f64>,
    slowest_connect: Duration,
}

/// What every task is given.
#[derive(Clone)]
struct Shared {
    counts: Arc<Mutex<Counts>>,
    stop: watch::Receiver<bool>,
    started: Instant,
    limit: Duration,
}

impl Shared {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> f64 {
        millis(self.started.elapsed())
    }

    async fn stopped(&mut self) {
        // An error means that the sender is gone, and that is the end as well.
        let _ = self.stop.wait_for(|stop| *stop).await;
    }
}

/// Holds the streams until told to stop; succeeds if none was lost and every new connection worked.
pub async fn run(args: StreamArgs, limit: Duration, report: &mut Report) -> Result<bool, ClientError> {
    let mut ends = Ends::new()?;
    let (stop, stopped) = watch::channel(false);
    let addresses = resolve(&args.address).await?;
    let beside = match &args.connect {
        Some(target) => Some(resolve(target).await?),
        None => None,
    };
    let shared = Shared { counts: Arc::default(), stop: stopped, started: Instant::now(), limit };
    let mut tasks = JoinSet::new();
    let open = open(&addresses, args.streams, &shared).await;
    eprintln!("open: {} of {} streams", open.len(), args.streams);
    for (number, stream) in open {
        tasks.spawn(hold(number, stream, Duration::from_millis(args.every_ms), shared.clone()));
    }
    if let Some(beside) = beside {
        tasks.spawn(connects(beside, Duration::from_millis(args.connect_every_ms), shared.clone()));
    }
    let ended = ends.wait(args.seconds, args.streams, &shared).await;
    let _ = stop.send(true);
    // Each of them ends after the exchange in hand, which has its own limit.
    while tasks.join_next().await.is_some() {}
    Ok(tell(&args, ended, &shared, report))
}

fn tell(args: &StreamArgs, ended: &str, shared: &Shared, report: &mut Report) -> bool {
    let counts = shared.counts();
    report.set("ended", ended);
    report.set("streams", args.streams);
    report.set("streams_lost", counts.lost.len());
    report.set("lost", &counts.lost);
    report.set("errors", &counts.errors);
    report.set("exchanges", counts.exchanges);
    report.set("slowest_exchange_ms", millis(counts.slowest_exchange));
    let (first_failure_ms, example) = counts.first_failure.clone().unzip();
    let connects = json!({
        "total": counts.connects, "failed": counts.failed, "errors": counts.connect_errors, "example": example,
        "slowest_ms": millis(counts.slowest_connect),
        "first_failure_ms": first_failure_ms, "last_failure_ms": counts.last_failure_ms,
    });
    report.set("connects", connects);
    counts.lost.is_empty() && counts.failed == 0
}

/// Opens all streams at once; those that do not open count as lost.
async fn open(addresses: &[SocketAddr], count: usize, shared: &Shared) -> Vec<(usize, TcpStream)> {
    let mut opening = JoinSet::new();
    for number in 0..count {
        let (addresses, limit) = (addresses.to_vec(), shared.limit);
        opening.spawn(async move {
            let opened = timeout(limit, connect_any(&addresses)).await;
            (number, opened.unwrap_or(Err(ClientError::Timeout(limit))))
        });
    }
    let mut open = Vec::new();
    while let Some(Ok((number, opened))) = opening.join_next().await {
        match opened {
            Ok(stream) => open.push((number, stream)),
            Err(error) => lose(number, &error, shared),
        }
    }
    open
}

fn lose(number: usize, error: &ClientError, shared: &Shared) {
    let at = shared.now_ms();
    let mut counts = shared.counts();
    *counts.errors.entry(error.how()).or_default() += 1;
    counts.lost.push(json!({ "stream": number, "at_ms": at, "how": error.how(), "error": error.chain() }));
}

async fn hold(number: usize, mut stream: TcpStream, every: Duration, mut shared: Shared) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in 0.. {
        tokio::select! {
            () = shared.stopped() => return,
            _ = ticks.tick() => {}
        }
        let started = Instant::now();
        match exchange(&mut stream, number as u64, round, shared.limit).await {
            Ok(()) => {
                let mut counts = shared.counts();
                counts.exchanges += 1;
                counts.slowest_exchange = counts.slowest_exchange.max(started.elapsed());
            }
            Err(error) => return lose(number, &error, &shared),
        }
    }
}

async fn connects(addresses: Vec<SocketAddr>, every: Duration, mut shared: Shared) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut running = JoinSet::new();
    for number in 0.. {
        tokio::select! {
            () = shared.stopped() => break,
            _ = ticks.tick() => {}
        }
        while running.try_join_next().is_some() {}
        running.spawn(connect_once(addresses.clone(), number, shared.clone()));
    }
    while running.join_next().await.is_some() {}
}

async fn connect_once(addresses: Vec<SocketAddr>, number: u64, shared: Shared) {
    let started = Instant::now();
    let opened = timeout(shared.limit, connect_any(&addresses)).await;
    let outcome = match opened.unwrap_or(Err(ClientError::Timeout(shared.limit))) {
        Ok(mut stream) => exchange(&mut stream, number, 0, shared.limit).await,
        Err(error) => Err(error),
    };
    let (took, at) = (started.elapsed(), shared.now_ms());
    let mut counts = shared.counts();
    counts.connects += 1;
    match outcome {
        Ok(()) => counts.slowest_connect = counts.slowest_connect.max(took),
        Err(error) => {
            counts.failed += 1;
            *counts.connect_errors.entry(error.how()).or_default() += 1;
            counts.first_failure.get_or_insert((at, error.chain()));
            counts.last_failure_ms = Some(at);
        }
    }
}

async fn exchange(stream: &mut TcpStream, stream_number: u64, round: u64, limit: Duration) -> Result<(), ClientError> {
    // Different each time, so that a late or doubled answer is not taken for the right one.
    let mut sent = [b'.'; BYTES];
    sent[..8].copy_from_slice(&stream_number.to_be_bytes());
    sent[8..16].copy_from_slice(&round.to_be_bytes());
    let mut received = [0; BYTES];
    let both = async {
        stream.write_all(&sent).await.map_err(|e| ClientError::Io("sending", e))?;
        stream.read_exact(&mut received).await.map_err(|e| ClientError::Io("reading", e))
    };
    timeout(limit, both).await.unwrap_or(Err(ClientError::Timeout(limit)))?;
    if sent == received { Ok(()) } else { Err(ClientError::Unexpected("another answer than what was sent".to_owned())) }
}

/// What ends the command.
struct Ends {
    term: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    stdin: mpsc::Receiver<()>,
}

impl Ends {
    fn new() -> Result<Self, ClientError> {
        let failed = |e| ClientError::Io("listening for signals", e);
        let (said, stdin) = mpsc::channel(1);
        // A thread of its own, since a read of stdin cannot be given up. The end of stdin is no order to stop.
        std::thread::spawn(move || {
            if std::io::stdin().lock().lines().map_while(Result::ok).any(|line| line.trim() == "stop") {
                let _ = said.blocking_send(());
            }
        });
        let term = signal(SignalKind::terminate()).map_err(failed)?;
        Ok(Self { term, interrupt: signal(SignalKind::interrupt()).map_err(failed)?, stdin })
    }

    /// Waits for the first of them and tells progress each second.
    async fn wait(&mut self, length: Duration, streams: usize, shared: &Shared) -> &'static str {
        let end = tokio::time::sleep(length);
        tokio::pin!(end);
        let mut ticks = interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                () = &mut end => return "time",
                _ = self.term.recv() => return "signal",
                _ = self.interrupt.recv() => return "signal",
                Some(()) = self.stdin.recv() => return "stop",
                _ = ticks.tick() => {}
            }
            let counts = shared.counts();
            let Counts { lost, exchanges, connects, failed, .. } = &*counts;
            let at = shared.started.elapsed().as_secs();
            let held = streams - lost.len();
            eprintln!(
                "{at} s: {held} of {streams} streams, {exchanges} exchanges, {failed} of {connects} connects failed"
            );
        }
    }
}
