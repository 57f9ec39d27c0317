//! One pod of the node, from enrolment to the last trace: a task that brings the kernel, ztunnel and
//! the annotation to what is desired, checks them all the time, and tries again what failed.
//!
//! ```text
//!            In                     Out                  no stream left
//! Outside ───────▶ Enrolled ─────────────────▶ Draining ───────────────▶ Outside
//!    ▲  (retry: Pending)  ▲                       │ In
//!    └── Gone: task ends  └───────────────────────┘
//! ```

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1 as core;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use net::netns::Netns;
use net::redirect::{self, Check};
use net::rules::Mode;
use net::zds::WorkloadInfo;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, info, warn};

use crate::config::Config;
use crate::discover::Discovery;
use crate::enrol::{Pod, REDIRECTION_ANNOTATION};
use crate::host::Host;
use crate::metrics::Metrics;
use crate::ztunnels::{self, Ztunnels};

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LAST: Duration = Duration::from_secs(10);
/// How often the streams of a draining pod are counted.
const COUNT_EVERY: Duration = Duration::from_millis(500);
/// How long streams have when the whole mesh leaves the node.
const LEAVE_MAX: Duration = Duration::from_secs(8);

/// A step that failed; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No process of the pod was found that holds its address.
    #[error("the pod's network namespace was not found")]
    NoNetns,
    /// The kernel refused.
    #[error(transparent)]
    Redirect(#[from] redirect::Error),
    /// ztunnel does not serve it.
    #[error(transparent)]
    Ztunnel(#[from] ztunnels::Error),
    /// The annotation could not be written.
    #[error("cannot write the annotation {REDIRECTION_ANNOTATION}")]
    Annotation(#[source] kube::Error),
}

/// What all pods' tasks share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Settings.
    pub config: Arc<Config>,
    /// For annotations; debug output of clients says nothing.
    pub api: Apis,
    /// Where pods are handed to.
    pub ztunnels: Ztunnels,
    /// Finds namespaces.
    pub discovery: Discovery,
    /// The node's side.
    pub host: Host,
    /// Counters.
    pub metrics: Metrics,
}

/// The API server.
#[derive(Clone)]
pub struct Apis(pub Client);

impl std::fmt::Debug for Apis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Apis")
    }
}

/// What a pod should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Desired {
    /// Enrolled.
    In {
        /// Incoming connections as well.
        inbound: bool,
    },
    /// Not enrolled, streams served to their end.
    Out,
    /// Not enrolled, soon: the mesh leaves the node. The task ends.
    Leave,
    /// The pod is gone. The task ends.
    Gone,
}

/// A sandbox that the plugin announced and that waits for the outcome.
#[derive(Debug)]
pub struct Sandbox {
    /// Its namespace.
    pub netns: Netns,
    /// Its addresses, which the API server does not know yet.
    pub ips: Vec<IpAddr>,
    /// Told when the pod may start, or why not.
    pub outcome: oneshot::Sender<Result<(), String>>,
}

/// The task's state.
#[derive(Debug)]
pub struct Task {
    shared: Shared,
    pod: Pod,
    netns: Option<Netns>,
    sandbox_ips: Vec<IpAddr>,
    /// ztunnel acknowledged it, in this namespace.
    served: bool,
    /// The rules that were written, or found.
    mode: Option<Mode>,
    draining_since: Option<Instant>,
    /// Whether somebody looked for rules of a predecessor.
    looked: bool,
    retry: Duration,
    counted: Option<&'static str>,
}

/// When to act again without being told.
enum Next {
    Never,
    In(Duration),
    Retry,
    End,
}

impl Task {
    /// Makes the state of a pod nobody has looked at; `netns` if it was found already.
    pub fn new(shared: Shared, pod: Pod, netns: Option<Netns>) -> Self {
        Self {
            shared,
            pod,
            netns,
            sandbox_ips: Vec::new(),
            served: false,
            mode: None,
            draining_since: None,
            looked: false,
            retry: RETRY_FIRST,
            counted: None,
        }
    }

    /// Runs until the pod is gone or nobody desires anything any more.
    pub async fn run(mut self, mut desired: watch::Receiver<(Pod, Desired)>, mut sandboxes: mpsc::Receiver<Sandbox>) {
        let mut arrivals = self.shared.ztunnels.arrivals();
        loop {
            let (pod, want) = desired.borrow_and_update().clone();
            self.pod = pod;
            let next = self.act(&want).await;
            let wait = match next {
                Next::End => break,
                Next::Never => None,
                Next::In(time) => {
                    self.retry = RETRY_FIRST;
                    Some(time)
                }
                Next::Retry => {
                    self.retry = (self.retry * 2).min(RETRY_LAST);
                    Some(self.retry)
                }
            };
            let pending = !self.served && matches!(want, Desired::In { .. });
            tokio::select! {
                changed = desired.changed() => if changed.is_err() { break },
                Some(sandbox) = sandboxes.recv() => self.start(sandbox, &desired).await,
                _ = arrivals.changed(), if pending => {}
                () = sleep(wait) => {}
            }
        }
        self.count(None);
    }

