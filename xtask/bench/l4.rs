//! `cargo xtask bench l4`: plain and mesh side by side on the test cluster, as ratios.

use std::time::Duration;

use serde_json::json;
use testbed::apps::{self, App, Deployment, Place};

use super::{Args, machine, median};
use crate::accept::Lab;

/// One kind of work; how to do it between two pods, and how the result is read.
pub struct Work {
    /// What it is.
    pub name: &'static str,
    /// The server: `near` on the client's node, `far` and `web` on the other.
    pub server: &'static str,
    /// Whether less is better.
    pub latency: bool,
    /// What the result is measured in.
    pub unit: &'static str,
    /// What the reference mesh reached on this kind of machine (baseline.md): a ratio, or microseconds added.
    reference: f64,
    goal: f64,
    /// The program, for a server's address and so many seconds.
    pub program: fn(&str, u32) -> Vec<String>,
    /// Reads what it printed.
    pub read: fn(&str) -> Option<f64>,
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(ToOwned::to_owned).collect()
}

/// All kinds of work.
pub const WORK: [Work; 6] = [
    Work {
        name: "bulk TCP, 1 connection, node to node",
        server: "far",
        latency: false,
        unit: "Gbit/s",
        reference: 0.41,
        goal: 0.65,
        program: |ip, seconds| words(&format!("iperf3 -J -t {seconds} -c {ip}")),
        read: bulk,
    },
    Work {
        name: "bulk TCP, 8 connections, node to node",
        server: "far",
        latency: false,
        unit: "Gbit/s",
        reference: 0.33,
        goal: 0.50,
        program: |ip, seconds| words(&format!("iperf3 -J -P 8 -t {seconds} -c {ip}")),
        read: bulk,
    },
    Work {
        name: "bulk TCP, 1 connection, same node",
        server: "near",
        latency: false,
        unit: "Gbit/s",
        reference: 0.34,
        goal: 0.75,
        program: |ip, seconds| words(&format!("iperf3 -J -t {seconds} -c {ip}")),
        read: bulk,
    },
    Work {
        name: "HTTP keep-alive, 64 connections, node to node",
        server: "web",
        latency: false,
        unit: "req/s",
        reference: 0.36,
        goal: 0.50,
        program: |ip, seconds| words(&format!("wrk -t1 -c64 -d{seconds}s http://{ip}:8080/")),
        read: rate,
    },
    Work {
        name: "HTTP keep-alive, 1 connection: p50",
        server: "web",
        latency: true,
        unit: "µs",
        reference: 102.0,
        goal: 50.0,
        program: |ip, seconds| words(&format!("wrk -t1 -c1 -d{seconds}s --latency http://{ip}:8080/")),
        read: median_latency,
    },
    Work {
        name: "new connection per request, 64 clients",
        server: "web",
        latency: false,
        unit: "/s",
        reference: 0.31,
        goal: 0.50,
        program: |ip, seconds| {
            let mut all = words(&format!("wrk -t1 -c64 -d{seconds}s -H"));
            all.extend(["Connection: close".to_owned(), format!("http://{ip}:8080/")]);
            all
        },
        read: rate,
    },
];

fn bulk(output: &str) -> Option<f64> {
    let json: serde_json::Value = serde_json::from_str(output).ok()?;
    Some(json["end"]["sum_received"]["bits_per_second"].as_f64()? / 1e9)
}

fn rate(output: &str) -> Option<f64> {
    output.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse().ok())
}

fn median_latency(output: &str) -> Option<f64> {
    let value = output.lines().find_map(|line| line.trim().strip_prefix("50%"))?.trim();
    let (number, factor) = [("us", 1.0), ("ms", 1e3), ("s", 1e6)]
        .iter()
        .find_map(|(unit, factor)| Some((value.strip_suffix(unit)?, *factor)))?;
    Some(number.parse::<f64>().ok()? * factor)
}

/// Measures.
pub fn run(args: &Args) -> Result<(), String> {
    let lab = Lab::up(&args.cluster, 2, &args.profile)?;
    let outcome = measure(&lab, args);
    if !args.keep {
        lab.cluster.down().map_err(|e| e.to_string())?;
    }
    outcome
}

