//! The server of delta discovery: one store of encoded resources, shared by all clients, and per client only what it lacks.
//!
//! A client that is idle is told of a change at once; while an answer is under way, changes gather and go out as one.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::Stream;
use runtime::Drain;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use tracing::{debug, info, warn};

use crate::{
    ADDRESS_TYPE, AUTHORIZATION_TYPE, Any,
    proto::discovery::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, Resource,
        aggregated_discovery_service_server::AggregatedDiscoveryService,
    },
};

/// The types that are served, in the order in which changes go out: a policy before the workloads that name it.
const TYPES: [&str; 2] = [AUTHORIZATION_TYPE, ADDRESS_TYPE];
/// How many changes are remembered; a client that lags behind further is compared with the whole store.
const LOG: usize = 1 << 16;
/// How long a client may take to accept an answer.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a new client may take to say who it is.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// One resource: encoded once, shared by all clients.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    version: String,
    any: Any,
    aliases: Vec<String>,
}

/// One change of the store.
#[derive(Clone, Debug)]
pub struct Change {
    /// The type of the resource.
    pub type_url: &'static str,
    /// Its name.
    pub name: Arc<str>,
    /// The encoded resource; none when it is gone.
    pub value: Option<Bytes>,
    /// Other names that clients may ask for.
    pub aliases: Vec<String>,
}

#[derive(Default)]
struct OfType {
    entries: imbl::HashMap<Arc<str>, Arc<Entry>>,
    // Changed names with the sequence number of the change; older ones than `since` are forgotten.
    log: VecDeque<(u64, Arc<str>)>,
    forgotten: u64,
}

struct Shared {
    types: Mutex<HashMap<&'static str, OfType>>,
    sequence: watch::Sender<u64>,
    synced: AtomicBool,
}

/// All resources that are served. Copies share them.
#[derive(Clone)]
pub struct Resources(Arc<Shared>);

impl Default for Resources {
    fn default() -> Self {
        Self::new()
    }
}

impl Resources {
    /// Makes a store without resources, which is not served yet.
    #[must_use]
    pub fn new() -> Self {
        let types = TYPES.iter().map(|t| (*t, OfType::default())).collect();
        Self(Arc::new(Shared {
            types: Mutex::new(types),
            sequence: watch::Sender::new(0),
            synced: AtomicBool::new(false),
        }))
    }

    /// Takes changes in and tells all clients of what is really new.
    pub fn publish(&self, changes: Vec<Change>) {
        let mut types = self.0.types.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sequence = *self.0.sequence.borrow();
        for change in changes {
            let Some(of) = types.get_mut(change.type_url) else { continue };
            let new = change.value.map(|value| {
                let digest = Sha256::digest(&value);
                let version = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
                Entry { version, any: Any { type_url: change.type_url.to_owned(), value }, aliases: change.aliases }
            });
            let same = match (&new, of.entries.get(&change.name)) {
                (Some(new), Some(old)) => *new == **old,
                (None, None) => true,
                _ => false,
            };
            if same {
                continue;
            }
            sequence += 1;
            match new {
                Some(new) => drop(of.entries.insert(change.name.clone(), Arc::new(new))),
                None => drop(of.entries.remove(&change.name)),
            }
            of.log.push_back((sequence, change.name));
            if of.log.len() > LOG
                && let Some((gone, _)) = of.log.pop_front()
            {
                of.forgotten = gone;
            }
        }
        drop(types);
        // Only readers of a later number have something to do.
        self.0.sequence.send_if_modified(|current| std::mem::replace(current, sequence) != sequence);
    }

    /// Begins to serve.
    pub fn synced(&self) {
        self.0.synced.store(true, Ordering::Release);
    }

    /// Tells whether clients are served.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.0.synced.load(Ordering::Acquire)
    }
}

/// Lets clients in.
pub trait Admit: Send + Sync + 'static {
    /// Decides by a client's headers and the node of its first request.
    fn admit(&self, metadata: &MetadataMap, node: &Node) -> impl Future<Output = Result<(), Status>> + Send;
}

