//! What the types of an object cannot say: ranges, words of a list, names that must fit each other.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::folder::{
    decode::Findings,
    kinds::{self, Kind},
    path::{FieldPath, Finding},
};

/// Judges an object, whose types may be wrong: what has another type than it should is left to them.
pub fn findings(kind: &Kind, object: &Value) -> Findings {
    let mut found = Vec::new();
    let root = FieldPath::default();
    let (spec, path) = (&object["spec"], root.key("spec"));
    labels(&object["metadata"]["labels"], &FieldPath::of(&["metadata", "labels"]), &mut found);
    match kind.name {
        "Pod" => pod(spec, &path, &mut found),
        "Deployment" => deployment(spec, &path, &mut found),
        "Service" => service(spec, &path, &mut found),
        "ConfigMap" | "Secret" => ["data", "stringData", "binaryData"].iter().for_each(|map| {
            keys(&object[*map], &root.key(map), &mut found);
        }),
        "Gateway" => gateway(spec, &path, &mut found),
        "AuthorizationPolicy" => authorization(spec, &path, &mut found),
        "PeerAuthentication" => authentication(spec, &path, &mut found),
        _ => {}
    }
    found
}

fn items(list: &Value, path: FieldPath) -> impl Iterator<Item = (&Value, FieldPath)> {
    list.as_array().into_iter().flatten().enumerate().map(move |(n, item)| (item, path.item(n)))
}

fn require(holder: &Value, field: &str, path: &FieldPath, found: &mut Findings) -> bool {
    let there = match &holder[field] {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => true,
    };
    if !there {
        found.push(Finding::missing(path.key(field)));
    }
    there
}

fn one_of(holder: &Value, field: &str, words: &[&str], path: &FieldPath, found: &mut Findings) {
    if let Some(word) = holder[field].as_str()
        && !words.contains(&word)
    {
        let finding = Finding::new(path.key(field), format!("unknown value {word:?}"));
        found.push(finding.want(format!("one of {}", words.join(", "))));
    }
}

fn port(value: &Value, path: FieldPath, found: &mut Findings) {
    if let Some(number) = value.as_i64()
        && !(1..=65535).contains(&number)
    {
        found.push(Finding::new(path, format!("{number} is no port")).want("1 to 65535"));
    }
}

/// A name of a port on a pod (RFC 6335 5.1): a letter at least, and few.
fn port_name(value: &Value, path: FieldPath, found: &mut Findings) {
    if let Some(name) = value.as_str() {
        let good = kinds::is_label(name) && name.len() <= 15 && name.contains(|c: char| c.is_ascii_lowercase());
        if !good {
            let finding = Finding::new(path, format!("{name:?} is no name of a port"));
            found.push(finding.want("at most 15 lower-case letters, digits and '-', one a letter"));
        }
    }
}

fn unique<'a>(name: &'a Value, path: FieldPath, seen: &mut BTreeSet<&'a str>, found: &mut Findings) {
    if let Some(name) = name.as_str()
        && !seen.insert(name)
    {
        found.push(Finding::new(path, format!("{name:?} is there twice")));
    }
}

fn labels(labels: &Value, path: &FieldPath, found: &mut Findings) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        let word = |text: &str| {
            let end = |c: char| c.is_ascii_alphanumeric();
            text.len() <= 63
                && text.starts_with(end)
                && text.ends_with(end)
                && text.chars().all(|c| end(c) || "-_.".contains(c))
        };
        let bare = key.split_once('/').map_or(key.as_str(), |(_, name)| name);
        if !word(bare) {
            let finding = Finding::new(path.key(key), "no name of a label");
            found.push(Finding { about_name: true, ..finding.want("letters, digits, '-', '_' and '.', at most 63") });
        } else if value.as_str().is_some_and(|v| !v.is_empty() && !word(v)) {
            let finding = Finding::new(path.key(key), format!("{value} is no value of a label"));
            found.push(finding.want("letters, digits, '-', '_' and '.', at most 63"));
        }
    }
}

