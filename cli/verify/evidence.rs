//! Gathers evidence: what the ztunnels list, hold and find out when they are asked to probe.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
    pin::pin,
};

use futures::{StreamExt, stream};
use hyper::Method;
use k8s_openapi::api::core::v1::Service;
use kube::{Api, api::ListParams};
use serde_json::Value;

use crate::{
    cluster::{
        Cluster,
        enrolment::{self, Modes},
        forward,
    },
    error::Error,
    verify::{
        AT_ONCE, ENDPOINTS,
        certificate::{Chain, chain},
        judge::{self, Row, Seen, Weight, connection},
        scope::Pair,
        target::{Destination, Endpoint, PodRef},
    },
    ztunnel_config::dump::{self, ADMIN_PORT, items, text},
};

/// How long a probe is held open, so that the other side can be asked for it, seconds.
pub(super) const HOLD: u32 = 8;

/// How often a probe in the clear must be accepted, against the policy, before it counts: what a stalled machine refuses late, or a
/// policy that changes at this moment, is no hole.
const ACCEPTED: usize = 3;

/// The cluster as evidence sees it.
pub struct Mesh {
    cluster: Cluster,
    /// Running pods.
    pub pods: Vec<PodRef>,
    /// Services.
    pub services: Vec<Service>,
    /// The labels of namespaces: they say where evidence is looked for, never what it is.
    pub modes: Modes,
    nodes: HashMap<String, Node>,
    /// Nodes whose ztunnel does not answer, and how it failed.
    silent: HashMap<String, String>,
}

/// A node's ztunnel.
pub(super) struct Node {
    ztunnel: String,
    /// Its dump, without what the control plane told it.
    pub(super) data: Value,
    /// Connections that are older than their pod's enrolment.
    older: Vec<Older>,
}

struct Older {
    uid: String,
    remote: SocketAddr,
}

impl Mesh {
    /// Reads pods, services, and the state of every ztunnel. One that does not answer leaves its node unknown.
    pub async fn read(cluster: &Cluster) -> Result<Self, Error> {
        let services: Api<Service> = Api::all(cluster.client.clone());
        let (modes, pods, services, ztunnels) = tokio::try_join!(
            Modes::read(cluster),
            enrolment::running_pods(cluster),
            async { services.list(&ListParams::default()).await.map_err(|e| cluster.failed("list services", &e)) },
            dump::ztunnels(cluster, None),
        )?;
        let reads = ztunnels.into_iter().map(|z| async move { (node(cluster, z.pod.clone()).await, z) });
        let mut mesh = Self {
            cluster: cluster.clone(),
            pods: pods.iter().filter_map(|pod| PodRef::of(pod, modes.wants(pod))).collect(),
            services: services.items,
            modes,
            nodes: HashMap::new(),
            silent: HashMap::new(),
        };
        let mut first = None;
        let mut answers = pin!(stream::iter(reads).buffer_unordered(AT_ONCE * 2));
        while let Some((answer, ztunnel)) = answers.next().await {
            match answer {
                Ok(node) => drop(mesh.nodes.insert(ztunnel.node, node)),
                Err(error) => {
                    let silent = dump::silent(&ztunnel, &error);
                    mesh.silent.insert(ztunnel.node, silent.one_line());
                    first = first.or(Some(silent));
                }
            }
        }
        // Where nobody answers there is nothing to judge.
        first.filter(|_| mesh.nodes.is_empty()).map_or(Ok(mesh), Err)
    }

    /// Tells whether the pod's ztunnel serves it.
    pub fn serves(&self, pod: &PodRef) -> bool {
        self.state(pod).is_some_and(|state| text(state, "state") == "Up")
    }

    fn state(&self, pod: &PodRef) -> Option<&Value> {
        self.nodes.get(&pod.node)?.data.get("workloadState")?.get(&pod.uid)
    }

    fn identity(&self, pod: &PodRef) -> String {
        self.identity_beside(pod, pod)
    }

