//! The tables of `ztunnel-config`: columns, order and words as istioctl's, so that scripts keep working.

use std::collections::HashMap;

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    screen::table::Table,
    ztunnel_config::dump::{items, text},
};

/// Returns the workloads.
pub fn workloads(data: &Value, chosen: &[&Value]) -> Table {
    let mut table = Table::new(1, &["NAMESPACE", "POD NAME", "ADDRESS", "NODE", "WAYPOINT", "PROTOCOL"]);
    let services = items(data, "services");
    for item in sorted(chosen) {
        let address = item.get("workloadIps").and_then(|ips| ips.get(0)).and_then(Value::as_str).unwrap_or_default();
        let waypoint = waypoint(item, &services);
        table.row([
            text(item, "namespace"),
            text(item, "name"),
            address,
            text(item, "node"),
            &waypoint,
            text(item, "protocol"),
        ]);
    }
    table
}

/// Returns the services; ENDPOINTS is how many are healthy, of how many.
pub fn services(data: &Value, chosen: &[&Value]) -> Table {
    let mut table = Table::new(1, &["NAMESPACE", "SERVICE NAME", "SERVICE VIP", "WAYPOINT", "ENDPOINTS"]);
    let services = items(data, "services");
    let workloads: HashMap<&str, &Value> =
        items(data, "workloads").into_iter().map(|item| (text(item, "uid"), item)).collect();
    for item in sorted(chosen) {
        let vip = item.get("vips").and_then(|vips| vips.get(0)).and_then(Value::as_str).unwrap_or_default();
        let vip = vip.rsplit_once('/').map_or(vip, |(_, address)| address);
        let endpoints = items(item, "endpoints");
        let healthy = endpoints.iter().filter(|endpoint| {
            let workload = workloads.get(text(endpoint, "workloadUid")).copied();
            let status =
                [Some(**endpoint), workload].into_iter().flatten().map(|v| text(v, "status")).find(|s| !s.is_empty());
            status.is_none_or(|status| status == "Healthy")
        });
        let count = format!("{}/{}", healthy.count(), endpoints.len());
        table.row([text(item, "namespace"), text(item, "name"), vip, &waypoint(item, &services), &count]);
    }
    table
}

/// Returns the policies.
pub fn policies(chosen: &[&Value]) -> Table {
    let mut table = Table::new(1, &["NAMESPACE", "POLICY NAME", "ACTION", "SCOPE"]);
    for item in sorted(chosen) {
        table.row([text(item, "namespace"), text(item, "name"), text(item, "action"), text(item, "scope")]);
    }
    table
}

/// Returns the certificates, each with its chain and its roots. `now` decides whether one is valid.
pub fn certificates(chosen: &[&Value], now: OffsetDateTime) -> Table {
    let heading = ["CERTIFICATE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE"];
    let mut table = Table::new(5, &heading);
    let mut all = chosen.to_vec();
    all.sort_by_key(|item| text(item, "identity"));
    for item in all {
        let (identity, state) = (text(item, "identity"), text(item, "state"));
        let (chain, roots) = (items(item, "certChain"), items(item, "rootCerts"));
        if chain.is_empty() {
            table.row([identity, "NA", state, "false", "NA", "NA", "NA"]);
        }
        let chain =
            chain.iter().enumerate().map(|(depth, cert)| (if depth == 0 { "Leaf" } else { "Intermediate" }, *cert));
        for (kind, cert) in chain.chain(roots.iter().map(|cert| ("Root", *cert))) {
            let (from, until) = (text(cert, "validFrom"), text(cert, "expirationTime"));
            let valid = valid(from, until, now).to_string();
            table.row([identity, kind, state, &valid, &hexadecimal(text(cert, "serialNumber")), until, from]);
        }
    }
    table
}

/// Which way a connection goes, seen from the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Direction {
    /// To the workload
    Inbound,
    /// From the workload
    Outbound,
}

/// Returns the open connections. `raw` keeps addresses; else they become names where they are known.
pub fn connections(data: &Value, states: &[&Value], only: Option<Direction>, raw: bool) -> Table {
    let mut table = Table::new(1, &["WORKLOAD", "DIRECTION", "LOCAL", "REMOTE", "REMOTE TARGET", "PROTOCOL"]);
    let names = if raw { HashMap::new() } else { names(data) };
    let name_of = |address: &str| match address.rsplit_once(':') {
        Some((host, port)) => {
            let host = host.trim_matches(['[', ']']);
            names.get(host).map_or_else(|| address.to_owned(), |name| format!("{name}:{port}"))
        }
        None => address.to_owned(),
    };
    let mut all = states.to_vec();
    all.sort_by_key(|state| workload_name(state));
    for state in all {
        let workload = workload_name(state);
        let Some(open) = state.get("connections") else { continue };
        for (direction, key) in [(Direction::Inbound, "inbound"), (Direction::Outbound, "outbound")] {
            if only.is_some_and(|only| only != direction) {
                continue;
            }
            for connection in items(open, key) {
                let [source, target, actual] =
                    ["src", "originalDst", "actualDst"].map(|key| name_of(text(connection, key)));
                let protocol = text(connection, "protocol").to_owned();
                table.row(match direction {
                    Direction::Inbound => [workload.clone(), "Inbound".into(), actual, source, target, protocol],
                    Direction::Outbound => [workload.clone(), "Outbound".into(), source, actual, target, protocol],
                });
            }
        }
    }
    table
}

