//! What was measured, beside what was to be reached.

use serde_json::{Value, json};

use super::median;

/// At least so many times Envoy's requests per second of processor time.
const RATE: f64 = 2.0;
/// At most this part of what Envoy adds to the middle of latencies.
const ADDED: f64 = 0.5;
/// The most resident memory, MB.
const MEMORY: f64 = 20.0;

/// A row of rates: ours, Envoy's, and without tunnels Envoy's and nginx's.
pub struct Rate {
    name: &'static str,
    /// One figure of each round.
    pub columns: [Vec<f64>; 4],
}

impl Rate {
    /// Makes an empty one.
    pub fn of(name: &'static str) -> Self {
        Self { name, columns: Default::default() }
    }
}

/// A row of latencies, middle and tail: direct, ours, Envoy's, and without tunnels direct, Envoy's and nginx's.
pub struct Latency {
    name: &'static str,
    /// One figure of each round.
    pub columns: [(Vec<f64>, Vec<f64>); 6],
}

impl Latency {
    /// Makes an empty one.
    pub fn of(name: &'static str) -> Self {
        Self { name, columns: Default::default() }
    }
}

fn number(value: f64) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.0}") }
}

fn yes(good: bool) -> &'static str {
    if good { "yes" } else { "**no**" }
}

/// Prints the rates; returns them, and notes what is behind.
pub fn rates(all: &[Rate], behind: &mut Vec<String>) -> Value {
    println!("\nRequests per second of the proxy's processor time:\n");
    println!("| work | ours | Envoy (HBONE) | ratio | goal | ok | Envoy (plain) | nginx (plain) |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut report = Vec::new();
    for rate in all {
        let [ours, envoy, plain, nginx] = rate.columns.clone().map(median);
        let (name, ratio) = (rate.name, ours / envoy);
        let good = ratio >= RATE;
        let [o, e, p, n] = [ours, envoy, plain, nginx].map(number);
        println!("| {name} | {o} | {e} | {ratio:.2} | {RATE} | {} | {p} | {n} |", yes(good));
        if !good {
            behind.push(name.to_owned());
        }
        report.push(json!({
            "work": name, "ours": ours, "envoy": envoy, "ratio": ratio, "goal": RATE, "ok": good,
            "envoyPlain": plain, "nginxPlain": nginx,
        }));
    }
    report.into()
}

/// Prints the latencies; returns them, and notes what is behind.
pub fn latencies(all: &[Latency], behind: &mut Vec<String>) -> Value {
    println!("\nLatency in µs, at p50 what is added to the way without a proxy:\n");
    println!(
        "| work | direct | ours | Envoy (HBONE) | ratio | goal | ok | direct (plain) | Envoy (plain) | nginx (plain) |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut report = Vec::new();
    for latency in all {
        let middles = latency.columns.clone().map(|(middle, _)| median(middle));
        let [direct, ours, envoy, open, plain, nginx] = middles;
        let added = [direct, ours - direct, envoy - direct, open, plain - open, nginx - open];
        let tails = latency.columns.clone().map(|(_, tail)| median(tail));
        for (what, figures, goal) in [("p50", added, ADDED), ("p99", tails, 1.0)] {
            let [direct, ours, envoy, open, plain, nginx] = figures;
            let ratio = ours / envoy;
            let good = ratio <= goal;
            let name = format!("{}, {what}", latency.name);
            let sign = if what == "p50" { "+" } else { "" };
            println!(
                "| {name} | {direct:.0} | {sign}{ours:.0} | {sign}{envoy:.0} | {ratio:.2} | {goal} | {} | {open:.0} | {sign}{plain:.0} | {sign}{nginx:.0} |",
                yes(good)
            );
            report.push(json!({
                "work": name, "direct": direct, "ours": ours, "envoy": envoy, "ratio": ratio, "goal": goal, "ok": good,
                "directPlain": open, "envoyPlain": plain, "nginxPlain": nginx,
            }));
            if !good {
                behind.push(name);
            }
        }
    }
    report.into()
}

/// Prints the memory at rest, under load and after it; returns it, and notes whether ours is too much.
pub fn memory(rest: &Value, loaded: &Value, after: &Value, behind: &mut Vec<String>) -> Value {
    println!("\nResident, MB (of it mapped from files):\n");
    println!("| | ours | Envoy (HBONE) | goal | ok | Envoy (plain) | nginx (plain) |\n|---|---|---|---|---|---|---|");
    for (when, sizes) in [("at rest", rest), ("at the end of the load", loaded), ("after it", after)] {
        let size = |name: &str, part: &str| sizes[name][part].as_f64().unwrap_or(f64::NAN);
        let good = size("ours", "all") <= MEMORY;
        let shown = |name| format!("{:.1} ({:.1})", size(name, "all"), size(name, "mapped"));
        let [o, e, p, n] = ["ours", "envoy", "envoyPlain", "nginxPlain"].map(shown);
        println!("| {when} | {o} | {e} | {MEMORY} | {} | {p} | {n} |", yes(good));
        if !good {
            behind.push(format!("memory {when}"));
        }
    }
    json!({ "atRest": rest, "loaded": loaded, "afterLoad": after, "goal": MEMORY })
}
