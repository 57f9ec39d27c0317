//! The client of delta discovery: keeps a `World` as the control plane tells it, and the last one when it is silent.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use model::{World, workload::ServiceKey};
use prost::Message;
use runtime::{Drain, Readiness, error::with_causes};
use tokio::{sync::mpsc, sync::watch, time::sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, metadata::AsciiMetadataValue, transport::Channel};
use tracing::{debug, info, warn};

use crate::{
    ADDRESS_TYPE, AUTHORIZATION_TYPE,
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
/// The largest answer that is accepted, bytes.
const MAX_MESSAGE: usize = 200 << 20;
/// The first and the longest pause between attempts.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(15));

/// The world that this process knows: an immutable snapshot for readers, replaced as a whole. Copies share it.
#[derive(Clone)]
pub struct Store {
    world: Arc<ArcSwap<World>>,
    writer: Arc<Mutex<()>>,
    changed: watch::Sender<u64>,
}

impl Default for Store {
    fn default() -> Self {
        Self { world: Arc::default(), writer: Arc::default(), changed: watch::Sender::new(0) }
    }
}

impl Store {
    /// Returns the world as it is now.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// Returns a receiver that is told of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Changes the world; readers see all of the change or nothing.
    pub fn update(&self, change: impl FnOnce(&mut World)) {
        let guard = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut world = World::clone(&self.world.load());
        change(&mut world);
        self.world.store(Arc::new(world));
        drop(guard);
        self.changed.send_modify(|version| *version += 1);
    }
}

enum Change {
    Workload(model::Workload),
    Service(model::Service),
    Policy(model::Policy),
}

/// What one type's subscription knows: the versions that were accepted, to be told on reconnecting.
#[derive(Default)]
struct Subscription {
    versions: HashMap<String, String>,
}

/// Follows the control plane until the stop. `bearer` is asked for a token at every attempt.
pub async fn run<B, F, E>(node: Node, channel: Channel, bearer: B, store: Store, readiness: Readiness, drain: Drain)
where
    B: Fn() -> F,
    F: Future<Output = Result<String, E>>,
    E: std::fmt::Display,
{
    let mut subscriptions =
        HashMap::from([(AUTHORIZATION_TYPE, Subscription::default()), (ADDRESS_TYPE, Subscription::default())]);
    let mut pause = BACKOFF.0;
    loop {
        let attempt = async {
            let token = bearer().await.map_err(|e| Status::unauthenticated(format!("no token: {e}")))?;
            follow(&node, channel.clone(), &token, &mut subscriptions, &store, &readiness, &mut pause).await
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

async fn follow(
    node: &Node,
    channel: Channel,
    token: &str,
    subscriptions: &mut HashMap<&'static str, Subscription>,
    store: &Store,
    readiness: &Readiness,
    pause: &mut Duration,
) -> Result<(), Status> {
    let (requests, outgoing) = mpsc::channel(16);
    // Policies first: a workload must not be served before the policies it names are known.
    for (index, type_url) in [AUTHORIZATION_TYPE, ADDRESS_TYPE].into_iter().enumerate() {
        let versions = subscriptions.get(type_url).map(|s| s.versions.clone()).unwrap_or_default();
        let request = DeltaDiscoveryRequest {
            node: (index == 0).then(|| node.clone()),
            type_url: type_url.to_owned(),
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
    let mut answers = opening.await.map_err(|_| Status::deadline_exceeded("no answer within 10 s"))??.into_inner();
    let mut pending = vec![AUTHORIZATION_TYPE, ADDRESS_TYPE];
    while let Some(answer) = answers.message().await? {
        *pause = BACKOFF.0;
        let ack = apply(answer, subscriptions, store);
        pending.retain(|t| *t != ack.type_url);
        requests.send(ack).await.map_err(|_| Status::cancelled("the stream is closed"))?;
        if pending.is_empty() && readiness.missing().contains(&READY) {
            let world = store.world();
            info!(
                workloads = world.workloads.len(),
                services = world.services.len(),
                policies = world.policies.len(),
                "discovery complete"
            );
            readiness.done(READY);
        }
    }
    Ok(())
}

/// Applies what is valid of an answer and says which resources are not, and why.
fn apply(
    answer: DeltaDiscoveryResponse,
    subscriptions: &mut HashMap<&'static str, Subscription>,
    store: &Store,
) -> DeltaDiscoveryRequest {
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
    let authorization = answer.type_url == AUTHORIZATION_TYPE;
    store.update(|world| {
        for name in &answer.removed_resources {
            if authorization {
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
            }
        }
    });
    if !rejected.is_empty() {
        // google.rpc.Code INVALID_ARGUMENT
        ack.error_detail = Some(rpc::Status { code: 3, message: rejected.join("; "), details: vec![] });
    }
    ack
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("no resource in the answer")]
    Empty,
    #[error("not decodable: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

fn read(type_url: &str, resource: Resource) -> Result<Change, ReadError> {
    let any = resource.resource.ok_or(ReadError::Empty)?;
    if type_url == AUTHORIZATION_TYPE {
        return Ok(Change::Policy(policy_from_wire(security::Authorization::decode(any.value)?)?));
    }
    match workload::Address::decode(any.value)?.r#type.ok_or(ReadError::Empty)? {
        workload::address::Type::Workload(w) => Ok(Change::Workload(workload_from_wire(w)?)),
        workload::address::Type::Service(s) => Ok(Change::Service(service_from_wire(s)?)),
    }
}
