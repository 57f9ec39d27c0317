//! What only a real Kubernetes shows: autoscalers, rolling updates, the way over two nodes.

mod outages;
mod roll;
mod scale;

use std::{
    io::Write,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use testbed::{
    apps::{self, App, Deployment, Place, Probe},
    metrics::MetricsServer,
};

use crate::accept::{
    Args, Ended, Report,
    lab::{Lab, chain},
};

/// The namespace of the scene.
const SHOP: &str = "shop";
/// How long what is needed may take to start.
const START: Duration = Duration::from_secs(180);

/// A part of it, which adds rows.
type Section = fn(&Lab, &mut Report) -> Result<(), String>;

/// The sections.
pub const SECTIONS: [(&str, Section); 3] =
    [("roll", roll::check), ("outages", outages::check), ("scale", scale::check)];

/// Brings a cluster up and runs what is asked for.
pub fn check(args: &Args, report: &mut Report) -> Result<(), String> {
    let metrics = MetricsServer::ready().map_err(chain)?;
    let lab = Lab::up(&args.cluster, 2, &args.profile)?;
    let done = on(&lab, &metrics, args, report);
    if !args.keep {
        lab.cluster.down().map_err(chain)?;
    }
    done
}

fn on(lab: &Lab, metrics: &MetricsServer, args: &Args, report: &mut Report) -> Result<(), String> {
    lab.load_apps()?;
    lab.cluster.load(&metrics.image).map_err(chain)?;
    lab.apply(&metrics.manifests)?;
    lab.define(&testbed::conformance::definitions().map_err(chain)?)?;
    let installed = lab.install(&[])?;
    if !installed.ok() {
        return Err(format!("no installation: {}", installed.all()));
    }
    let mut objects = vec![apps::namespace(SHOP, &[("istio.io/dataplane-mode", "ambient")])];
    let place = |app, node, probe| Deployment { probe, place: Place::Node(node), ..Deployment::new(app, SHOP) };
    let echo = Deployment { replicas: 2, ..place(App::Echo, "node1", Probe::Http) };
    for deployment in [place(App::Client, "node0", Probe::None), echo] {
        objects.extend(deployment.objects().ok_or("no such probe")?);
    }
    lab.apply(&apps::list(objects).to_string())?;
    lab.ready(SHOP, START)?;
    lab.ready("kube-system", START)?;
    for (name, section) in SECTIONS.iter().filter(|(name, _)| args.wants(name)) {
        report.section(name);
        if let Err(error) = section(lab, report) {
            report.failed("a step could not be done", &error);
        }
    }
    Ok(())
}

/// Requests that go on while something else happens.
struct Load {
    child: Child,
    begun: Instant,
}

impl Load {
    /// Starts them in the client's pod: one part of a batch.
    fn start(lab: &Lab, part: &Value) -> Result<Self, String> {
        let client = lab.pod(SHOP, "app=client", None)?;
        let mut command = lab.cluster.kubectl();
        command.args(["exec", "-i", "-n", SHOP, &client, "--", "echo", "--timeout", "600", "batch"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("{command:?} does not start: {e}"))?;
        if let Some(mut pipe) = child.stdin.take() {
            // It may have ended without reading.
            let _ = pipe.write_all(json!([part]).to_string().as_bytes());
        }
        Ok(Self { child, begun: Instant::now() })
    }

    /// Waits for their end.
    fn wait(self) -> Result<Value, String> {
        let output = self.child.wait_with_output().map_err(|e| e.to_string())?;
        let ended = Ended::of(&output, self.begun.elapsed());
        let mut told = ended.json();
        match told["results"].as_array_mut().and_then(Vec::pop) {
            Some(result) => Ok(result),
            None => Err(format!("the load says: {}", ended.all())),
        }
    }
}

/// Tells of a load, and whether none of its requests failed.
fn unharmed(report: &mut Report, requirement: &str, result: &Value, least: u64) {
    let (total, failed) = (result["total"].as_u64().unwrap_or_default(), &result["failed"]);
    let measured = format!("{failed} of {total} failed {} {}", result["statuses"], result["example"]);
    let good = *failed == 0 && total >= least && result["statuses"].as_object().is_some_and(|all| all.len() == 1);
    report.row(requirement, measured, format!("0 of {least} or more"), good);
}

/// Runs a command that must end well.
fn ran(lab: &Lab, arguments: &[&str]) -> Result<(), String> {
    let ended = lab.ambient(arguments)?;
    if ended.ok() { Ok(()) } else { Err(format!("ambient {}: {}", arguments.join(" "), ended.all())) }
}

/// Returns how many pods of the waypoint are ready.
fn replicas(lab: &Lab) -> u64 {
    let found = lab.get(&["deployment", "-n", SHOP, "waypoint"]).unwrap_or_default();
    found["status"]["readyReplicas"].as_u64().unwrap_or_default()
}