    async fn act(&mut self, want: &Desired) -> Next {
        let outcome = match want {
            Desired::In { inbound } => self.enrol(*inbound).await,
            Desired::Out => self.unenrol(self.shared.config.settle, self.shared.config.drain_max).await,
            Desired::Leave => self.unenrol(Duration::ZERO, LEAVE_MAX).await,
            Desired::Gone => self.forget().await,
        };
        let uid = &self.pod.uid;
        match outcome {
            Ok(next) => next,
            Err(e) if matches!(want, Desired::Gone) => {
                warn!(uid, error = %runtime::error::chain(&e), "cannot tidy up after a pod");
                Next::End
            }
            Err(e) => {
                self.shared.metrics.event("retry");
                let (name, namespace) = (&self.pod.name, &self.pod.namespace);
                warn!(uid, name, namespace, ?want, error = %runtime::error::chain(&e), "will try again");
                if matches!(want, Desired::In { .. }) {
                    self.count(Some("pending"));
                    if matches!(e, Error::Ztunnel(_))
                        && let Err(e) = self.annotate(Some("pending")).await
                    {
                        debug!(error = %runtime::error::chain(&e), "pending not written");
                    }
                }
                Next::Retry
            }
        }
    }

    /// A new sandbox of the pod: everything begins anew in its namespace.
    async fn start(&mut self, sandbox: Sandbox, desired: &watch::Receiver<(Pod, Desired)>) {
        let (pod, want) = desired.borrow().clone();
        self.pod = pod;
        self.netns = Some(sandbox.netns);
        self.sandbox_ips = sandbox.ips;
        (self.served, self.mode, self.draining_since, self.looked) = (false, None, None, true);
        let outcome = match want {
            Desired::In { inbound } => self.capture(inbound).await.map_err(|e| runtime::error::chain(&e)),
            // It was taken out while the plugin asked.
            _ => Ok(()),
        };
        // The plugin may have given up; the kubelet then asks again.
        let _ = sandbox.outcome.send(outcome);
    }

    async fn enrol(&mut self, inbound: bool) -> Result<Next, Error> {
        if self.netns.is_none() && self.pod.ips.is_empty() {
            // No sandbox yet: the plugin will announce it, or its address appear.
            return Ok(Next::Never);
        }
        self.capture(inbound).await?;
        // Last, as others (the control plane) take it as proof that all else is in place.
        self.annotate(Some("enabled")).await?;
        if let Some(netns) = self.netns.clone() {
            // What could not be counted is not told as none.
            let older = blocking(move || Ok(redirect::bypassing_streams(&netns)?.len())).await;
            let older =
                older.inspect_err(|error| debug!(name = self.pod.name, %error, "cannot count older connections"));
            self.shared.metrics.bypassing(&self.pod.namespace, &self.pod.name, older.ok());
        }
        Ok(Next::In(self.shared.config.verify_every))
    }

    /// Brings everything but the annotation into place.
    ///
    /// ztunnel first and the rules last: rules without listeners would refuse connections of a running
    /// pod. A pod that is just starting waits for the whole.
    async fn capture(&mut self, inbound: bool) -> Result<(), Error> {
        let netns = self.namespace().await.ok_or(Error::NoNetns)?;
        if !self.served {
            let info = info_of(&self.pod);
            self.shared.ztunnels.add(&self.pod.uid, info, netns.clone()).await?;
            self.served = true;
        }
        let ips = if self.pod.ips.is_empty() { &self.sandbox_ips } else { &self.pod.ips };
        self.shared.host.set(&self.pod.uid, ips.iter().copied().collect()).await?;
        let mode = Mode::Capture { inbound };
        let check = blocking(move || redirect::verify(&netns, mode)).await?;
        self.looked = true;
        let (name, namespace) = (&self.pod.name, &self.pod.namespace);
        match (check, self.mode == Some(mode)) {
            (Check::Repaired, true) => {
                self.shared.metrics.repaired.inc();
                warn!(name, namespace, "the redirection was lost and is restored");
            }
            (_, false) => {
                self.shared.metrics.event("add");
                info!(name, namespace, uid = self.pod.uid, "enrolled");
            }
            (Check::Intact, true) => {}
        }
        (self.mode, self.draining_since) = (Some(mode), None);
        self.count(Some("enrolled"));
        Ok(())
    }

