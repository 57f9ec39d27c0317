//! The loop: what turns objects into what proxies, operators and waypoints are told.

use std::collections::HashSet;

use kube::Client;
use runtime::Readiness;
use source::{Change, Kind};
use tokio::sync::mpsc;
use tracing::info;
use xds::server::{self, Resources};

use crate::{
    authorities::{Authorities, Changed},
    config, deploy,
    feed::{Common, Fed, Feed},
    issue,
    l7::Turned,
    mesh,
    mesh_config::{self, MeshConfig},
    proof,
    scale::Scale,
    secrets,
    secrets::Secrets,
    status::{self, Wanted},
};

/// The task of readiness that ends when all objects are known.
pub const OBJECTS: &str = "the cluster's objects";
/// How many changes are taken at once, and how many wait elsewhere.
const BATCH: usize = 256;

/// What the loop needs.
pub struct Work {
    /// The way to the objects.
    pub client: Client,
    /// What is the same for the whole mesh.
    pub settings: mesh::Settings,
    /// What is the same for all waypoints.
    pub common: Common,
    /// What waypoints are made from, if they are made at all.
    pub waypoints: Option<config::Waypoints>,
    /// Tells autoscalers.
    pub scale: Scale,
    /// Is told of pods.
    pub placement: issue::Placement,
    /// Is told of waypoints.
    pub proof: proof::Waypoints,
    /// What is served.
    pub resources: Resources,
    /// Ready when all objects are known.
    pub readiness: Readiness,
}

/// What there is to tell.
#[derive(Default)]
struct Told {
    resources: Vec<server::Change>,
    statuses: Vec<Wanted>,
}

impl Told {
    fn add(&mut self, fed: Fed) -> Turned {
        self.resources.extend(fed.resources);
        self.statuses.extend(fed.statuses);
        fed.turned
    }
}

/// What is computed, and what of it is known to be complete.
struct Computed {
    mesh: mesh::Mesh,
    feed: Feed,
    authorities: Authorities,
    secrets: Secrets,
    config: MeshConfig,
    synced: HashSet<Kind>,
}

impl Computed {
    fn apply(&mut self, change: Change, told: &mut Told) {
        if let Change::Synced(kind) = &change {
            self.synced.insert(*kind);
        }
        let turned = told.add(self.feed.apply(&change));
        let found = self.mesh.apply(change);
        let more = self.decide(found, told);
        self.settle([turned, more].concat(), told);
    }

    /// Tells layer 7 what the mesh decided.
    fn decide(&mut self, found: mesh::Output, told: &mut Told) -> Turned {
        told.resources.extend(found.resources);
        told.statuses.extend(found.statuses);
        told.add(self.feed.decided(found.waypoints))
    }

    /// Tells the mesh what there is for waypoints to do. It decides anew, and what follows from that is again told to layer 7; that
    /// ends, as a binding does not depend on whether a waypoint is left out.
    fn settle(&mut self, mut turned: Turned, told: &mut Told) {
        while !turned.is_empty() {
            let found = self.mesh.turned(turned);
            turned = self.decide(found, told);
        }
    }

    fn certify(&mut self, changed: Changed, told: &mut Told) {
        for (key, pem) in changed {
            let turned = told.add(self.feed.authorities(&key, pem));
            self.settle(turned, told);
        }
    }

    fn confide(&mut self, changed: secrets::Changed, told: &mut Told) {
        for (key, found) in changed {
            let turned = told.add(self.feed.secret(&key, found));
            self.settle(turned, told);
        }
    }

    fn configure(&mut self, text: &mesh_config::Text, told: &mut Told) {
        if let Some(common) = self.config.hear(text).cloned() {
            let turned = told.add(self.feed.configure(common));
            self.settle(turned, told);
        }
    }

    fn is_complete(&self) -> bool {
        let objects = self.synced.len() == Kind::ALL.len() && self.config.is_known();
        objects && self.authorities.is_complete() && self.secrets.is_complete()
    }
}

