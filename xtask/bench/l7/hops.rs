//! All three hops on the test cluster: client, its ztunnel, waypoint, the server's ztunnel, server; beside layer 4 alone, and plain.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::apps::{self, App, Deployment, Place};

use crate::{
    accept::lab::{Lab, chain},
    bench::{Args, l4, median},
};

/// The namespaces: without the mesh, enrolled, and behind a waypoint.
const SPACES: [&str; 3] = ["bench-plain", "bench-l4", "bench-l7"];

/// Measures, and prints the figures.
pub fn measure(args: &Args) -> Result<Value, String> {
    let lab = Lab::up(&args.cluster, 2, &args.profile)?;
    let outcome = on(&lab, args);
    if !args.keep {
        lab.cluster.down().map_err(|e| e.to_string())?;
    }
    outcome
}

fn on(lab: &Lab, args: &Args) -> Result<Value, String> {
    lab.load_apps()?;
    lab.define(&testbed::conformance::definitions().map_err(chain)?)?;
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
    let waypoint = ["waypoint", "apply", "-n", SPACES[2], "--enroll-namespace", "--wait", "--timeout", "60s"];
    for command in [&["namespace", "add", SPACES[1], SPACES[2]][..], &waypoint] {
        let done = lab.ambient(command)?;
        if !done.ok() {
            return Err(format!("{command:?}: {}", done.all()));
        }
    }
    let works: Vec<&l4::Work> = l4::WORK.iter().filter(|work| work.server == "web").collect();
    let mut figures: Vec<[Vec<f64>; 3]> = works.iter().map(|_| Default::default()).collect();
    for round in 0..args.rounds {
        for (work, figures) in works.iter().zip(&mut figures) {
            for (space, figures) in SPACES.iter().zip(figures) {
                figures.push(once(lab, space, work, args.seconds)?);
            }
        }
        eprintln!("round {} of {} done", round + 1, args.rounds);
    }
    println!(
        "\n| three hops on the cluster | plain | layer 4 alone | with a waypoint | ratio |\n|---|---|---|---|---|"
    );
    let mut all = Vec::new();
    for (work, figures) in works.iter().zip(figures) {
        let [plain, l4, l7] = figures.map(median);
        let ratio = if work.latency { format!("+{:.0} µs", l7 - plain) } else { format!("{:.2}", l7 / plain) };
        println!("| {} | {plain:.0} {} | {l4:.0} | {l7:.0} | {ratio} |", work.name, work.unit);
        all.push(json!({ "work": work.name, "unit": work.unit, "plain": plain, "l4": l4, "l7": l7 }));
    }
    let resident: Vec<f64> = lab.cluster.nodes().iter().filter_map(|node| lab.resident(node, "waypoint")).collect();
    println!("\nwaypoints resident after load, MB: {resident:?}");
    Ok(json!({ "work": all, "waypointsMb": resident }))
}

fn once(lab: &Lab, space: &str, work: &l4::Work, seconds: u32) -> Result<f64, String> {
    let client = lab.pod(space, "app=client", None)?;
    // The service's own address: what goes to a pod's passes a waypoint of services by.
    let service = lab.get(&["service", "-n", space, "web"])?;
    let address = service["spec"]["clusterIP"].as_str().ok_or("the service has no address")?;
    let program: Vec<String> =
        (work.program)(address, seconds).iter().map(|word| word.replace(":8080/", ":80/")).collect();
    let program: Vec<&str> = program.iter().map(String::as_str).collect();
    let ended = lab.exec(space, &client, &program)?;
    let value = if ended.ok() { (work.read)(&ended.out) } else { None };
    value.ok_or_else(|| format!("{} in {space}: {}", work.name, ended.all()))
}

fn manifests(space: &str) -> Result<String, String> {
    let deployment = |app, name, node| Deployment { name, place: Place::Node(node), ..Deployment::new(app, space) };
    let mut objects = vec![apps::namespace(space, &[])];
    for deployment in [deployment(App::Client, "client", "node0"), deployment(App::Nginx, "web", "node1")] {
        objects.extend(deployment.objects().ok_or("no such probe")?);
    }
    Ok(apps::list(objects).to_string())
}