    async fn unenrol(&mut self, settle: Duration, longest: Duration) -> Result<Next, Error> {
        let ending = longest == LEAVE_MAX;
        if !self.looked {
            // Rules that a predecessor of this process left.
            let netns = match self.pod.host_network {
                true => None,
                false => self.namespace().await,
            };
            if let Some(netns) = netns
                && blocking(move || redirect::is_present(&netns)).await?
            {
                self.mode = Some(Mode::Draining);
            }
            self.looked = true;
        }
        let (Some(netns), true) = (self.netns.clone(), self.mode.is_some()) else {
            self.release().await?;
            // An open descriptor would keep the namespace after the pod's end.
            self.netns = None;
            if !self.pod.finished {
                self.annotate(None).await.or_else(|e| if ending { Ok(()) } else { Err(e) })?;
            }
            return Ok(if ending { Next::End } else { Next::Never });
        };
        let ns = netns.clone();
        blocking(move || redirect::verify(&ns, Mode::Draining)).await?;
        self.mode = Some(Mode::Draining);
        self.count(Some("draining"));
        self.annotate(None).await.or_else(|e| if ending { Ok(()) } else { Err(e) })?;
        let Some(since) = self.draining_since else {
            // Peers still open tunnels to the pod until the control plane tells them.
            self.draining_since = Some(Instant::now());
            return Ok(Next::In(settle));
        };
        if since.elapsed() < settle {
            return Ok(Next::In(settle.saturating_sub(since.elapsed())));
        }
        let ns = netns.clone();
        // Where sockets cannot be listed the time decides alone.
        let streams = blocking(move || redirect::served_streams(&ns)).await.unwrap_or(1);
        if streams > 0 && since.elapsed() < longest {
            debug!(uid = self.pod.uid, streams, "draining");
            return Ok(Next::In(COUNT_EVERY));
        }
        self.release().await?;
        blocking(move || redirect::remove(&netns)).await?;
        info!(name = self.pod.name, namespace = self.pod.namespace, streams, "un-enrolled");
        self.shared.metrics.event("remove");
        (self.mode, self.draining_since, self.netns) = (None, None, None);
        Ok(if ending { Next::End } else { Next::Never })
    }

    /// Takes the pod from ztunnel and the node.
    async fn release(&mut self) -> Result<(), Error> {
        self.shared.ztunnels.del(&self.pod.uid).await;
        self.served = false;
        self.shared.host.set(&self.pod.uid, BTreeSet::new()).await?;
        self.count(None);
        Ok(())
    }

    async fn forget(&mut self) -> Result<Next, Error> {
        self.shared.ztunnels.del(&self.pod.uid).await;
        self.shared.host.set(&self.pod.uid, BTreeSet::new()).await?;
        self.shared.metrics.event("remove");
        Ok(Next::End)
    }

    async fn namespace(&mut self) -> Option<Netns> {
        if self.netns.is_none() {
            self.netns = find(&self.shared.discovery, &self.pod).await;
        }
        self.netns.clone()
    }

    /// Writes the annotation unless it is so already; a pod that is gone needs none.
    async fn annotate(&mut self, value: Option<&'static str>) -> Result<(), Error> {
        if self.pod.redirection.as_deref() == value {
            return Ok(());
        }
        let api: Api<core::Pod> = Api::namespaced(self.shared.api.0.clone(), &self.pod.namespace);
        let patch = serde_json::json!({
            "metadata": {
                // Guards against a successor of the same name.
                "uid": self.pod.uid,
                "annotations": { REDIRECTION_ANNOTATION: value },
            }
        });
        // Through the status: the right to patch pods themselves would be far too much for a node.
        let params = PatchParams::default();
        match api.patch_status(&self.pod.name, &params, &Patch::Merge(patch)).await {
            Ok(_) => {}
            Err(kube::Error::Api(e)) if e.code == 404 || e.code == 409 => {}
            Err(e) => return Err(Error::Annotation(e)),
        }
        self.pod.redirection = value.map(str::to_owned);
        Ok(())
    }

    fn count(&mut self, state: Option<&'static str>) {
        if self.counted != state {
            if state != Some("enrolled") {
                self.shared.metrics.bypassing(&self.pod.namespace, &self.pod.name, None);
            }
            self.shared.metrics.moved(self.counted, state);
            self.counted = state;
        }
    }
}

/// Looks for the pod's namespace among the node's processes.
pub async fn find(discovery: &Discovery, pod: &Pod) -> Option<Netns> {
    let (discovery, pod) = (discovery.clone(), pod.clone());
    let look = move || {
        let uids = [Some(&pod.uid), pod.mirror_uid.as_ref()];
        uids.into_iter().flatten().find_map(|uid| discovery.find(uid, &pod.ips))
    };
    tokio::task::spawn_blocking(look).await.ok().flatten()
}

/// What ztunnel is told of a pod.
pub fn info_of(pod: &Pod) -> WorkloadInfo {
    WorkloadInfo {
        name: pod.name.clone(),
        namespace: pod.namespace.clone(),
        service_account: pod.service_account.clone(),
    }
}

/// Netlink transactions take milliseconds; a burst of pods must not hold the workers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, redirect::Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => Ok(outcome?),
        // Only a shutting-down runtime does this.
        Err(_) => std::future::pending().await,
    }
}

async fn sleep(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
