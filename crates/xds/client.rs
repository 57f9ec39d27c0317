//! The client of delta discovery: keeps a `World`, and of a waypoint what it does at layer 7, as the control plane tells it, and
//! the last one when it is silent.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use model::{
    World,
    l7::{self, state::State},
    workload::ServiceKey,
};
use prost::Message;
use runtime::{Drain, Readiness, error::with_causes};
use tokio::{sync::mpsc, sync::watch, time::sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming, metadata::AsciiMetadataValue, transport::Channel};
use tracing::{debug, info, warn};

use crate::{
    ADDRESS_TYPE, AUTHORIZATION_TYPE, L7_TYPE,
    convert::{Invalid, policy_from_wire, service_from_wire, workload_from_wire},
    proto::{
        discovery::{
            DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, Resource,
            aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
        rpc, security, workload,
    },
};

/// The task of readiness that the first full answer completes.
pub const READY: &str = "discovery";
/// What a node proxy subscribes to. Policies first: a workload must not be served before the policies it names are known.
pub const OF_ZTUNNEL: &[&str] = &[AUTHORIZATION_TYPE, ADDRESS_TYPE];
/// What a waypoint subscribes to: what it does with requests first, then the services that it does it for, and what their
/// workloads refuse, since their own proxies no longer see who asks.
pub const OF_WAYPOINT: &[&str] = &[L7_TYPE, AUTHORIZATION_TYPE, ADDRESS_TYPE];
/// The largest answer that is accepted, bytes.
const MAX_MESSAGE: usize = 200 << 20;
/// The first and the longest pause between attempts.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(15));

/// What this process knows: immutable snapshots for readers, replaced as a whole. Copies share it.
#[derive(Clone)]
pub struct Store {
    world: Arc<ArcSwap<World>>,
    l7: Arc<ArcSwap<State>>,
    writer: Arc<Mutex<()>>,
    changed: watch::Sender<u64>,
}

impl Default for Store {
    fn default() -> Self {
        Self { world: Arc::default(), l7: Arc::default(), writer: Arc::default(), changed: watch::Sender::new(0) }
    }
}

impl Store {
    /// Returns the world as it is now.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// Returns what a waypoint does at layer 7, as it is now.
    #[must_use]
    pub fn l7(&self) -> Arc<State> {
        self.l7.load_full()
    }

    /// Returns a receiver that is told of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Changes the world; readers see all of the change or nothing.
    pub fn update(&self, change: impl FnOnce(&mut World)) {
        self.replace(&self.world, change);
    }

    /// Changes what a waypoint does at layer 7; readers see all of the change or nothing.
    pub fn update_l7(&self, change: impl FnOnce(&mut State)) {
        self.replace(&self.l7, |state| {
            change(state);
            state.prepare();
        });
    }

    fn replace<T: Clone>(&self, held: &ArcSwap<T>, change: impl FnOnce(&mut T)) {
        let guard = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = T::clone(&held.load());
        change(&mut new);
        held.store(Arc::new(new));
        drop(guard);
        self.changed.send_modify(|version| *version += 1);
    }
}

enum Change {
    Workload(model::Workload),
    Service(model::Service),
    Policy(model::Policy),
    L7(Box<l7::Resource>),
}

/// What one type's subscription knows: the versions that were accepted, to be told on reconnecting.
#[derive(Default)]
struct Subscription {
    versions: HashMap<String, String>,
}

type Subscriptions = HashMap<&'static str, Subscription>;

/// Subscribes to types and follows the control plane until the stop. `bearer` is asked for a token at every attempt.
///
/// Types are asked for, and so answered first, in their order. It is ready when all of them were answered.
pub async fn run<B, F, E>(
    node: Node,
    channel: Channel,
    types: &'static [&'static str],
    bearer: B,
    store: Store,
    readiness: Readiness,
    drain: Drain,
) where
    B: Fn() -> F,
    F: Future<Output = Result<String, E>>,
    E: std::fmt::Display,
{
    let mut subscriptions: Subscriptions = types.iter().map(|t| (*t, Subscription::default())).collect();
    let mut pause = BACKOFF.0;
    loop {
        let attempt = async {
            let token = bearer().await.map_err(|e| Status::unauthenticated(format!("no token: {e}")))?;
            let mut answers = open(&node, channel.clone(), &token, types, &subscriptions).await?;
            follow(&mut answers, types, &mut subscriptions, &store, &readiness, &mut pause).await
        };
        tokio::select! {
            () = drain.draining() => return,
            outcome = attempt => match outcome {
                Ok(()) => debug!("discovery stream ended"),
                Err(status) => warn!(code = ?status.code(), error = with_causes(status.message().to_owned(), &status), retry_in = ?pause, "discovery stream failed"),
            },
        }
        tokio::select! { () = drain.draining() => return, () = sleep(pause) => {} }
        pause = (pause * 2).min(BACKOFF.1);
    }
}

/// The two directions of a stream.
struct Open {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    answers: Streaming<DeltaDiscoveryResponse>,
}