fn workload_name(state: &Value) -> String {
    let info = state.get("info").unwrap_or(&Value::Null);
    format!("{}.{}", text(info, "name"), text(info, "namespace"))
}

fn names(data: &Value) -> HashMap<String, String> {
    let mut names = HashMap::new();
    for workload in items(data, "workloads") {
        for ip in items(workload, "workloadIps").into_iter().filter_map(Value::as_str) {
            names.insert(ip.to_owned(), format!("{}.{}", text(workload, "name"), text(workload, "namespace")));
        }
    }
    for service in items(data, "services") {
        for vip in items(service, "vips").into_iter().filter_map(Value::as_str) {
            let ip = vip.rsplit_once('/').map_or(vip, |(_, address)| address);
            names.insert(ip.to_owned(), text(service, "hostname").to_owned());
        }
    }
    names
}

fn sorted<'a>(chosen: &[&'a Value]) -> Vec<&'a Value> {
    let mut all = chosen.to_vec();
    all.sort_by_key(|item| (text(item, "namespace"), text(item, "name")));
    all
}

/// Returns the waypoint's service name, `None` without one, `NA` for one that no service is known for.
fn waypoint(item: &Value, services: &[&Value]) -> String {
    let Some(destination) = item.get("waypoint").and_then(|waypoint| waypoint.get("destination")) else {
        return "None".into();
    };
    let Some(destination) = destination.as_str() else { return "NA".into() };
    let found = services.iter().find(|service| {
        let key = format!("{}/{}", text(service, "namespace"), text(service, "hostname"));
        key == destination || items(service, "vips").iter().any(|vip| vip.as_str() == Some(destination))
    });
    found.map_or_else(|| "NA".to_owned(), |service| text(service, "name").to_owned())
}

/// Returns whether the time lies between two moments; what cannot be read is not valid.
pub fn valid(from: &str, until: &str, now: OffsetDateTime) -> bool {
    let read = |text| OffsetDateTime::parse(text, &Rfc3339);
    matches!((read(from), read(until)), (Ok(from), Ok(until)) if from <= now && now < until)
}

/// Writes a decimal number of any length in base 16, as istioctl shows serial numbers; other text stays.
fn hexadecimal(decimal: &str) -> String {
    if decimal.is_empty() || !decimal.bytes().all(|byte| byte.is_ascii_digit()) {
        return decimal.to_owned();
    }
    let mut digits: Vec<u8> = decimal.bytes().map(|byte| byte - b'0').collect();
    let mut hex = Vec::new();
    while !digits.is_empty() {
        let mut remainder = 0;
        let mut quotient = Vec::with_capacity(digits.len());
        for digit in &digits {
            let value = remainder * 10 + u32::from(*digit);
            remainder = value % 16;
            let next = u8::try_from(value / 16).unwrap_or_default();
            if next > 0 || !quotient.is_empty() {
                quotient.push(next);
            }
        }
        hex.push(char::from_digit(remainder, 16).unwrap_or('0'));
        digits = quotient;
    }
    hex.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn serial_numbers_are_shown_in_base_16() {
        for (decimal, hex) in
            [("0", "0"), ("255", "ff"), ("338288904032021243389612366149811264", "4126ee41c91987a0352ba883817c40")]
        {
            assert_eq!(hexadecimal(decimal), hex.to_owned(), "{decimal}");
        }
        assert_eq!(hexadecimal("ab:cd"), "ab:cd");
    }

    #[test]
    fn a_certificate_in_the_making_has_no_numbers() {
        let waiting = json!({"identity": "spiffe://cluster.local/ns/istio-system/sa/ztunnel", "state": "Initializing"});
        let table = certificates(&[&waiting], OffsetDateTime::UNIX_EPOCH).to_string();
        let line = table.lines().nth(1).expect("one row");
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        assert_eq!(words, ["NA", "Initializing", "false", "NA", "NA", "NA"]);
    }

    #[test]
    fn a_workload_shows_its_waypoints_name() {
        let data = json!({
            "workloads": [{"uid": "u", "namespace": "default", "name": "web", "workloadIps": ["10.0.0.1"], "node": "n",
                "protocol": "HBONE", "waypoint": {"destination": "/10.96.0.9"}}],
            "services": [{"name": "waypoint", "namespace": "default", "hostname": "waypoint.default.svc", "vips": ["/10.96.0.9"]}],
        });
        let table = workloads(&data, &items(&data, "workloads")).to_string();
        assert_eq!(
            table,
            "NAMESPACE POD NAME ADDRESS  NODE WAYPOINT PROTOCOL\ndefault   web      10.0.0.1 n    waypoint HBONE\n"
        );
    }
}