fn keys(map: &Value, path: &FieldPath, found: &mut Findings) {
    for key in map.as_object().into_iter().flatten().map(|(key, _)| key) {
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if key.is_empty() || key.len() > 253 || !key.chars().all(good) {
            let finding = Finding::new(path.key(key), "no name of an entry");
            found.push(Finding { about_name: true, ..finding.want("letters, digits, '-', '_' and '.'") });
        }
    }
}

fn pod(spec: &Value, path: &FieldPath, found: &mut Findings) {
    require(spec, "containers", path, found);
    one_of(spec, "restartPolicy", &["Always", "OnFailure", "Never"], path, found);
    let mut names = BTreeSet::new();
    for list in ["initContainers", "containers"] {
        for (container, path) in items(&spec[list], path.key(list)) {
            if require(container, "name", &path, found) {
                let name = container["name"].as_str().unwrap_or_default();
                if !kinds::is_label(name) {
                    let finding = Finding::new(path.key("name"), format!("{name:?} is no name of a container"));
                    found.push(finding.want("lower-case letters, digits and '-', at most 63"));
                }
                unique(&container["name"], path.key("name"), &mut names, found);
            }
            let mut port_names = BTreeSet::new();
            for (entry, path) in items(&container["ports"], path.key("ports")) {
                require(entry, "containerPort", &path, found);
                port(&entry["containerPort"], path.key("containerPort"), found);
                port_name(&entry["name"], path.key("name"), found);
                unique(&entry["name"], path.key("name"), &mut port_names, found);
                one_of(entry, "protocol", &["TCP", "UDP", "SCTP"], &path, found);
            }
            for (entry, path) in items(&container["env"], path.key("env")) {
                require(entry, "name", &path, found);
            }
        }
    }
}

fn deployment(spec: &Value, path: &FieldPath, found: &mut Findings) {
    if spec["replicas"].as_i64().is_some_and(|n| n < 0) {
        found.push(
            Finding::new(path.key("replicas"), format!("{} is less than none", spec["replicas"])).want("0 or more"),
        );
    }
    one_of(&spec["strategy"], "type", &["RollingUpdate", "Recreate"], &path.key("strategy"), found);
    let (wanted, have) = (&spec["selector"]["matchLabels"], &spec["template"]["metadata"]["labels"]);
    if require(spec, "selector", path, found) {
        let selector = path.key("selector");
        if wanted.as_object().is_none_or(serde_json::Map::is_empty) && spec["selector"]["matchExpressions"].is_null() {
            found.push(Finding::missing(selector.key("matchLabels")));
        }
        for (key, value) in wanted.as_object().into_iter().flatten().filter(|(k, v)| have.get(k) != Some(v)) {
            let field = selector.key("matchLabels").key(key);
            found.push(Finding::new(field, format!("spec.template.metadata.labels has no {key}: {value}")));
        }
    }
    if require(spec, "template", path, found) {
        let template = path.key("template");
        labels(have, &template.key("metadata").key("labels"), found);
        if require(&spec["template"], "spec", &template, found) {
            pod(&spec["template"]["spec"], &template.key("spec"), found);
        }
    }
}

fn service(spec: &Value, path: &FieldPath, found: &mut Findings) {
    one_of(spec, "type", &["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"], path, found);
    one_of(spec, "sessionAffinity", &["None", "ClientIP"], path, found);
    one_of(spec, "internalTrafficPolicy", &["Cluster", "Local"], path, found);
    one_of(spec, "externalTrafficPolicy", &["Cluster", "Local"], path, found);
    let external = spec["type"] == "ExternalName";
    if external {
        require(spec, "externalName", path, found);
    } else if spec["clusterIP"] != "None" {
        require(spec, "ports", path, found);
    }
    let several = spec["ports"].as_array().is_some_and(|p| p.len() > 1);
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for (entry, path) in items(&spec["ports"], path.key("ports")) {
        require(entry, "port", &path, found);
        port(&entry["port"], path.key("port"), found);
        if entry["nodePort"] != 0 {
            port(&entry["nodePort"], path.key("nodePort"), found);
        }
        port(&entry["targetPort"], path.key("targetPort"), found);
        port_name(&entry["targetPort"], path.key("targetPort"), found);
        one_of(entry, "protocol", &["TCP", "UDP", "SCTP"], &path, found);
        if several {
            require(entry, "name", &path, found);
        }
        if let Some(name) = entry["name"].as_str().filter(|n| !kinds::is_label(n)) {
            found.push(Finding::new(path.key("name"), format!("{name:?} is no name of a port")));
        }
        unique(&entry["name"], path.key("name"), &mut names, found);
        let protocol = entry["protocol"].as_str().unwrap_or("TCP");
        if !entry["port"].is_null() && !numbers.insert((entry["port"].as_i64(), protocol)) {
            found.push(Finding::new(path.key("port"), format!("{} {protocol} is there twice", entry["port"])));
        }
    }
}

