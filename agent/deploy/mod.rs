//! Deploys what runs waypoints: for each Gateway of our class the objects that it needs, and keeps them so.
//!
//! Replicas of the control plane need no leader: all render the same, and what one has applied the others leave alone. An object
//! carries from what it was rendered. What another rendered, of another version or with other settings, is replaced when this process
//! starts, when the gateway changes, and now and then, but never in answer to that other: so two that differ take turns by the
//! minute, and not as fast as they can.

mod apply;
mod live;
mod objects;
mod overlays;
mod parameters;
mod queue;
pub mod sizes;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kube::Client;
use serde_json::Value;
use source::{
    Change, Kind, Object,
    object::{Custom, ObjectKey},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use tracing::{debug, warn};

use self::{
    apply::Refusal,
    live::Live,
    objects::{Input, Wanted},
    parameters::{Parameters, every_gateway},
    queue::Queue,
};
use crate::{
    config::Waypoints,
    gateway::{self, CLASS, Names},
    scale::{Registrar, Scale},
};

pub use self::objects::MANAGED_BY;

/// Who writes, for server-side apply.
const WRITER: &str = gateway::CONTROLLER;
/// How often every gateway is looked at without being asked to.
const RESYNC: Duration = Duration::from_secs(300);
/// How long an answer to a change waits, at most: a part of it by chance, so that not all replicas are first.
const GATHER: Duration = Duration::from_millis(200);
/// First and longest pause before what failed is tried again.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(120));

/// Why the objects of a gateway are not as they should be; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The word for it in the status.
    pub reason: &'static str,
    /// A sentence, with what would be right.
    pub message: String,
    /// Whether it lies in what was written for the gateway, which is not accepted then.
    pub is_written: bool,
}

impl Problem {
    fn invalid(message: String) -> Self {
        Self { reason: "Invalid", message, is_written: true }
    }

    fn parameters(message: String) -> Self {
        Self { reason: "InvalidParameters", message, is_written: true }
    }

    fn internal(message: String) -> Self {
        Self { reason: "Invalid", message, is_written: false }
    }

    /// Says that nothing can be deployed at all.
    #[must_use]
    pub fn no_image() -> Self {
        Self::internal("the control plane was not told of which image waypoints are (WAYPOINT_IMAGE)".to_owned())
    }
}

/// What became of the objects of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// The gateway.
    pub key: ObjectKey,
    /// Its unique name.
    pub uid: String,
    /// What is wrong, if anything is.
    pub problem: Option<Problem>,
}

#[derive(Default)]
struct Known {
    gateways: HashMap<ObjectKey, Custom>,
    classes: HashMap<String, Custom>,
}

/// What the deployer is told of. Copies share it.
#[derive(Clone, Default)]
pub struct Inbox {
    known: Arc<Mutex<Known>>,
    queue: Queue,
}

impl Inbox {
    /// Takes a change of the source in.
    pub fn hear(&self, change: &Change) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            Change::Apply(Object::Custom(Kind::Gateway, gateway)) => {
                let old = known.gateways.insert(gateway.key.clone(), gateway.clone());
                // Statuses are written by ourselves.
                let concerns = |g: &Custom| (g.uid.clone(), g.deleting, g.spec.clone(), g.annotations.clone());
                if old.as_ref().map(concerns) != Some(concerns(gateway)) {
                    self.queue.add(&gateway.key);
                }
            }
            Change::Delete(Kind::Gateway, key) => {
                known.gateways.remove(key);
                self.queue.add(key);
            }
            Change::Apply(Object::Custom(Kind::GatewayClass, class)) => {
                let old = known.classes.insert(class.key.name.clone(), class.clone());
                if old.map(|old| old.spec) != Some(class.spec.clone()) {
                    self.queue.extend(known.gateways.keys());
                }
            }
            Change::Delete(Kind::GatewayClass, key) => {
                known.classes.remove(&key.name);
                if key.name == CLASS {
                    self.queue.add(&class_key());
                }
            }
            Change::Served(Kind::GatewayClass, _) => self.queue.add(&class_key()),
            _ => {}
        }
    }

    fn all(&self) -> Vec<ObjectKey> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).gateways.keys().cloned().collect()
    }

    fn find(&self, key: &ObjectKey) -> Option<(Custom, Option<Custom>)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let gateway = known.gateways.get(key)?.clone();
        let class = gateway.spec.get("gatewayClassName").and_then(Value::as_str);
        let class = class.and_then(|name| known.classes.get(name)).cloned();
        Some((gateway, class))
    }
}

/// Stands in the queue for the class of waypoints itself: no gateway has an empty namespace.
fn class_key() -> ObjectKey {
    ObjectKey { namespace: String::new(), name: CLASS.to_owned() }
}

/// Deploys for ever.
pub struct Deployer {
    client: Client,
    settings: Waypoints,
    registrar: Registrar,
    inbox: Inbox,
    live: Live,
    parameters: Parameters,
    outcomes: mpsc::Sender<Deployed>,
    /// What was rendered last of each gateway, by its hashes.
    rendered: HashMap<ObjectKey, Vec<String>>,
    /// The pause after the last failure of each.
    pauses: HashMap<ObjectKey, Duration>,
}

