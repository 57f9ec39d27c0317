//! The server of delta discovery: one store of encoded resources, shared by all clients, and per client only what it lacks.
//!
//! A client that is idle is told of a change at once; while an answer is under way, changes gather and go out as one.
//!
//! Every resource has an audience: what is not for a client does not exist for it. And changes keep their order over types: what
//! guards something comes before it and goes after it, so that no client sees the one without the other.

mod store;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures::Stream;
use runtime::Drain;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use tracing::{debug, info, warn};

pub use self::store::{Audience, Change, Reader, Resources};
use self::store::{Entry, TYPES, View};
use crate::proto::discovery::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, Resource,
    aggregated_discovery_service_server::AggregatedDiscoveryService,
};

/// How long a client may take to accept an answer.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a new client may take to say who it is.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// Lets clients in.
pub trait Admit: Send + Sync + 'static {
    /// Decides by a client's headers and the node of its first request, and finds out who it is.
    fn admit(&self, metadata: &MetadataMap, node: &Node) -> impl Future<Output = Result<Reader, Status>> + Send;
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
        let refused = |s: &Status| warn!(node = node.id, reason = s.message(), "client refused");
        let reader = self.admit.admit(&metadata, &node).await.inspect_err(refused)?;
        let (answers, outgoing) = mpsc::channel(16);
        let client = Client {
            node: node.id,
            reader,
            resources: self.resources.clone(),
            sequence: self.resources.changes(),
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
    // What the client has, and is to be told that it is gone.
    gone: BTreeSet<Arc<str>>,
}

struct Client {
    node: String,
    reader: Reader,
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
        let views = self.resources.look(|type_url| self.types.get(type_url).map(|s| s.told));
        let (mut found, mut held) = (Vec::new(), false);
        for view in views {
            let Some(subscription) = self.types.get_mut(view.type_url) else { continue };
            if subscription.under_way.is_none() {
                found.push((view.type_url, subscription.lacks(&view, &self.reader)));
            } else if view.changed.as_ref().is_none_or(|changed| !changed.is_empty()) {
                // What comes after it waits for it.
                held = true;
                break;
            }
        }
        // What is to be forgotten goes along where nothing that it may guard is sent after it.
        let news = |(type_url, lacking): &(&'static str, Vec<Resource>)| {
            !lacking.is_empty() || self.types.get(type_url).is_some_and(|s| !s.gone.is_empty())
        };
        let last = found.iter().rposition(news);
        for (at, (type_url, lacking)) in found.iter_mut().enumerate() {
            let forget = !held && last.is_none_or(|last| at >= last);
            if !self.answer(type_url, std::mem::take(lacking), forget).await {
                return false;
            }
        }
        for (type_url, _) in found.iter().rev().filter(|_| !held) {
            let idle = self.types.get(type_url).is_some_and(|s| s.under_way.is_none());
            if idle && !self.answer(type_url, vec![], true).await {
                return false;
            }
        }
        true
    }

    /// Sends an answer, if there is anything to say; tells whether the client is still there.
    async fn answer(&mut self, type_url: &'static str, resources: Vec<Resource>, forget: bool) -> bool {
        let Some(subscription) = self.types.get_mut(type_url) else { return true };
        let gone = if forget { std::mem::take(&mut subscription.gone) } else { BTreeSet::new() };
        gone.iter().for_each(|name| drop(subscription.has.remove(name)));
        if resources.is_empty() && gone.is_empty() && !subscription.owed {
            return true;
        }
        self.nonce += 1;
        let nonce = self.nonce.to_string();
        (subscription.owed, subscription.under_way) = (false, Some(nonce.clone()));
        debug!(node = self.node, r#type = type_url, changed = resources.len(), removed = gone.len(), "push");
        let answer = DeltaDiscoveryResponse {
            system_version_info: env!("CARGO_PKG_VERSION").to_owned(),
            resources,
            type_url: type_url.to_owned(),
            nonce,
            removed_resources: gone.iter().map(ToString::to_string).collect(),
        };
        if !matches!(tokio::time::timeout(SEND_TIMEOUT, self.answers.send(Ok(answer))).await, Ok(Ok(()))) {
            warn!(node = self.node, "client does not read, dropped");
            return false;
        }
        true
    }
}

impl Subscription {
    /// Finds what the client lacks and what it has too much, and counts it as told; the latter waits to be sent.
    fn lacks(&mut self, view: &View, reader: &Reader) -> Vec<Resource> {
        let wanted = |name: &str, entry: &Entry| {
            self.wildcard || self.names.contains(name) || entry.aliases.iter().any(|a| self.names.contains(a))
        };
        let visible = |name: &Arc<str>| view.entries.get(name).filter(|entry| entry.audience.has(reader));
        let lacking = |name: &Arc<str>| {
            let entry = visible(name).filter(|entry| wanted(name, entry))?;
            (self.has.get(name) != Some(&entry.version)).then(|| (name.clone(), entry.clone()))
        };
        let too_much = |name: &&Arc<str>| self.has.contains_key(*name) && visible(name).is_none();
        let (out, gone): (Vec<_>, Vec<Arc<str>>) = match &view.changed {
            Some(changed) => {
                (changed.iter().filter_map(lacking).collect(), changed.iter().filter(too_much).cloned().collect())
            }
            None => {
                let gone = self.has.keys().filter(too_much).cloned().collect();
                (view.entries.keys().filter_map(lacking).collect(), gone)
            }
        };
        // What is back before the client was told that it is gone is there still.
        self.gone.retain(|name| visible(name).is_none());
        self.gone.extend(gone);
        self.told = view.sequence;
        let resource = |(name, entry): (Arc<str>, Arc<Entry>)| {
            self.has.insert(name.clone(), entry.version.clone());
            Resource {
                version: entry.version.clone(),
                resource: Some(entry.any.clone()),
                name: name.to_string(),
                aliases: entry.aliases.clone(),
                ttl: None,
            }
        };
        out.into_iter().map(resource).collect()
    }
}

#[cfg(test)]
mod tests;
