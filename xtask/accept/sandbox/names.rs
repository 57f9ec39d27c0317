//! Names and the addresses of services, from within the mesh and from outside of it.

use std::{
    fs,
    net::{Ipv4Addr, UdpSocket},
    time::{Duration, Instant},
};

use super::{
    lab::{Lab, Sandbox, write},
    scene::{self, CLIENT, SHOP, STRANGER},
};
use crate::accept::{Report, lab::ended, stage};

/// How soon it has to be known that there is nobody.
const SOON: Duration = Duration::from_secs(1);
/// The type of records that name ports (RFC 2782).
const SRV: u16 = 33;
/// A service that names each of its pods, and one that has none.
const SERVICES: &str = "\
apiVersion: v1
kind: Service
metadata: {name: peers, namespace: shop}
spec:
  clusterIP: None
  selector: {app: web}
  ports: [{name: http, port: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: shop}
spec:
  selector: {app: nobody}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: open, namespace: outside}
spec:
  selector: {app: stranger}
  ports: [{name: http, port: 80, targetPort: 8080}]
";

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let folder = scene::folder(lab, "names", 2)?;
    write(&folder.join("services.yaml"), SERVICES)?;
    // A stranger is to be answered here.
    fs::remove_file(folder.join("strict.yaml")).map_err(|e| e.to_string())?;
    let sandbox = lab.sandbox("names");
    sandbox.up_well(&folder)?;
    let address = sandbox.json(&["-n", SHOP, "sandbox", "get", "service", "web", "-o", "json"])?;
    let address = address["spec"]["clusterIP"].as_str().unwrap_or("none").to_owned();
    let pods = sandbox.pods(SHOP)?;
    let web = pods.iter().filter_map(|p| p["name"].as_str()).find(|n| n.starts_with("web-")).unwrap_or_default();
    let domain = "shop.svc.cluster.local";
    let there = [
        ("web.shop".to_owned(), 80),
        ("web.shop.svc".to_owned(), 80),
        (format!("web.{domain}"), 80),
        (format!("web.{domain}."), 80),
        (address.clone(), 80),
        ("peers.shop".to_owned(), 8080),
        (format!("{web}.peers.shop"), 8080),
    ];
    for (who, pod, short) in [("within the mesh", CLIENT, "web"), ("outside of it", STRANGER, "open")] {
        let mut failed = Vec::new();
        for (name, port) in there.iter().cloned().chain([(short.to_owned(), 80)]) {
            if let Err(error) = sandbox.ask(pod, &format!("http://{name}:{port}/")) {
                failed.push(format!("{name}: {error}"));
            }
        }
        report.row(
            format!("short, with namespace, whole, address {address}, headless, one pod of it: {who}"),
            failed.join("; "),
            "answers to all",
            failed.is_empty(),
        );
        for (what, name, words) in [
            ("a name that is none", "nowhere", "lookup"),
            ("a name of the world", "www.example.com", "lookup"),
            ("a service of another namespace by its short name", if pod == CLIENT { "open" } else { "web" }, "lookup"),
            // In the mesh a node proxy takes the connection first, and can only break it.
            ("a service without endpoints", "empty.shop", if pod == CLIENT { "reset" } else { "refused" }),
            ("an address that nobody has", "10.244.1.250:8080", ""),
        ] {
            let begun = Instant::now();
            let answer = sandbox.ask(pod, &format!("http://{name}/"));
            let took = begun.elapsed();
            let error = answer.err().unwrap_or_else(|| "an answer".to_owned());
            // A lost address costs a client's patience in every network; it must not cost more, or be answered.
            let limit = if words.is_empty() { Duration::from_secs(7) } else { SOON };
            report.row(
                format!("{what}, {who}"),
                format!("{error}, after {:.2} s", took.as_secs_f64()),
                format!("error {words} within {} s", limit.as_secs()),
                error != "an answer" && error.contains(words) && took < limit,
            );
        }
    }
    both_nodes(&sandbox, report)?;
    srv(&sandbox, report)
}