impl Work {
    /// Works for as long as there is somebody to tell.
    pub async fn run(self) {
        let mut changes = source::kubernetes::watch(&self.client);
        let (certificates, mut certified) = mpsc::channel(BATCH);
        let (confidences, mut confided) = mpsc::channel(BATCH);
        let (configurations, mut configured) = mpsc::channel(1);
        tokio::spawn(mesh_config::watch(self.client.clone(), self.settings.root.clone(), configurations));
        let mut computed = Computed {
            mesh: mesh::Mesh::new(self.settings.clone()),
            feed: Feed::new(&self.settings, self.common.clone()),
            authorities: Authorities::new(self.client.clone(), certificates),
            secrets: Secrets::new(self.client.clone(), confidences),
            config: MeshConfig::new(self.common.clone(), &self.settings.trust_domain, &self.settings.root),
            synced: HashSet::new(),
        };
        let (statuses, inbox) = (status::Board::default(), deploy::Inbox::default());
        let (outcomes, mut deployed) = mpsc::channel(64);
        let mut batch = Vec::new();
        loop {
            let mut told = Told::default();
            // What waits is taken at once, so that a burst is one publication and an idle source is told without delay.
            tokio::select! {
                count = changes.recv_many(&mut batch, BATCH) => if count == 0 { return },
                Some(outcome) = deployed.recv() => told.statuses.extend(computed.mesh.deployed(outcome).statuses),
                Some(news) = certified.recv() => {
                    let changed = computed.authorities.hear(news);
                    computed.certify(changed, &mut told);
                }
                Some(text) = configured.recv() => computed.configure(&text, &mut told),
                Some(news) = confided.recv() => {
                    let changed = computed.secrets.hear(news);
                    computed.confide(changed, &mut told);
                }
            }
            for change in batch.drain(..) {
                self.placement.apply(&change);
                self.proof.apply(&change);
                inbox.hear(&change);
                computed.apply(change, &mut told);
            }
            let forgotten = computed.authorities.follow(computed.feed.namespaces());
            computed.certify(forgotten, &mut told);
            let forgotten = computed.secrets.follow(&computed.feed.secrets());
            computed.confide(forgotten, &mut told);
            self.resources.publish(told.resources);
            statuses.post(told.statuses);
            if computed.is_complete() && !self.resources.is_synced() {
                self.resources.synced();
                self.readiness.done(OBJECTS);
                // Not before: what half of the objects say is not what is.
                tokio::spawn(status::write(self.client.clone(), statuses.clone()));
                if let Some(settings) = &self.waypoints {
                    let (client, settings, scale) = (self.client.clone(), settings.clone(), self.scale.clone());
                    let deployer = deploy::Deployer::new(client, settings, scale, inbox.clone(), outcomes.clone());
                    tokio::spawn(deployer.run());
                }
                info!("the cluster's objects are known, discovery is served");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Deserialize;
    use serde_json::Value;

    use super::*;
    use crate::l7::Sort;

    /// The kinds beside those of layer 7 whose statuses are written.
    const STATUSES: [Kind; 5] =
        [Kind::Service, Kind::ServiceEntry, Kind::WorkloadEntry, Kind::Gateway, Kind::GatewayClass];

    #[test]
    fn the_role_allows_what_is_read_and_written() {
        let documents = include_str!("../templates/agent.yaml").split("\n---\n");
        let role = documents.filter(|d| d.contains("kind: ClusterRole\n")).find_map(|d| serde_yaml::from_str(d).ok());
        let role: Value = role.expect("the role of the agent");
        let mut rights = BTreeSet::new();
        let words = |rule: &Value, field: &str| Vec::<String>::deserialize(&rule[field]).expect("a list of words");
        for rule in role["rules"].as_array().expect("rules") {
            for (group, verb) in
                words(rule, "apiGroups").iter().flat_map(|g| words(rule, "verbs").into_iter().map(move |v| (g, v)))
            {
                rights
                    .extend(words(rule, "resources").into_iter().map(|resource| format!("{verb} {resource}.{group}")));
            }
        }
        for kind in Kind::ALL {
            let place = kind.place();
            for verb in ["get", "list", "watch"] {
                let right = format!("{verb} {}.{}", place.plural, place.group);
                assert!(rights.contains(&right), "{right}");
            }
            let told = Sort::of(kind).is_some() || STATUSES.contains(&kind);
            let right = format!("patch {}/status.{}", place.plural, place.group);
            assert_eq!(rights.contains(&right), told, "{right}");
        }
    }
}