async fn open(
    node: &Node,
    channel: Channel,
    token: &str,
    types: &[&'static str],
    subscriptions: &Subscriptions,
) -> Result<Open, Status> {
    let (requests, outgoing) = mpsc::channel(16);
    for (index, type_url) in types.iter().enumerate() {
        let versions = subscriptions.get(type_url).map(|s| s.versions.clone()).unwrap_or_default();
        let request = DeltaDiscoveryRequest {
            node: (index == 0).then(|| node.clone()),
            type_url: (*type_url).to_owned(),
            resource_names_subscribe: vec!["*".to_owned()],
            initial_resource_versions: versions,
            ..Default::default()
        };
        requests.send(request).await.map_err(|_| Status::internal("the request queue is closed"))?;
    }
    let mut request = Request::new(ReceiverStream::new(outgoing));
    let token =
        AsciiMetadataValue::try_from(token).map_err(|_| Status::unauthenticated("the token is no header value"))?;
    request.metadata_mut().insert("authorization", token);
    let mut client = AggregatedDiscoveryServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
    let opening = tokio::time::timeout(Duration::from_secs(10), client.delta_aggregated_resources(request));
    let answers = opening.await.map_err(|_| Status::deadline_exceeded("no answer within 10 s"))??.into_inner();
    Ok(Open { requests, answers })
}

async fn follow(
    stream: &mut Open,
    types: &[&'static str],
    subscriptions: &mut Subscriptions,
    store: &Store,
    readiness: &Readiness,
    pause: &mut Duration,
) -> Result<(), Status> {
    let mut pending = types.to_vec();
    while let Some(answer) = stream.answers.message().await? {
        *pause = BACKOFF.0;
        let ack = apply(answer, subscriptions, store);
        pending.retain(|t| *t != ack.type_url);
        stream.requests.send(ack).await.map_err(|_| Status::cancelled("the stream is closed"))?;
        if pending.is_empty() && readiness.missing().contains(&READY) {
            let world = store.world();
            info!(
                workloads = world.workloads.len(),
                services = world.services.len(),
                policies = world.policies.len(),
                l7 = store.l7().len(),
                "discovery complete"
            );
            readiness.done(READY);
        }
    }
    Ok(())
}

/// Applies what is valid of an answer and says which resources are not, and why.
fn apply(answer: DeltaDiscoveryResponse, subscriptions: &mut Subscriptions, store: &Store) -> DeltaDiscoveryRequest {
    let mut ack =
        DeltaDiscoveryRequest { type_url: answer.type_url.clone(), response_nonce: answer.nonce, ..Default::default() };
    let Some(subscription) = subscriptions.get_mut(&*answer.type_url) else {
        // Of a type that was never asked for: nothing to apply, nothing to refuse.
        return ack;
    };
    let mut changes = Vec::with_capacity(answer.resources.len());
    let mut rejected = Vec::new();
    for resource in answer.resources {
        let (name, version) = (resource.name.clone(), resource.version.clone());
        match read(&answer.type_url, resource) {
            Ok(change) => {
                changes.push(change);
                subscription.versions.insert(name, version);
            }
            Err(error) => {
                warn!(resource = name, %error, "resource refused");
                rejected.push(format!("{name}: {error}"));
            }
        }
    }
    for name in &answer.removed_resources {
        subscription.versions.remove(name);
    }
    if answer.type_url == L7_TYPE {
        store.update_l7(|state| change_l7(state, &answer.removed_resources, changes));
    } else {
        let policies = answer.type_url == AUTHORIZATION_TYPE;
        store.update(|world| change_world(world, policies, &answer.removed_resources, changes));
    }
    if !rejected.is_empty() {
        // google.rpc.Code INVALID_ARGUMENT
        ack.error_detail = Some(rpc::Status { code: 3, message: rejected.join("; "), details: vec![] });
    }
    ack
}

fn change_world(world: &mut World, policies: bool, removed: &[String], changes: Vec<Change>) {
    for name in removed {
        if policies {
            world.remove_policy(name);
        } else if !world.remove_workload(name)
            && let Some(key) = ServiceKey::parse(name)
        {
            world.remove_service(&key);
        }
    }
    for change in changes {
        match change {
            Change::Workload(workload) => world.insert_workload(workload),
            Change::Service(service) => world.insert_service(service),
            Change::Policy(policy) => world.insert_policy(policy),
            Change::L7(_) => {}
        }
    }
}

fn change_l7(state: &mut State, removed: &[String], changes: Vec<Change>) {
    for name in removed {
        state.remove(name);
    }
    for change in changes {
        if let Change::L7(resource) = change {
            state.insert(*resource);
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("no resource in the answer")]
    Empty,
    #[error("not decodable: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error("not readable: {0}")]
    Read(#[from] serde_json::Error),
    #[error("it is {0}, and not what its name says")]
    Name(model::workload::Name),
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

fn read(type_url: &str, resource: Resource) -> Result<Change, ReadError> {
    let any = resource.resource.ok_or(ReadError::Empty)?;
    if type_url == L7_TYPE {
        let read: l7::Resource = serde_json::from_slice(&any.value)?;
        // By its name it is replaced and removed.
        return if *read.key() == *resource.name {
            Ok(Change::L7(Box::new(read)))
        } else {
            Err(ReadError::Name(read.key()))
        };
    }
    if type_url == AUTHORIZATION_TYPE {
        return Ok(Change::Policy(policy_from_wire(security::Authorization::decode(any.value)?)?));
    }
    match workload::Address::decode(any.value)?.r#type.ok_or(ReadError::Empty)? {
        workload::address::Type::Workload(w) => Ok(Change::Workload(workload_from_wire(w)?)),
        workload::address::Type::Service(s) => Ok(Change::Service(service_from_wire(s)?)),
    }
}
