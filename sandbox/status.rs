//! The status of a pod, as Kubernetes writes it, from the states of its containers.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use k8s_openapi::{api::core::v1 as core, jiff::Timestamp};
use serde_json::{Value, json};

use crate::{
    host::Node,
    spec::{Container, Restart},
};

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not yet, or not for now.
    Waiting {
        /// One word.
        reason: &'static str,
        /// A sentence.
        message: String,
    },
    /// It runs.
    Running {
        /// Since when.
        since: String,
    },
    /// It ended.
    Ended {
        /// With this code.
        code: i32,
        /// When.
        at: String,
    },
}

/// The state of a container.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name.
    pub name: String,
    /// What it does.
    pub phase: Phase,
    /// How it ended last.
    pub last: Option<(i32, String)>,
    /// How often it was started again.
    pub restarts: u32,
    /// Whether it takes traffic, while it runs.
    pub ready: bool,
    /// Whether it is through with starting.
    pub startup: bool,
    begun: Instant,
}

impl State {
    /// Makes the state of a container that is about to start, after so many times before.
    #[must_use]
    pub fn new(container: &Container, restarts: u32) -> Self {
        Self {
            name: container.name.clone(),
            phase: Phase::Waiting { reason: "ContainerCreating", message: String::new() },
            last: None,
            restarts,
            ready: false,
            startup: false,
            begun: Instant::now(),
        }
    }

    /// Takes in that it runs.
    pub fn started(&mut self) {
        self.begun = Instant::now();
        self.phase = Phase::Running { since: now() };
    }

    /// Takes in that it ended; returns how long it ran.
    pub fn ended(&mut self, code: i32) -> Duration {
        let at = now();
        self.last = Some((code, at.clone()));
        self.phase = Phase::Ended { code, at };
        (self.ready, self.startup) = (false, false);
        self.begun.elapsed()
    }

    fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Running { .. }) && self.ready && self.startup
    }

    fn tell(&self) -> Value {
        let ended = |code: i32, at: &str| {
            let reason = if code == 0 { "Completed" } else { "Error" };
            json!({ "exitCode": code, "reason": reason, "finishedAt": at })
        };
        let state = match &self.phase {
            Phase::Waiting { reason, message } => json!({ "waiting": { "reason": reason, "message": message } }),
            Phase::Running { since } => json!({ "running": { "startedAt": since } }),
            Phase::Ended { code, at } => json!({ "terminated": ended(*code, at) }),
        };
        let last = self.last.as_ref().map_or(json!({}), |(code, at)| json!({ "terminated": ended(*code, at) }));
        json!({
            "name": self.name,
            "image": "",
            "imageID": "",
            "ready": self.is_ready(),
            "started": matches!(self.phase, Phase::Running { .. }) && self.startup,
            "restartCount": self.restarts,
            "state": state,
            "lastState": last,
        })
    }
}

/// Returns the status of a pod whose containers are in these states.
#[must_use]
pub fn of(pod: &core::Pod, states: &[State], restart: Restart, addresses: &[IpAddr], node: &Node) -> Value {
    let ended = |good: bool| states.iter().all(|s| matches!(s.phase, Phase::Ended { code, .. } if !good || code == 0));
    let phase = match restart {
        Restart::Never | Restart::OnFailure if ended(true) => "Succeeded",
        Restart::Never if ended(false) => "Failed",
        _ if states.iter().all(|s| matches!(&s.phase, Phase::Waiting { reason: "ContainerCreating", .. })) => "Pending",
        _ => "Running",
    };
    let ready = states.iter().all(State::is_ready);
    let ips: Vec<Value> = addresses.iter().map(|a| json!({ "ip": a.to_string() })).collect();
    let mut conditions = vec![
        condition(pod, "PodScheduled", true),
        condition(pod, "Initialized", true),
        condition(pod, "ContainersReady", ready),
        condition(pod, "Ready", ready),
    ];
    if phase == "Succeeded" {
        conditions.iter_mut().skip(2).for_each(|c| c["reason"] = "PodCompleted".into());
    }
    let started = pod.status.as_ref().and_then(|s| s.start_time.as_ref()).map_or_else(now, |t| t.0.to_string());
    json!({
        "phase": phase,
        "podIP": addresses.first().map(ToString::to_string),
        "podIPs": ips,
        "hostIP": node.address.to_string(),
        "startTime": started,
        "reason": null,
        "message": null,
        "conditions": conditions,
        "containerStatuses": states.iter().map(State::tell).collect::<Vec<_>>(),
    })
}

/// Returns the status of a pod that cannot be made.
#[must_use]
pub fn pending(pod: &core::Pod, reason: &str, message: &str) -> Value {
    json!({
        "phase": "Pending",
        "reason": reason,
        "message": message,
        "conditions": [condition(pod, "PodScheduled", true), condition(pod, "Ready", false)],
        "containerStatuses": [],
    })
}

/// Keeps the time of a condition that is as it was.
fn condition(pod: &core::Pod, kind: &str, holds: bool) -> Value {
    let status = if holds { "True" } else { "False" };
    let before = pod.status.iter().flat_map(|s| s.conditions.iter().flatten());
    let same = before.filter(|c| c.type_ == kind && c.status == status).find_map(|c| c.last_transition_time.as_ref());
    json!({ "type": kind, "status": status, "lastTransitionTime": same.map_or_else(now, |t| t.0.to_string()) })
}

/// The time, as the API writes it.
fn now() -> String {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}
