//! `cargo xtask bench l7`: the waypoint beside Envoy, set up as Istio's waypoint is, in one run: the same certificates, client,
//! server and work, one worker each, on the same core in turn. Beside both, Envoy and nginx as routers without tunnels.
//!
//! What counts is requests per second of processor time that the proxy has had: on a machine that others use as well, it is still
//! the proxy's own.

mod bed;
mod case;
mod change;
mod envoy;
mod hops;
mod mesh;
mod nginx;
mod table;

use std::{path::PathBuf, thread, time::Duration};

use clap::ValueEnum;
use serde_json::{Value, json};
use testbed::apps::Root;

use self::{
    bed::{Bed, Core, ENVOY, HBONE, NGINX, Process, SERVER, WAYPOINT, at, identity, shown},
    case::{CALM, CASES, Case, Issuer, PORTS, Port, WORK, Work, server},
};
use super::{Args, machine, median};

/// How long after a load memory is read again.
const CALMED: Duration = Duration::from_secs(10);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Section {
    /// Requests per second of processor time, and memory
    Rates,
    /// Latency at a fixed rate
    Latency,
    /// From the change of a route to its effect
    Change,
    /// All three hops on the test cluster
    Hops,
}

/// The way of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    /// Through a tunnel to the server.
    Direct,
    /// Through our waypoint.
    Ours,
    /// Through Envoy as a waypoint.
    Envoy,
    /// To the server in the clear.
    Plain,
    /// Through Envoy in the clear.
    PlainEnvoy,
    /// Through nginx in the clear.
    Nginx,
}

/// What the proxies are started from: fetched and built while there is a network.
struct Programs {
    ambient: PathBuf,
    envoy: PathBuf,
    nginx: Root,
}

/// All parts at work.
struct Scene {
    bed: Bed,
    issuer: Issuer,
    mesh: mesh::Mesh,
    envoy: Process,
    plain_envoy: Process,
    nginx: Process,
    _server: Process,
}

/// Measures.
pub fn run(args: &Args) -> Result<(), String> {
    let wants = |section| args.only.contains(&section);
    let mut report = json!({ "machine": machine(), "rounds": args.rounds, "seconds": args.seconds });
    let mut behind = Vec::new();
    println!("{}", machine());
    if args.only.iter().any(|section| *section != Section::Hops) {
        let ambient = crate::image::binary(&args.profile)?;
        let load = crate::image::program("xtask", "load", "release")?;
        let cache = testbed::cache::cache_dir();
        let programs = Programs { ambient, envoy: envoy::program(&cache)?, nginx: nginx::program(&cache)? };
        // A thread of its own moves into a network namespace of its own; what it starts lives no longer than it does.
        let measured = thread::scope(|scope| {
            let bed = scope.spawn(|| {
                let scene = Scene::start(Bed::make(load)?, &programs)?;
                scene.measure(args, wants)
            });
            bed.join().unwrap_or_else(|_| Err("the measurement panicked".to_owned()))
        });
        let (figures, missed) = measured?;
        behind.extend(missed);
        report["bed"] = figures;
    }
    if wants(Section::Hops) {
        report["hops"] = hops::measure(args)?;
    }
    args.write(&report)?;
    if behind.is_empty() { Ok(()) } else { Err(format!("goals that are not reached: {}", behind.join("; "))) }
}

impl Scene {
    fn start(bed: Bed, programs: &Programs) -> Result<Self, String> {
        let issuer = Issuer::new()?;
        let mut serving = bed.load("serve");
        serving.args(["--on", &SERVER.to_string(), "--own", &shown(&bed.certificate("web")?)]);
        serving.args(["--identity", &identity("web")?.to_string()]);
        let scene = Self {
            _server: bed.start("server", Core::Server, &mut serving)?,
            mesh: mesh::Mesh::start(&bed, &programs.ambient, &issuer)?,
            envoy: envoy::start(&bed, &programs.envoy, "envoy", &envoy::config::waypoint(&bed, &issuer)?)?,
            plain_envoy: envoy::start(&bed, &programs.envoy, "envoy-plain", &envoy::config::plain(&bed, &issuer))?,
            nginx: nginx::start(&bed, &programs.nginx)?,
            issuer,
            bed,
        };
        for work in &WORK {
            for via in [Via::Direct, Via::Ours, Via::Envoy, Via::Plain, Via::PlainEnvoy, Via::Nginx] {
                if work.goes(via) {
                    let way = scene.way(via, work.case, &work.port, work.page)?;
                    let spoken = work.how.split(' ').skip_while(|word| *word != "--spoken").map(ToOwned::to_owned);
                    let all: Vec<String> = way.into_iter().chain(spoken).collect();
                    scene.bed.served(&all).map_err(|error| format!("{via:?}: {error}\n{}", scene.said(via)))?;
                }
            }
        }
        Ok(scene)
    }

    fn proxy(&self, via: Via) -> Option<&Process> {
        match via {
            Via::Direct | Via::Plain => None,
            Via::Ours => Some(&self.mesh.waypoint),
            Via::Envoy => Some(&self.envoy),
            Via::PlainEnvoy => Some(&self.plain_envoy),
            Via::Nginx => Some(&self.nginx),
        }
    }

    fn said(&self, via: Via) -> String {
        self.proxy(via).map(Process::said).unwrap_or_default()
    }