fn gateway(spec: &Value, path: &FieldPath, found: &mut Findings) {
    require(spec, "gatewayClassName", path, found);
    require(spec, "listeners", path, found);
    let mut names = BTreeSet::new();
    for (listener, path) in items(&spec["listeners"], path.key("listeners")) {
        require(listener, "name", &path, found);
        unique(&listener["name"], path.key("name"), &mut names, found);
        port(&listener["port"], path.key("port"), found);
        let (allowed, path) = (&listener["allowedRoutes"]["namespaces"], path.key("allowedRoutes").key("namespaces"));
        one_of(allowed, "from", &["All", "Selector", "Same"], &path, found);
        if allowed["from"] == "Selector" {
            require(allowed, "selector", &path, found);
        }
    }
}

fn authorization(spec: &Value, path: &FieldPath, found: &mut Findings) {
    if spec["action"] == "CUSTOM" {
        require(spec, "provider", path, found);
    }
    for (rule, path) in items(&spec["rules"], path.key("rules")) {
        for (entry, path) in items(&rule["to"], path.key("to")) {
            for field in ["ports", "notPorts"] {
                let list = path.key("operation").key(field);
                for (number, path) in items(&entry["operation"][field], list) {
                    port_text(number, path, found);
                }
            }
        }
        for (entry, path) in items(&rule["from"], path.key("from")) {
            for field in ["ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"] {
                let list = path.key("source").key(field);
                for (block, path) in items(&entry["source"][field], list) {
                    address_block(block, path, found);
                }
            }
        }
        for (condition, path) in items(&rule["when"], path.key("when")) {
            require(condition, "key", &path, found);
            if condition["values"].is_null() && condition["notValues"].is_null() {
                found.push(Finding::missing(path.key("values")).want("values, notValues or both"));
            }
        }
    }
}

fn port_text(value: &Value, path: FieldPath, found: &mut Findings) {
    if let Some(text) = value.as_str()
        && !text.parse::<u16>().is_ok_and(|n| n > 0)
    {
        found.push(Finding::new(path, format!("{text:?} is no port")).want("1 to 65535"));
    }
}

fn address_block(value: &Value, path: FieldPath, found: &mut Findings) {
    let Some(text) = value.as_str() else { return };
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let most = match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => 0,
    };
    let good = most > 0 && length.is_none_or(|l| l.parse::<u8>().is_ok_and(|l| l <= most));
    if !good {
        found.push(Finding::new(path, format!("{text:?} is no address")).want("such as 10.1.0.0/16 or fd00::1"));
    }
}

fn authentication(spec: &Value, path: &FieldPath, found: &mut Findings) {
    let ports = spec["portLevelMtls"].as_object().into_iter().flatten();
    let path = path.key("portLevelMtls");
    for (number, _) in ports.clone().filter(|(n, _)| !n.parse::<u16>().is_ok_and(|n| n > 0)) {
        let finding = Finding::new(path.key(number), format!("{number:?} is no port")).want("1 to 65535");
        found.push(Finding { about_name: true, ..finding });
    }
    let selects = spec["selector"]["matchLabels"].as_object().is_some_and(|labels| !labels.is_empty());
    if ports.count() > 0 && !selects {
        found.push(Finding {
            about_name: true,
            ..Finding::new(path, "needs a selector: modes of ports are those of pods")
        });
    }
}