/// The address of a service leads to all of its pods.
fn both_nodes(sandbox: &Sandbox<'_>, report: &mut Report) -> Result<(), String> {
    let own = |name: &str| -> Result<Vec<String>, String> {
        let ended = sandbox.run(&["sandbox", "logs", "ztunnel"])?;
        let lines = ended.out.lines().filter(|l| l.contains("direction=\"inbound\"") && l.contains(name));
        Ok(lines.map(str::to_owned).collect())
    };
    for _ in 0..20 {
        sandbox.ask(CLIENT, "http://web/").map_err(|e| format!("no answer: {e}"))?;
    }
    let pods = sandbox.pods(SHOP)?;
    let mut met = 0;
    let web: Vec<&str> =
        pods.iter().filter_map(|p| p["name"].as_str()).filter(|name| name.starts_with("web-")).collect();
    for name in &web {
        met += usize::from(!own(name)?.is_empty());
    }
    report.row("20 requests to a service of 2 pods meet", format!("{met} pods"), "both", met == web.len() && met == 2);
    Ok(())
}

fn srv(sandbox: &Sandbox<'_>, report: &mut Report) -> Result<(), String> {
    let process = sandbox.ending_with("--name client").first().cloned().ok_or("the client does not run")?;
    let name = "_http._tcp.web.shop.svc.cluster.local";
    let mut command = stage::command();
    // In the client's network, by another copy of this program.
    command.args(["at", &process.pid.to_string(), "--", "/proc/self/exe", "stage", "srv", "10.88.0.1", name]);
    let ended = ended(&mut command)?;
    report.row("the port of a service by name (SRV)", ended.all(), "80", ended.out.trim() == "80");
    Ok(())
}

/// Asks a name server for the ports that a name stands for (RFC 1035 4, RFC 2782).
pub fn ask(server: Ipv4Addr, name: &str) -> Result<Vec<u16>, String> {
    // Number, recursion desired, one question.
    let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).map_err(|e| e.to_string())?);
        question.extend(label.bytes());
    }
    question.extend([0, 0, u8::try_from(SRV).unwrap_or(0), 0, 1]);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(|e| e.to_string())?;
    socket.set_read_timeout(Some(Duration::from_secs(2))).map_err(|e| e.to_string())?;
    socket.send_to(&question, (server, 53)).map_err(|e| e.to_string())?;
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer).map_err(|e| format!("no answer: {e}"))?;
    ports(&answer[..length], question.len()).ok_or_else(|| "the answer is none".to_owned())
}

/// Reads the ports of an answer, whose records begin here.
fn ports(answer: &[u8], begin: usize) -> Option<Vec<u16>> {
    let number = |at: usize| Some(u16::from_be_bytes([*answer.get(at)?, *answer.get(at + 1)?]));
    let (mut at, mut out) = (begin, Vec::new());
    for _ in 0..number(6)? {
        // A name ends with an empty label, or with a pointer to another.
        while *answer.get(at)? != 0 && answer[at] < 0xc0 {
            at += 1 + usize::from(answer[at]);
        }
        at += if answer[at] == 0 { 1 } else { 2 };
        let (kind, length) = (number(at)?, usize::from(number(at + 8)?));
        if kind == SRV {
            // Priority, weight, port.
            out.push(number(at + 14)?);
        }
        at += 10 + length;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_an_answer() {
        let mut answer = vec![0, 7, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, b'a', 0, 0, 33, 0, 1];
        let begin = answer.len();
        answer.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 5, 0, 9, 0, 0, 0, 100, 0x1f, 0x90, 1, b'b', 0]);
        assert_eq!(ports(&answer, begin), Some(vec![8080]));
        assert_eq!(ports(&answer[..begin + 4], begin), None);
    }
}