    /// Returns the client's arguments for a way to a page.
    fn way(&self, via: Via, case: Case, port: &Port, page: &str) -> Result<Vec<String>, String> {
        let vip = at(case.vip(), port.number);
        let (to, through, peer) = match via {
            Via::Direct => (at(SERVER, HBONE), Some(server(port)), "web"),
            Via::Ours => (at(WAYPOINT, mesh::HBONE), Some(vip), "waypoint"),
            Via::Envoy => (at(ENVOY, HBONE), Some(vip), "waypoint"),
            Via::Plain => (server(port), None, ""),
            Via::PlainEnvoy => (at(ENVOY, case.plain(port)), None, ""),
            Via::Nginx => (at(NGINX, case.plain(port)), None, ""),
        };
        let mut all = vec!["--to".to_owned(), to.to_string(), "--path".to_owned(), case.path(page)];
        if let Some(through) = through {
            let own = shown(&self.bed.certificate("client")?);
            let (client, peer) = (identity("client")?.to_string(), identity(peer)?.to_string());
            let pairs = [("--through", through.to_string()), ("--own", own), ("--identity", client), ("--peer", peer)];
            all.extend(pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
        }
        if case.token {
            all.extend(["--header".to_owned(), format!("authorization=Bearer {}", self.issuer.token)]);
        }
        Ok(all)
    }

    fn measure(&self, args: &Args, wants: impl Fn(Section) -> bool) -> Result<(Value, Vec<String>), String> {
        let mut report = json!({});
        let mut behind = Vec::new();
        let resident = || {
            json!({
                "ours": self.mesh.waypoint.resident(), "envoy": self.envoy.resident(),
                "envoyPlain": self.plain_envoy.resident(), "nginxPlain": self.nginx.resident(),
            })
        };
        if wants(Section::Rates) {
            self.mesh.settle();
        }
        let rest = resident();
        if wants(Section::Rates) {
            report["rates"] = table::rates(&self.rates(args)?, &mut behind);
        }
        if wants(Section::Latency) {
            report["latency"] = table::latencies(&self.latencies(args)?, &mut behind);
        }
        if wants(Section::Rates) {
            let loaded = resident();
            thread::sleep(CALMED);
            report["residentMb"] = table::memory(&rest, &loaded, &resident(), &mut behind);
        }
        if wants(Section::Change) {
            let case = CASES.into_iter().find(|case| case.name == mesh::CHANGED).ok_or("no such service")?;
            let mut way = self.way(Via::Ours, case, &PORTS[0], "1k")?;
            // What the watcher asks for is its own.
            way.drain(2..4);
            let (figures, good) = change::measure(&self.bed, &way)?;
            report["change"] = figures;
            if !good {
                behind.push("route change".to_owned());
            }
        }
        Ok((report, behind))
    }

    /// Measures requests per second of processor time, all proxies in turn in each round.
    fn rates(&self, args: &Args) -> Result<Vec<table::Rate>, String> {
        let works: Vec<&Work> = WORK.iter().filter(|work| work.name.contains(&args.work)).collect();
        if works.is_empty() {
            return Err(format!("--work {:?}: {}", args.work, known()));
        }
        let mut all: Vec<table::Rate> = works.iter().map(|work| table::Rate::of(work.name)).collect();
        for round in 0..args.rounds {
            for (work, rate) in works.iter().zip(&mut all) {
                for (via, column) in
                    [Via::Ours, Via::Envoy, Via::PlainEnvoy, Via::Nginx].into_iter().zip(&mut rate.columns)
                {
                    if work.goes(via) {
                        column.push(self.rate(via, work, args.seconds)?);
                    }
                }
            }
            eprintln!("round {} of {} done", round + 1, args.rounds);
        }
        Ok(all)
    }

    fn rate(&self, via: Via, work: &Work, seconds: u32) -> Result<f64, String> {
        let mut all = self.way(via, work.case, &work.port, work.page)?;
        all.extend(work.how.split(' ').map(ToOwned::to_owned));
        all.extend(["--seconds".to_owned(), seconds.to_string()]);
        let cpu = || self.proxy(via).map(Process::cpu).unwrap_or_default();
        let before = cpu();
        let told =
            self.bed.send(&all).map_err(|error| format!("{via:?}, {}: {error}\n{}", work.name, self.said(via)))?;
        let spent = cpu().saturating_sub(before);
        Ok(told["requests"].as_f64().unwrap_or_default() / spent.as_secs_f64())
    }

    /// Measures latencies at a fixed rate, all ways in turn in each round.
    fn latencies(&self, args: &Args) -> Result<Vec<table::Latency>, String> {
        let mut all: Vec<table::Latency> = CALM.map(|(name, _)| table::Latency::of(name)).into();
        for _ in 0..args.rounds {
            for ((_, how), latency) in CALM.iter().zip(&mut all) {
                let ways = [Via::Direct, Via::Ours, Via::Envoy, Via::Plain, Via::PlainEnvoy, Via::Nginx];
                for (via, column) in ways.into_iter().zip(&mut latency.columns) {
                    let mut all = self.way(via, CASES[0], &PORTS[0], "1k")?;
                    all.extend(how.split(' ').map(ToOwned::to_owned));
                    all.extend(["--seconds".to_owned(), args.seconds.to_string()]);
                    let told = self.bed.send(&all)?;
                    let figure = |name: &str| told[name].as_f64().unwrap_or(f64::NAN);
                    column.0.push(figure("p50"));
                    column.1.push(figure("p99"));
                }
            }
        }
        Ok(all)
    }
}

/// Names what can be measured.
fn known() -> String {
    let names: Vec<&str> = WORK.iter().map(|work| work.name).collect();
    format!("no work has these words in its name; there are {}", names.join("; "))
}

impl Work {
    fn goes(&self, via: Via) -> bool {
        match via {
            // They have one service each, without what is before it.
            Via::Direct | Via::Plain => self.case == CASES[0],
            Via::Ours | Via::Envoy => true,
            // Without tunnels there is no new one.
            Via::PlainEnvoy => !self.how.contains("tunnel"),
            Via::Nginx => self.nginx,
        }
    }
}
