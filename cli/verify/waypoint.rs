//! Evidence of connections that go through a waypoint: two tunnels, and at both ends of each the identity of who is there.

use std::collections::HashMap;

use hyper::Method;
use serde_json::Value;

use crate::{
    cluster::forward::{self, Door},
    error::Error,
    verify::{
        ENDPOINTS,
        evidence::{HOLD, Mesh, address_of, connections, node, read, seen},
        judge::{Row, Weight, connection},
        target::{Destination, Endpoint, PodRef},
    },
    ztunnel_config::dump::{ADMIN_PORT, text},
};

impl Mesh {
    /// Weighs a connection to a waypoint by what the client's side lists: the waypoint itself proves who it is.
    pub(super) fn weigh_first_hop(&self, source: &PodRef, waypoint: &PodRef, outbound: &Value) -> (Weight, String) {
        let wanted = self.identity_beside(waypoint, source);
        match (text(outbound, "protocol"), text(outbound, "dstIdentity")) {
            ("HBONE", found) if found == wanted => {
                let tls = seen(outbound, None).tls.unwrap_or_else(|| "TLS".to_owned());
                (Weight::Proof, format!("{tls} to waypoint {}, its identity proven", waypoint.title()))
            }
            ("HBONE", found) => (Weight::Disproof, format!("the waypoint showed {found}, not {wanted}")),
            (other, _) => (Weight::Disproof, format!("{other} to waypoint {} in the clear", waypoint.title())),
        }
    }

    /// Follows a probe that went to a waypoint: from there to each pod behind it.
    pub(super) async fn probed_through(
        &self,
        source: &PodRef,
        waypoint: &PodRef,
        destination: &Destination,
        outbound: &Value,
        row: &mut Row,
    ) {
        let (weight, text) = self.weigh_first_hop(source, waypoint, outbound);
        // Half of the way proves nothing of the whole.
        let first = if weight == Weight::Proof { Weight::Support } else { weight };
        row.add(first, format!("a probe: {text}"));
        if weight != Weight::Proof {
            return;
        }
        for endpoint in destination.endpoints.iter().take(ENDPOINTS) {
            let (weight, text) = self.second_hop(source, waypoint, endpoint, row).await;
            row.add(weight, text);
        }
    }

    async fn second_hop(
        &self,
        source: &PodRef,
        waypoint: &PodRef,
        endpoint: &Endpoint,
        row: &mut Row,
    ) -> (Weight, String) {
        let (server, to) = (&endpoint.pod, address_of(endpoint));
        let told =
            |reason: String| (Weight::Note, format!("no probe from the waypoint to {}: {reason}", server.title()));
        let finding = match self.ask_waypoint(waypoint, &format!("/probe?to={to}&hold={HOLD}")).await {
            Ok(finding) => finding,
            Err(error) => return told(error.one_line()),
        };
        if text(&finding, "outcome") != "open" {
            return told(text(&finding, "reason").to_owned());
        }
        let Some(there) = self.node_of(server) else {
            return told(format!("nothing is known of node {}", server.node));
        };
        // The server's side as it is now: the probe is held open meanwhile.
        let fresh = match node(self.cluster(), there.to_owned()).await {
            Ok(fresh) => HashMap::from([(server.node.clone(), fresh)]),
            Err(error) => return told(error.one_line()),
        };
        let (own, wanted) = (self.identity_beside(waypoint, source), self.identity_beside(server, source));
        let open = connections(&fresh[&server.node].data, &server.uid, "inbound");
        let is_ours = |listed: &&Value| {
            let from = text(listed, "src").parse::<std::net::SocketAddr>();
            from.is_ok_and(|from| waypoint.ips.contains(&from.ip())) && text(listed, "actualDst") == to.to_string()
        };
        let inbound = open.into_iter().find(is_ours);
        let outbound = finding.get("connection").unwrap_or(&Value::Null);
        let seen = seen(outbound, inbound);
        row.server_identity = seen.server_identity.map(ToOwned::to_owned).or(row.server_identity.take());
        row.client_identity = Some(self.identity_beside(source, source));
        let (weight, text) = connection(&seen, &own, &wanted);
        (weight, format!("a probe from waypoint {} to {}: {text}", waypoint.title(), server.title()))
    }

    async fn ask_waypoint(&self, waypoint: &PodRef, path: &str) -> Result<Value, Error> {
        let door = Door { namespace: &waypoint.namespace, pod: &waypoint.name, port: ADMIN_PORT };
        let answer = forward::ask_at(self.cluster(), door, Method::POST, path).await?;
        read(&answer)
    }
}
