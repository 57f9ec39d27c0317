//! Telling others of requests: spans and log entries go through bounded queues to their providers, in batches.
//!
//! A queue that is full, or a collector that does not answer, loses what it was to be told; that is counted, and no request
//! waits for it.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use model::{
    l7::telemetry::{Collector, Format, Line, Provider, ProviderKind},
    workload::Name,
};
use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::{
    collect::{self, Wire},
    otlp,
    span::{Span, zipkin},
};

/// How much a provider's queue holds.
const QUEUE: usize = 4096;
/// How much is told at once, and how long something may wait for more.
const BATCH: usize = 512;
const PAUSE: Duration = Duration::from_secs(1);
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// An entry of a log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When the request began.
    pub time: SystemTime,
    /// The trace and the span that it is of.
    pub trace: Option<(u128, u64)>,
    /// The line.
    pub line: String,
    /// What is said beside it.
    pub labels: Vec<(String, String)>,
}

/// What something is told of, as it was when it was lost.
type Lost = Family<[(&'static str, String); 1], Counter>;

/// A provider that is told.
#[derive(Debug)]
pub enum Sink {
    /// Of spans.
    Spans {
        /// Whether it is Zipkin, whose headers are its own.
        zipkin: bool,
        /// The queue.
        queue: mpsc::Sender<Span>,
    },
    /// Of entries.
    Log {
        /// What a line says.
        format: Format,
        /// What is said beside it.
        labels: BTreeMap<Name, Line>,
        /// The queue.
        queue: mpsc::Sender<Entry>,
    },
}

struct Running {
    provider: Provider,
    sink: Arc<Sink>,
}

/// All providers.
#[derive(Default)]
pub struct Exporters {
    running: ArcSwap<HashMap<Name, Running>>,
    tasks: TaskTracker,
    lost: Lost,
}

/// Opens connections to collectors.
pub trait Dial: Clone + Send + Sync + 'static {
    /// Opens one.
    fn dial(
        &self,
        collector: &Collector,
    ) -> impl Future<Output = io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static>> + Send;
}

impl Exporters {
    /// Makes them, without any, and registers what they count.
    pub fn new(registry: &mut Registry) -> Self {
        let all = Self::default();
        registry.register(
            "ambient_telemetry_lost",
            "Spans and log entries that a provider was not told",
            all.lost.clone(),
        );
        all
    }

    /// Tells whether there is a provider.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.running.load().contains_key(name)
    }

    /// Returns a provider.
    #[must_use]
    pub fn sink(&self, name: &str) -> Option<Arc<Sink>> {
        self.running.load().get(name).map(|running| running.sink.clone())
    }

    /// Tells a provider of a span.
    pub fn span(&self, name: &str, span: Span) {
        if let Some(Sink::Spans { queue, .. }) = self.sink(name).as_deref()
            && queue.try_send(span).is_err()
        {
            lose(&self.lost, name, 1);
        }
    }

    /// Tells a provider of an entry.
    pub fn entry(&self, name: &str, queue: &mpsc::Sender<Entry>, entry: Entry) {
        if queue.try_send(entry).is_err() {
            lose(&self.lost, name, 1);
        }
    }

    /// Takes in which providers there are; what is the same goes on, what is gone ends when its queue is empty. Called within
    /// the runtime that is to do the work.
    pub fn sync(&self, providers: &[Provider], service: &str, dial: &impl Dial) {
        let old = self.running.load();
        let mut new = HashMap::new();
        for provider in providers {
            let sink = match old.get(&provider.name).filter(|running| running.provider == *provider) {
                Some(running) => running.sink.clone(),
                None => Arc::new(self.start(provider, service, dial)),
            };
            new.insert(provider.name.clone(), Running { provider: provider.clone(), sink });
        }
        self.running.store(Arc::new(new));
    }

    /// Tells what is in the queues, for so long at most.
    pub async fn finish(&self, limit: Duration) {
        self.running.store(Arc::default());
        self.tasks.close();
        if timeout(limit, self.tasks.wait()).await.is_err() {
            warn!("not all providers of telemetry could be told before the end");
        }
    }

    fn start(&self, provider: &Provider, service: &str, dial: &impl Dial) -> Sink {
        let (name, service, lost) = (provider.name.clone(), service.to_owned(), self.lost.clone());
        let reach =
            |collector: &Collector| Reach { name: name.clone(), collector: collector.clone(), dial: dial.clone() };
        match &provider.kind {
            ProviderKind::OpenTelemetry(collector) => {
                let (queue, items) = mpsc::channel(QUEUE);
                let encode = move |batch: &[Span]| Wire::protobuf("trace", otlp::spans(&service, batch));
                self.tasks.spawn(run(items, reach(collector), encode, lost));
                Sink::Spans { zipkin: false, queue }
            }
            ProviderKind::Zipkin(collector) => {
                let (queue, items) = mpsc::channel(QUEUE);
                let encode = move |batch: &[Span]| Wire::json(zipkin(&service, batch));
                self.tasks.spawn(run(items, reach(collector), encode, lost));
                Sink::Spans { zipkin: true, queue }
            }
            ProviderKind::Records { collector, name: log, format, labels } => {
                let (queue, items) = mpsc::channel(QUEUE);
                let log = log.clone();
                let encode = move |batch: &[Entry]| Wire::protobuf("logs", otlp::records(&service, &log, batch));
                self.tasks.spawn(run(items, reach(collector), encode, lost));
                Sink::Log { format: format.clone(), labels: labels.clone(), queue }
            }
            ProviderKind::File { path, format } => {
                let (queue, items) = mpsc::channel(QUEUE);
                self.tasks.spawn(write(items, path.clone(), name, lost));
                Sink::Log { format: format.clone(), labels: BTreeMap::new(), queue }
            }
        }
    }
}