/// The discovery service.
pub struct Server<A> {
    resources: Resources,
    admit: Arc<A>,
    drain: Drain,
}

impl<A: Admit> Server<A> {
    /// Makes a service of a store; a stop ends its streams.
    pub fn new(resources: Resources, admit: A, drain: Drain) -> Self {
        Self { resources, admit: Arc::new(admit), drain }
    }
}

#[tonic::async_trait]
impl<A: Admit> AggregatedDiscoveryService for Server<A> {
    type DeltaAggregatedResourcesStream = Pin<Box<dyn Stream<Item = Result<DeltaDiscoveryResponse, Status>> + Send>>;

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        if !self.resources.is_synced() {
            return Err(Status::unavailable("server is not ready to serve discovery information"));
        }
        let (metadata, _, mut requests) = request.into_parts();
        let first = tokio::time::timeout(HELLO_TIMEOUT, requests.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no first request"))??;
        let first = first.ok_or_else(|| Status::invalid_argument("no first request"))?;
        let node = first.node.clone().ok_or_else(|| Status::invalid_argument("the first request names no node"))?;
        self.admit
            .admit(&metadata, &node)
            .await
            .inspect_err(|s| warn!(node = node.id, reason = s.message(), "client refused"))?;
        let (answers, outgoing) = mpsc::channel(16);
        let client = Client {
            node: node.id,
            resources: self.resources.clone(),
            sequence: self.resources.0.sequence.subscribe(),
            types: HashMap::new(),
            answers,
            nonce: 0,
        };
        let drain = self.drain.clone();
        self.drain.spawn(async move {
            tokio::select! { () = client.serve(first, requests) => {}, () = drain.draining() => {} }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }
}

/// What a client has of one type.
#[derive(Default)]
struct Subscription {
    wildcard: bool,
    names: HashSet<String>,
    // Names and versions that the client has, sharing the store's names.
    has: HashMap<Arc<str>, String>,
    // The sequence number up to which the client was told.
    told: u64,
    // The answer that the client has not accepted yet.
    under_way: Option<String>,
    // A subscription is always answered, be it with nothing.
    owed: bool,
}

struct Client {
    node: String,
    resources: Resources,
    sequence: watch::Receiver<u64>,
    types: HashMap<&'static str, Subscription>,
    answers: mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>,
    nonce: u64,
}

impl Client {
    async fn serve(mut self, first: DeltaDiscoveryRequest, mut requests: Streaming<DeltaDiscoveryRequest>) {
        info!(node = self.node, "discovery client connected");
        self.request(first);
        loop {
            if !self.push().await {
                break;
            }
            tokio::select! {
                request = requests.message() => match request {
                    Ok(Some(request)) => self.request(request),
                    Ok(None) => break,
                    Err(status) => {
                        debug!(node = self.node, reason = status.message(), "stream ended");
                        break;
                    }
                },
                changed = self.sequence.changed() => if changed.is_err() { break },
            }
        }
        info!(node = self.node, "discovery client left");
    }

    fn request(&mut self, request: DeltaDiscoveryRequest) {
        let Some(type_url) = TYPES.into_iter().find(|t| *t == request.type_url) else {
            debug!(node = self.node, r#type = request.type_url, "a type that is not served");
            return;
        };
        let fresh = !self.types.contains_key(type_url);
        let subscription = self.types.entry(type_url).or_default();
        if !request.response_nonce.is_empty() && subscription.under_way.as_ref() == Some(&request.response_nonce) {
            subscription.under_way = None;
            if let Some(error) = &request.error_detail {
                warn!(node = self.node, r#type = type_url, reason = error.message, "client refused resources");
            }
        }
        if fresh {
            // xDS: a first request that names nothing subscribes to everything.
            subscription.wildcard = request.resource_names_subscribe.is_empty();
            let known = request.initial_resource_versions.into_iter();
            subscription.has = known.map(|(name, version)| (name.into(), version)).collect();
            subscription.owed = true;
        }
        for name in request.resource_names_subscribe {
            subscription.owed = true;
            if name == "*" {
                subscription.wildcard = true;
            } else {
                subscription.names.insert(name);
            }
            // What is newly subscribed is not in the log: compare with the whole store.
            subscription.told = 0;
        }
        for name in request.resource_names_unsubscribe {
            if name == "*" {
                subscription.wildcard = false;
            } else {
                subscription.names.remove(&name);
            }
        }
    }

    /// Sends what each type lacks; tells whether the client is still there.
    async fn push(&mut self) -> bool {
        self.sequence.mark_unchanged();
        for type_url in TYPES {
            let Some(subscription) = self.types.get_mut(type_url).filter(|s| s.under_way.is_none()) else { continue };
            let (resources, removed) = subscription.lacks(type_url, &self.resources);
            if resources.is_empty() && removed.is_empty() && !subscription.owed {
                continue;
            }
            self.nonce += 1;
            let nonce = self.nonce.to_string();
            (subscription.owed, subscription.under_way) = (false, Some(nonce.clone()));
            debug!(node = self.node, r#type = type_url, changed = resources.len(), removed = removed.len(), "push");
            let answer = DeltaDiscoveryResponse {
                system_version_info: env!("CARGO_PKG_VERSION").to_owned(),
                resources,
                type_url: type_url.to_owned(),
                nonce,
                removed_resources: removed,
            };
            if !matches!(tokio::time::timeout(SEND_TIMEOUT, self.answers.send(Ok(answer))).await, Ok(Ok(()))) {
                warn!(node = self.node, "client does not read, dropped");
                return false;
            }
        }
        true
    }
}

impl Subscription {
    /// Finds what the client lacks and what it has too much, and counts it as told.
    fn lacks(&mut self, type_url: &'static str, resources: &Resources) -> (Vec<Resource>, Vec<String>) {
        // A copy of the persistent map: the lock is not held while the answer is made.
        let (entries, changed, sequence) = {
            let types = resources.0.types.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(of) = types.get(type_url) else { return (vec![], vec![]) };
            let sequence = *resources.0.sequence.borrow();
            let known = self.told > 0 && self.told >= of.forgotten;
            let changed: Option<HashSet<Arc<str>>> = known
                .then(|| of.log.iter().rev().take_while(|(s, _)| *s > self.told).map(|(_, n)| n.clone()).collect());
            (of.entries.clone(), changed, sequence)
        };
        let mut out = Vec::new();
        let mut removed = Vec::new();
        let wanted = |name: &str, entry: &Entry| {
            self.wildcard || self.names.contains(name) || entry.aliases.iter().any(|a| self.names.contains(a))
        };
        match changed {
            Some(changed) => {
                for name in changed {
                    match entries.get(&name) {
                        Some(entry) if wanted(&name, entry) && self.has.get(&name) != Some(&entry.version) => {
                            out.push((name, entry))
                        }
                        Some(_) => {}
                        None if self.has.remove(&name).is_some() => removed.push(name.to_string()),
                        None => {}
                    }
                }
            }
            None => {
                let lacking = entries.iter().filter(|(n, e)| wanted(n, e) && self.has.get(*n) != Some(&e.version));
                out.extend(lacking.map(|(n, e)| (n.clone(), e)));
                let gone: Vec<Arc<str>> = self.has.keys().filter(|n| !entries.contains_key(*n)).cloned().collect();
                for name in gone {
                    self.has.remove(&name);
                    removed.push(name.to_string());
                }
            }
        }
        // An empty store has sequence 0, which would mean that nothing was ever told.
        self.told = sequence.max(1);
        let resource = |(name, entry): (Arc<str>, &Arc<Entry>)| {
            self.has.insert(name.clone(), entry.version.clone());
            Resource {
                version: entry.version.clone(),
                resource: Some(entry.any.clone()),
                name: name.to_string(),
                aliases: entry.aliases.clone(),
                ttl: None,
            }
        };
        (out.into_iter().map(resource).collect(), removed)
    }
}