impl Deployer {
    /// Makes one, which tells what becomes of each gateway. Only within a runtime.
    #[must_use]
    pub fn new(
        client: Client,
        settings: Waypoints,
        scale: Scale,
        inbox: Inbox,
        outcomes: mpsc::Sender<Deployed>,
    ) -> Self {
        let live = Live::watch(&client, &inbox.queue);
        let parameters = Parameters::watch(&client, &settings.namespace, &inbox.queue);
        Self {
            client,
            settings,
            registrar: Registrar::new(scale),
            inbox,
            live,
            parameters,
            outcomes,
            rendered: HashMap::new(),
            pauses: HashMap::new(),
        }
    }

    /// Runs for as long as somebody wants to know what becomes of it.
    pub async fn run(mut self) {
        self.live.complete().await;
        self.parameters.complete().await;
        let mut resync = Instant::now() + RESYNC;
        while !self.outcomes.is_closed() {
            let next = timeout_at(resync, self.inbox.queue.next()).await;
            let Ok(key) = next else {
                // What others rendered meanwhile is ours to replace again.
                self.rendered.clear();
                self.inbox.queue.extend(self.inbox.all().iter());
                resync = Instant::now() + RESYNC.mul_f64(rand::random_range(0.8..1.2));
                continue;
            };
            if key == every_gateway() {
                self.inbox.queue.extend(self.inbox.all().iter());
                continue;
            }
            if key == class_key() {
                if let Err(refusal) = apply::make_class(&self.client).await {
                    self.retry(&key, &refusal);
                }
                continue;
            }
            self.look(&key).await;
        }
    }

    /// Brings the objects of a gateway about, and tells what became of them.
    async fn look(&mut self, key: &ObjectKey) {
        let gateway = self.inbox.find(key).filter(|(gateway, _)| !gateway.deleting);
        let Some((gateway, class)) = gateway else {
            // The garbage collector of Kubernetes takes what belonged to it.
            self.forget(key);
            return;
        };
        let names = Names { domain: "", network: "" };
        let ours = gateway::read(&gateway, class.as_ref(), names).filter(|waypoint| waypoint.deployed);
        let Some(waypoint) = ours else {
            self.forget(key);
            return;
        };
        if waypoint.faults.iter().any(|fault| fault.blocks) {
            // The status says so from the gateway alone.
            return;
        }
        let problem = match self.bring_about(&gateway).await {
            Ok(()) => {
                self.pauses.remove(key);
                None
            }
            Err(Refusal::Problem(problem)) => Some(problem),
            Err(refusal) => {
                self.retry(key, &refusal);
                match refusal {
                    Refusal::Refused(message) => Some(Problem { reason: "Invalid", message, is_written: false }),
                    _ => return,
                }
            }
        };
        if let Some(problem) = &problem {
            warn!(namespace = key.namespace, gateway = key.name, reason = problem.message, "nothing is deployed");
        }
        let deployed = Deployed { key: key.clone(), uid: gateway.uid, problem };
        // Whoever is gone asks no more.
        let _ = self.outcomes.send(deployed).await;
    }

    async fn bring_about(&mut self, gateway: &Custom) -> Result<(), Refusal> {
        let Some(overlays) = self.parameters.of(gateway)? else {
            debug!(gateway = gateway.key.name, "waits for its parameters");
            return Ok(());
        };
        let input = Input { gateway, settings: &self.settings, overlays: &overlays };
        let wanted = objects::render(&input)?;
        let hashes: Vec<String> = wanted.iter().map(|w| w.hash.clone()).collect();
        let before = self.rendered.get(&gateway.key);
        let (first, new) = (before.is_none(), before != Some(&hashes));
        let mut plan = self.live.plan(gateway, &wanted, first, new);
        if !plan.is_empty() && !first {
            // Perhaps another replica is faster.
            sleep(rand::random_range(GATHER / 10..GATHER)).await;
            plan = self.live.plan(gateway, &wanted, first, new);
        }
        if !plan.is_empty() {
            apply::carry_out(&self.client, gateway, &plan, &mut self.live).await?;
        }
        self.rendered.insert(gateway.key.clone(), hashes);
        // Last: a waypoint that nobody scales is better than none.
        if wanted.iter().any(Wanted::asks_for_requests) {
            self.registrar.ensure().await?;
        }
        Ok(())
    }

    fn forget(&mut self, key: &ObjectKey) {
        self.rendered.remove(key);
        self.pauses.remove(key);
        self.parameters.forget(key);
    }

    fn retry(&mut self, key: &ObjectKey, refusal: &Refusal) {
        let pause = self.pauses.get(key).map_or(AGAIN.0, |pause| (*pause * 2).min(AGAIN.1));
        self.pauses.insert(key.clone(), pause);
        // What the API refuses is told once, with what it means.
        if matches!(refusal, Refusal::Refused(_)) {
            debug!(namespace = key.namespace, name = key.name, ?pause, "trying again");
        } else {
            warn!(namespace = key.namespace, name = key.name, %refusal, ?pause, "trying again");
        }
        self.inbox.queue.add_later(key, Instant::now() + pause);
    }
}

#[cfg(test)]
mod tests;