fn lose(lost: &Lost, name: &str, count: usize) {
    lost.get_or_create(&[("provider", name.to_owned())]).inc_by(count as u64);
}

/// How a provider is reached.
struct Reach<D> {
    name: Name,
    collector: Collector,
    dial: D,
}

/// Receives a batch; none when there is nobody left who could send.
async fn batch<T>(items: &mut mpsc::Receiver<T>) -> Option<Vec<T>> {
    let mut all = vec![items.recv().await?];
    let end = Instant::now() + PAUSE;
    while all.len() < BATCH {
        match timeout_at(end, items.recv()).await {
            Ok(Some(item)) => all.push(item),
            Ok(None) | Err(_) => break,
        }
    }
    Some(all)
}

/// Tells a collector, batch by batch.
async fn run<T: Send>(
    mut items: mpsc::Receiver<T>,
    reach: Reach<impl Dial>,
    encode: impl Fn(&[T]) -> Wire + Send,
    lost: Lost,
) {
    let mut well = true;
    while let Some(all) = batch(&mut items).await {
        let wire = encode(&all);
        let told = async {
            let io = reach.dial.dial(&reach.collector).await?;
            collect::tell(io, &reach.collector, wire).await
        };
        let outcome = timeout(PATIENCE, told).await.unwrap_or(Err(collect::Error::Slow(PATIENCE)));
        let Err(error) = outcome else {
            well = true;
            continue;
        };
        lose(&lost, &reach.name, all.len());
        let (provider, error) = (&*reach.name, runtime::error::chain(&error));
        // Once until it is well again: a collector that is away would fill the log.
        if std::mem::take(&mut well) {
            warn!(provider, lost = all.len(), %error, "a provider of telemetry cannot be told");
        } else {
            debug!(provider, lost = all.len(), %error, "a provider of telemetry cannot be told");
        }
    }
}

/// Writes lines to a file, batch by batch; it is opened anew for each, so that it may be moved away.
async fn write(mut items: mpsc::Receiver<Entry>, path: Name, name: Name, lost: Lost) {
    let mut well = true;
    while let Some(all) = batch(&mut items).await {
        let lines: String = all.iter().map(|entry| entry.line.as_str()).collect();
        let written = async {
            let mut file = tokio::fs::OpenOptions::new().append(true).create(true).open(&*path).await?;
            file.write_all(lines.as_bytes()).await?;
            file.flush().await
        };
        let outcome = timeout(PATIENCE, written).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if let Err(error) = outcome {
            lose(&lost, &name, all.len());
            if std::mem::take(&mut well) {
                warn!(provider = &*name, path = &*path, %error, "a log cannot be written");
            }
        } else {
            well = true;
        }
    }
}

#[cfg(test)]
pub(in crate::telemetry) mod tests;