const SPACES: [&str; 2] = ["bench-plain", "bench-mesh"];

fn measure(lab: &Lab, args: &Args) -> Result<(), String> {
    lab.load_apps()?;
    let installed = lab.install(&[])?;
    if !installed.ok() {
        return Err(format!("no installation: {}", installed.all()));
    }
    for space in SPACES {
        lab.apply(&manifests(space)?)?;
    }
    for space in SPACES {
        lab.ready(space, Duration::from_secs(120))?;
    }
    let enrolled = lab.ambient(&["namespace", "add", "bench-mesh"])?;
    if !enrolled.ok() {
        return Err(format!("not enrolled: {}", enrolled.all()));
    }
    let idle = memory(lab);
    let mut figures: Vec<[Vec<f64>; 2]> = WORK.iter().map(|_| [Vec::new(), Vec::new()]).collect();
    for round in 0..args.rounds {
        for (work, figures) in WORK.iter().zip(&mut figures) {
            for (space, figures) in SPACES.iter().zip(figures) {
                figures.push(once(lab, space, work, args.seconds)?);
            }
        }
        eprintln!("round {} of {} done", round + 1, args.rounds);
    }
    let loaded = memory(lab);
    println!("{}\n\n| work | plain | mesh | ratio | Istio's ztunnel | goal |\n|---|---|---|---|---|---|", machine());
    let mut all = Vec::new();
    let mut behind = Vec::new();
    for (work, [plain, mesh]) in WORK.iter().zip(figures) {
        let (plain, mesh) = (median(plain), median(mesh));
        let (ratio, better) = if work.latency {
            (mesh - plain, mesh - plain <= work.reference)
        } else {
            (mesh / plain, mesh / plain >= work.reference)
        };
        let show = |value: f64| if work.latency { format!("+{value:.0} µs") } else { format!("{value:.2}") };
        let digits = if plain < 100.0 { 2 } else { 0 };
        println!(
            "| {} | {plain:.digits$} {} | {mesh:.digits$} | {} | {} | {} |",
            work.name,
            work.unit,
            show(ratio),
            show(work.reference),
            show(work.goal)
        );
        if !better {
            behind.push(work.name);
        }
        all.push(json!({ "work": work.name, "unit": work.unit, "plain": plain, "mesh": mesh, "ratio": ratio, "reference": work.reference, "goal": work.goal }));
    }
    println!("\nztunnel resident, MB per node: idle {idle:?}, after load {loaded:?}");
    args.write(
        &json!({ "rounds": args.rounds, "seconds": args.seconds, "figures": all, "ztunnelIdleMb": idle, "ztunnelLoadedMb": loaded }),
    )?;
    if behind.is_empty() { Ok(()) } else { Err(format!("behind the reference: {}", behind.join("; "))) }
}

fn memory(lab: &Lab) -> Vec<f64> {
    lab.cluster.nodes().iter().filter_map(|node| lab.resident(node, "ztunnel")).collect()
}

fn once(lab: &Lab, space: &str, work: &Work, seconds: u32) -> Result<f64, String> {
    let server = lab.pod(space, &format!("app={}", work.server), None)?;
    let client = lab.pod(space, "app=client", None)?;
    let program = (work.program)(&lab.pod_ip(space, &server)?, seconds);
    let program: Vec<&str> = program.iter().map(String::as_str).collect();
    let ended = lab.exec(space, &client, &program)?;
    let value = if ended.ok() { (work.read)(&ended.out) } else { None };
    value.ok_or_else(|| format!("{} in {space}: {}", work.name, ended.all()))
}

/// In each namespace a client on node0, and servers near it and far from it.
fn manifests(space: &str) -> Result<String, String> {
    let mut objects = vec![apps::namespace(space, &[])];
    let deployment = |app, name, node| Deployment { name, place: Place::Node(node), ..Deployment::new(app, space) };
    for deployment in [
        deployment(App::Client, "client", "node0"),
        deployment(App::Iperf, "near", "node0"),
        deployment(App::Iperf, "far", "node1"),
        deployment(App::Nginx, "web", "node1"),
    ] {
        objects.extend(deployment.objects().ok_or("no such probe")?);
    }
    Ok(apps::list(objects).to_string())
}
