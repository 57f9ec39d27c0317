//! Every kind of traffic, by every kind of address, to both nodes, through the mesh.

use std::process::{Command, Stdio};

use super::scene::{CLIENT, SHOP, pod};
use crate::accept::{Lab, Report};

/// A client command that must succeed.
struct Try {
    name: &'static str,
    program: Vec<String>,
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(ToOwned::to_owned).collect()
}

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let client = pod(lab, CLIENT)?;
    let ip = |app: &str| lab.pod_ip(SHOP, &pod(lab, app)?);
    for (side, app) in [("same node", "near"), ("other node", "far")] {
        let ip = ip(app)?;
        let tries = [
            ("TCP by service address", format!("echo tcp {app}:7000")),
            ("TCP by headless name", format!("echo tcp {app}-headless:9000")),
            ("TCP by pod address", format!("echo tcp {ip}:9000")),
            ("TCP by named target port", format!("echo tcp {app}-named:17000")),
            ("HTTP/1.1", format!("echo http http://{app}/ --count 20")),
            ("HTTP/2", format!("echo http http://{app}/ --http2 --count 20")),
            ("gRPC", format!("echo grpc {app}:80")),
            ("server speaks first", format!("echo first {app}:7001")),
            ("half-close", format!("echo tcp {app}:7000 --half-close")),
            ("1 GiB each way, equal checksums", format!("echo bulk {app}:7003 --bytes 1073741824 --timeout 120")),
            ("1,000 parallel connections", format!("echo parallel {app}:7000 --count 1000 --timeout 60")),
            ("UDP", format!("echo udp {app}:7002 --count 20")),
            ("UDP by pod address", format!("echo udp {ip}:9002")),
        ];
        for (name, program) in tries {
            attempt(lab, report, &client, &format!("{name}, {side}"), &Try { name, program: words(&program) })?;
        }
    }
    let real = [
        ("nginx over HTTP/1.1", "echo http http://nginx/ --count 10"),
        ("nginx under load", "wrk -t1 -c64 -d2s http://nginx:80/"),
        ("redis", "redis-cli -h redis SET marker kept"),
        ("redis reads it back", "redis-cli -h redis GET marker"),
        ("SMTP greets first", "echo first smtp:25 --expect 250 --send NOOP\\r\\n"),
        ("etcd over gRPC", "etcdctl --endpoints=http://etcd:2379 put marker kept"),
        ("etcd's gRPC health", "echo grpc etcd:2379"),
    ];
    for (name, program) in real {
        attempt(lab, report, &client, name, &Try { name, program: words(program) })?;
    }
    api_server(lab, report, &client)?;
    outside(lab, report, &client)
}

fn attempt(lab: &Lab, report: &mut Report, client: &str, title: &str, what: &Try) -> Result<(), String> {
    let program: Vec<&str> = what.program.iter().map(String::as_str).collect();
    let ended = lab.exec(SHOP, client, &program)?;
    let json = ended.json();
    let failures = json.get("errors").or(json.get("error")).filter(|e| !e.is_null());
    let measured = match failures {
        Some(error) if !ended.ok() => error.to_string(),
        _ if !ended.ok() => ended.all(),
        _ if what.name.contains("GiB") => {
            format!("{} MiB/s up and down together", 2_048_000 / ended.took.as_millis().max(1))
        }
        _ => format!("{} ms", ended.took.as_millis()),
    };
    report.row(title, measured, "works", ended.ok());
    Ok(())
}

/// The API server is outside the mesh and speaks TLS of its own.
fn api_server(lab: &Lab, report: &mut Report, client: &str) -> Result<(), String> {
    // A TLS server answers plain HTTP with a sentence of its own: enough to see that it was reached unaltered.
    let ended = lab.exec(SHOP, client, &["echo", "http", "http://kubernetes.default:443/", "--expect", "400"])?;
    let json = ended.json();
    let body = json["body"].to_string();
    report.row(
        "the API server is reached",
        if ended.ok() { body } else { ended.all() },
        "its own answer",
        ended.ok() && json["body"].to_string().contains("HTTPS"),
    );
    Ok(())
}

/// A server beside the cluster, not of it.
fn outside(lab: &Lab, report: &mut Report, client: &str) -> Result<(), String> {
    let node = &lab.cluster.nodes()[1];
    let space = format!("/run/netns/ambient-{}", lab.cluster.options().name);
    let echo = crate::root().join("target").join(crate::image::TARGET).join("release/echo");
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net={space}"))
        .arg(echo)
        .args(["serve", "--name", "outside", "--tcp", "9100", "--udp", "9101", "--http", "9102"]);
    let mut server = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("no server outside: {e}"))?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    // The gateway of the nodes' network is the cluster's own namespace.
    let mut gateway = node.ip.to_string();
    if let Some(dot) = gateway.rfind('.') {
        gateway.replace_range(dot.., ".1");
    }
    let outcome = (|| {
        for (name, program) in [
            ("TCP to the outside", format!("echo tcp {gateway}:9100")),
            ("HTTP to the outside", format!("echo http http://{gateway}:9102/")),
            ("UDP to the outside", format!("echo udp {gateway}:9101")),
        ] {
            attempt(lab, report, client, name, &Try { name, program: words(&program) })?;
        }
        Ok(())
    })();
    let _ = server.kill();
    let _ = server.wait();
    outcome
}
