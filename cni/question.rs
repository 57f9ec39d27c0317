//! What the plugin asks the agent, and the answer: one JSON packet each, the pod's namespace as
//! descriptor with the question. One definition for both ends.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A sandbox that is about to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Pod name.
    pub name: String,
    /// Pod namespace.
    pub namespace: String,
    /// Pod UID as the kubelet knows it.
    #[serde(default)]
    pub uid: Option<String>,
    /// Addresses that the plugins before us assigned.
    #[serde(default)]
    pub ips: Vec<IpAddr>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Rules are in place and ztunnel serves it.
    Enrolled,
    /// Not to be enrolled.
    Plain,
    /// To be enrolled, or unknown, and not possible now: the sandbox must not start.
    Refused(String),
}

/// What was last known of the namespaces, for the plugin while the agent is away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whether pods of the namespace may need the mesh: by its label, the mesh's, or a pod seen there.
    pub namespaces: BTreeMap<String, bool>,
}

impl Record {
    /// Whether a pod may start unasked. An unknown namespace may not: it could be enrolled.
    pub fn allows(&self, namespace: &str) -> bool {
        self.namespaces.get(namespace) == Some(&false)
    }
}