    /// Returns the identity of a pod in the trust domain of another one, which a ztunnel serves.
    pub(super) fn identity_beside(&self, pod: &PodRef, other: &PodRef) -> String {
        let domain =
            self.state(other).and_then(|s| s.get("info")).map(|i| text(i, "trustDomain")).filter(|d| !d.is_empty());
        format!("spiffe://{}/ns/{}/sa/{}", domain.unwrap_or("cluster.local"), pod.namespace, pod.service_account)
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Returns the ztunnel of a pod's node.
    pub(super) fn node_of(&self, pod: &PodRef) -> Option<&str> {
        self.nodes.get(&pod.node).map(|node| &*node.ztunnel)
    }

    /// Returns the waypoint's pod of an address.
    fn waypoint_at(&self, ip: IpAddr) -> Option<&PodRef> {
        self.pods.iter().find(|pod| pod.is_waypoint() && !pod.host_network && pod.ips.contains(&ip))
    }

    /// Gathers everything on one source and destination.
    pub async fn examine(&self, pair: &Pair, active: bool) -> Row {
        let (source, destination) = (&pair.source, &pair.destination);
        let mut row = Row::new(source.title(), &destination.name);
        if let Some((weight, text)) = self.uncovered(source) {
            row.add(weight, text);
        }
        for (weight, text) in destination.endpoints.iter().filter_map(|e| self.uncovered(&e.pod)) {
            row.add(weight, text);
        }
        if destination.endpoints.is_empty() {
            row.add(Weight::Note, "no pod is behind it");
        }
        self.listed(source, destination, &mut row);
        self.older_between(source, destination, &mut row);
        let mut refused = false;
        if active && self.serves(source) {
            refused = self.probe(source, destination, &mut row).await;
        }
        self.certificates(source, destination, &mut row);
        row.conclude(refused);
        row
    }

    /// Says why a pod's traffic is not the mesh's, if it is not, or that this is not known.
    fn uncovered(&self, pod: &PodRef) -> Option<(Weight, String)> {
        let (title, node) = (pod.title(), &pod.node);
        if let Some(silence) = self.silent.get(node) {
            Some((Weight::Note, format!("nothing is known of {title}: {silence}")))
        } else if pod.host_network {
            Some((Weight::Disproof, format!("{title} lives in its node's own network and cannot be captured")))
        } else if !self.nodes.contains_key(node) {
            Some((Weight::Disproof, format!("{title} is not captured: no ztunnel runs on node {node}")))
        } else if !self.serves(pod) {
            Some((Weight::Disproof, format!("{title} is not captured: the ztunnel of node {node} does not serve it")))
        } else {
            None
        }
    }

    /// Looks at the connections between the two that are open anyway.
    fn listed(&self, source: &PodRef, destination: &Destination, row: &mut Row) {
        let mut counts: BTreeMap<String, (Weight, usize)> = BTreeMap::new();
        for listed in self.outbound(source) {
            let [asked, actual] = ["originalDst", "actualDst"].map(|key| address(listed, key));
            let Some(endpoint) =
                destination.endpoints.iter().find(|e| actual.is_some_and(|a| e.pod.ips.contains(&a.ip())))
            else {
                continue;
            };
            let through = destination.through.map(|(ip, port)| SocketAddr::new(ip, port));
            let direct = SocketAddr::new(endpoint.pod.ips[0], endpoint.port);
            if asked != through && asked != Some(direct) {
                continue;
            }
            let (weight, text) = self.weigh(source, &endpoint.pod, listed, &self.nodes, row);
            counts.entry(text).or_insert((weight, 0)).1 += 1;
        }
        for (text, (weight, count)) in counts {
            row.add(weight, format!("{count} open connections: {text}"));
        }
    }

    /// Weighs one connection by what both sides list.
    fn weigh(
        &self,
        source: &PodRef,
        server: &PodRef,
        outbound: &Value,
        nodes: &HashMap<String, Node>,
        row: &mut Row,
    ) -> (Weight, String) {
        let inbound = nodes.get(&server.node).and_then(|node| {
            let open = connections(&node.data, &server.uid, "inbound");
            open.into_iter().find(|c| text(c, "src") == text(outbound, "src"))
        });
        let seen = seen(outbound, inbound);
        row.server_identity = seen.server_identity.map(ToOwned::to_owned).or(row.server_identity.take());
        row.client_identity = seen.client_identity.map(ToOwned::to_owned).or(row.client_identity.take());
        connection(&seen, &self.identity(source), &self.identity(server))
    }

    fn outbound(&self, pod: &PodRef) -> Vec<&Value> {
        self.nodes.get(&pod.node).map(|node| connections(&node.data, &pod.uid, "outbound")).unwrap_or_default()
    }

    fn older_between(&self, source: &PodRef, destination: &Destination, row: &mut Row) {
        let Some(node) = self.nodes.get(&source.node) else { return };
        let to = |ip: IpAddr| {
            destination.endpoints.iter().any(|e| e.pod.ips.contains(&ip))
                || destination.through.is_some_and(|(through, _)| through == ip)
        };
        let count = node.older.iter().filter(|o| o.uid == source.uid && to(o.remote.ip())).count();
        if count > 0 {
            row.add(Weight::Disproof, older_than_enrolment(count));
        }
    }

    /// Probes the destination through the mesh, and each of its pods in the clear. Tells whether a policy refused the former.
    async fn probe(&self, source: &PodRef, destination: &Destination, row: &mut Row) -> bool {
        let Some(node) = self.nodes.get(&source.node) else { return false };
        let targets: Vec<SocketAddr> = match destination.through {
            Some((ip, port)) => vec![SocketAddr::new(ip, port)],
            None => destination.endpoints.iter().take(ENDPOINTS).map(address_of).collect(),
        };
        let mut refused = false;
        for target in targets {
            let path = format!("/probe?uid={}&to={target}&way=mesh&hold={HOLD}", source.uid);
            match self.ask(&node.ztunnel, Method::POST, &path).await {
                Ok(finding) => refused |= self.probed(source, destination, &finding, row).await,
                Err(error) => row.add(Weight::Note, format!("no probe: {}", error.one_line())),
            }
        }
        for endpoint in destination.endpoints.iter().take(ENDPOINTS).filter(|e| self.serves(&e.pod)) {
            self.probe_in_the_clear(source, node, endpoint, row).await;
        }
        refused
    }

    async fn probed(&self, source: &PodRef, destination: &Destination, finding: &Value, row: &mut Row) -> bool {
        let reason = text(finding, "reason");
        match text(finding, "outcome") {
            "open" => {
                let listed = finding.get("connection").unwrap_or(&Value::Null);
                let actual = address(listed, "actualDst").map(|a| a.ip());
                let server = destination.endpoints.iter().find(|e| actual.is_some_and(|ip| e.pod.ips.contains(&ip)));
                let waypoint = actual.filter(|_| server.is_none()).and_then(|ip| self.waypoint_at(ip));
                if let Some(waypoint) = waypoint {
                    self.probed_through(source, waypoint, destination, listed, row).await;
                    return false;
                }
                let Some(server) = server.map(|e| &e.pod) else {
                    let to = text(listed, "actualDst");
                    row.add(
                        Weight::Disproof,
                        format!("a probe went to {to}, which is none of the pods behind {}", destination.name),
                    );
                    return false;
                };
                // Both sides as they are now: the probe is held open meanwhile.
                let fresh = match self.nodes.get(&server.node) {
                    Some(there) => node(&self.cluster, there.ztunnel.clone())
                        .await
                        .ok()
                        .map(|n| HashMap::from([(server.node.clone(), n)])),
                    None => None,
                };
                let (weight, text) = self.weigh(source, server, listed, fresh.as_ref().unwrap_or(&self.nodes), row);
                row.add(weight, format!("a probe to {}: {text}", server.title()));
                false
            }
            "notRedirected" => {
                row.add(
                    Weight::Disproof,
                    format!("a probe left {} without being redirected: its rules are lost", source.title()),
                );
                false
            }
            "refused" => {
                let by_policy = reason.contains("policy") || reason.contains("401");
                row.add(Weight::Note, format!("a probe was refused: {reason}"));
                by_policy
            }
            _ => {
                row.add(Weight::Note, format!("a probe found no way: {reason}"));
                false
            }
        }
    }

    /// A client in the clear must fare as the policies of the pod say.
    async fn probe_in_the_clear(&self, source: &PodRef, node: &Node, endpoint: &Endpoint, row: &mut Row) {
        let (pod, to) = (&endpoint.pod, address_of(endpoint));
        let Some(there) = self.nodes.get(&pod.node) else { return };
        let from = source.ips.iter().find(|ip| ip.is_ipv4() == to.is_ipv4()).unwrap_or(&source.ips[0]);
        let asked = format!("/plaintext?uid={}&port={}&source={from}", pod.uid, to.port());
        let path = format!("/probe?uid={}&to={to}&way=plaintext&hold=0", source.uid);
        let mut looks = 0;
        let (weight, what) = loop {
            let decision = self.ask(&there.ztunnel, Method::GET, &asked);
            let probe = self.ask(&node.ztunnel, Method::POST, &path);
            let (Ok(decision), Ok(finding)) = tokio::join!(decision, probe) else {
                return row.add(Weight::Note, format!("{} could not be probed in the clear", pod.title()));
            };
            looks += 1;
            let allowed = decision.get("allowed").and_then(Value::as_bool).unwrap_or(false);
            let weighed = judge::in_the_clear(
                allowed,
                text(&decision, "decision"),
                text(&finding, "outcome"),
                text(&finding, "reason"),
            );
            match weighed.0 {
                Weight::Disproof if looks < ACCEPTED => {}
                Weight::Disproof => break weighed,
                // Neither a proof that it is refused nor that it is not.
                _ if looks > 1 => break (Weight::Note, format!("{}, after {} that were not", weighed.1, looks - 1)),
                _ => break weighed,
            }
        };
        row.add(weight, format!("{}: {what}", pod.title()));
    }

    async fn ask(&self, ztunnel: &str, method: Method, path: &str) -> Result<Value, Error> {
        ask(&self.cluster, ztunnel, method, path).await
    }

    /// Checks the certificates that both ztunnels hold for the two identities.
    fn certificates(&self, source: &PodRef, destination: &Destination, row: &mut Row) {
        let mut pods = vec![source];
        pods.extend(destination.endpoints.iter().map(|e| &e.pod));
        let mut checked: BTreeMap<(String, &str), Result<Chain, String>> = BTreeMap::new();
        for pod in pods.into_iter().filter(|pod| self.serves(pod)) {
            let identity = self.identity(pod);
            let Some(node) = self.nodes.get(&pod.node) else { continue };
            let chain = chain(&node.data, &identity);
            checked.insert((identity, &pod.node), chain);
        }
        let mut roots: Vec<&Vec<u8>> = Vec::new();
        for ((identity, node), outcome) in &checked {
            match outcome {
                Ok(chain) => {
                    roots.push(&chain.root);
                    row.add(
                        Weight::Support,
                        format!("certificate of {identity} on {node}: chain verified, valid until {}", chain.until),
                    );
                }
                Err(reason) => row.add(Weight::Disproof, format!("certificate of {identity} on {node}: {reason}")),
            }
        }
        roots.dedup();
        if roots.len() > 1 {
            row.add(Weight::Disproof, "the two sides trust different roots");
        }
    }

    /// Lists the connections that concern a namespace, those of one kind between two workloads together.
    pub fn open_connections(&self, namespace: Option<&str>) -> Vec<Row> {
        let by_ip: HashMap<IpAddr, &PodRef> =
            self.pods.iter().filter(|p| !p.host_network).flat_map(|p| p.ips.iter().map(move |ip| (*ip, p))).collect();
        let concerns = |pod: &PodRef| namespace.is_none_or(|only| only == pod.namespace);
        let mut rows: BTreeMap<(String, String), Row> = BTreeMap::new();
        let mut counts: BTreeMap<(String, String, String), (Weight, usize)> = BTreeMap::new();
        for pod in self.pods.iter().filter(|pod| self.serves(pod)) {
            for listed in self.outbound(pod) {
                let server = address(listed, "actualDst").and_then(|a| by_ip.get(&a.ip()).copied());
                if !concerns(pod) && !server.is_some_and(concerns) {
                    continue;
                }
                let Some(server) = server else { continue };
                let key = (pod.title(), server.title());
                let row = rows.entry(key.clone()).or_insert_with(|| Row::new(&key.0, &key.1));
                let (weight, text) = match server.is_waypoint() {
                    true => self.weigh_first_hop(pod, server, listed),
                    false => self.weigh(pod, server, listed, &self.nodes, row),
                };
                counts.entry((key.0, key.1, text)).or_insert((weight, 0)).1 += 1;
            }
            // Clients in the clear are seen by the server's side alone.
            let inbound =
                self.nodes.get(&pod.node).map(|node| connections(&node.data, &pod.uid, "inbound")).unwrap_or_default();
            for listed in inbound.into_iter().filter(|c| text(c, "protocol") == "TCP" && concerns(pod)) {
                let from = address(listed, "src").map(|a| a.ip());
                let name =
                    from.map_or_else(String::new, |ip| by_ip.get(&ip).map_or_else(|| ip.to_string(), |p| p.title()));
                rows.entry((name.clone(), pod.title())).or_insert_with(|| Row::new(&name, pod.title()));
                counts.entry((name, pod.title(), "TCP in the clear".to_owned())).or_insert((Weight::Disproof, 0)).1 +=
                    1;
            }
        }
        for ((source, destination, text), (weight, count)) in counts {
            if let Some(row) = rows.get_mut(&(source, destination)) {
                row.add(weight, format!("{count} open connections: {text}"));
            }
        }
        let mut rows: Vec<Row> = rows.into_values().collect();
        rows.iter_mut().for_each(|row| row.conclude(false));
        rows
    }

    /// Lists what of these namespaces is not secured: pods that are not captured, connections older than the enrolment.
    pub fn uncaptured(&self, namespaces: &BTreeSet<&str>) -> Vec<Row> {
        let mut rows = Vec::new();
        // A waypoint speaks HBONE itself.
        let theirs = |pod: &&PodRef| namespaces.contains(pod.namespace.as_str()) && !pod.is_waypoint();
        for pod in self.pods.iter().filter(theirs) {
            let mut row = Row::new(pod.title(), "*");
            let older = self.nodes.get(&pod.node).map_or(0, |n| n.older.iter().filter(|o| o.uid == pod.uid).count());
            if let Some((weight, text)) = self.uncovered(pod) {
                row.add(weight, text);
            } else if older > 0 {
                row.add(Weight::Disproof, older_than_enrolment(older));
            }
            row.conclude(false);
            rows.push(row);
        }
        rows
    }
}

fn older_than_enrolment(count: usize) -> String {
    format!(
        "{count} connections are older than the enrolment and go on in the clear; `ambient namespace add --cut-existing` \
         closes them"
    )
}

pub(super) async fn node(cluster: &Cluster, ztunnel: String) -> Result<Node, Error> {
    let data = ask(cluster, &ztunnel, Method::GET, "/config_dump?keys=workloadState,certificates");
    let older = ask(cluster, &ztunnel, Method::GET, "/older");
    let (data, older) = tokio::try_join!(data, older)?;
    let read = |o: &Value| Some(Older { uid: text(o, "uid").to_owned(), remote: address(o, "remote")? });
    let older = older.as_array().into_iter().flatten().filter_map(read).collect();
    Ok(Node { ztunnel, data, older })
}

async fn ask(cluster: &Cluster, ztunnel: &str, method: Method, path: &str) -> Result<Value, Error> {
    let answer = forward::ask(cluster, ztunnel, ADMIN_PORT, method, path).await?;
    read(&answer)
}

/// Reads the answer of a proxy's administration.
pub(super) fn read(answer: &forward::Answer) -> Result<Value, Error> {
    if answer.status != 200 {
        return Err(Error::user(format!("it answered {}", answer.status)).because(answer.body.trim()));
    }
    serde_json::from_str(&answer.body).map_err(|e| Error::user("its answer is no JSON").caused_by(&e))
}

pub(super) fn connections<'a>(data: &'a Value, uid: &str, direction: &str) -> Vec<&'a Value> {
    let state = data.get("workloadState").and_then(|s| s.get(uid));
    state.and_then(|s| s.get("connections")).map(|c| items(c, direction)).unwrap_or_default()
}

fn address(item: &Value, key: &str) -> Option<SocketAddr> {
    text(item, key).parse().ok()
}

pub(super) fn address_of(endpoint: &Endpoint) -> SocketAddr {
    SocketAddr::new(endpoint.pod.ips[0], endpoint.port)
}

/// Tells what both sides list of a connection.
pub(super) fn seen<'a>(outbound: &'a Value, inbound: Option<&'a Value>) -> Seen<'a> {
    let some = |item: &'a Value, key| Some(text(item, key)).filter(|t| !t.is_empty());
    let tls = outbound.get("tls").map(|tls| format!("{} {}", text(tls, "version"), text(tls, "cipherSuite")));
    Seen {
        protocol: text(outbound, "protocol"),
        server_identity: some(outbound, "dstIdentity"),
        tls,
        listed_there: inbound.is_some(),
        client_identity: inbound.and_then(|i| some(i, "srcIdentity")),
    }
}
