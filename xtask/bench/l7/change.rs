//! How long a changed route takes to have effect, and whether streams that are open meanwhile live on.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::{
    bed::{Bed, Core, pinned},
    mesh,
};
use crate::{accept::chain, bench::median};

/// How many changes.
const CHANGES: usize = 40;
/// How many streams are open meanwhile.
const STREAMS: usize = 20;
/// The pause between two changes.
const PAUSE: Duration = Duration::from_millis(150);
/// How long all changes may take, seconds.
const LIMIT: u32 = 30;
/// What is to be reached: the middle, milliseconds.
const GOAL: f64 = 50.0;

/// Changes a route again and again; returns the figures, and whether they are good enough.
pub fn measure(bed: &Bed, way: &[String]) -> Result<(Value, bool), String> {
    let mut watch = bed.load("watch");
    watch.args(way).args(["--header", mesh::HEADER, "--streams", &STREAMS.to_string()]);
    watch.args(["--seconds", &LIMIT.to_string()]);
    let mut child = pinned(Core::Client, &watch).stdout(Stdio::piped()).spawn().map_err(chain)?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let mut broken = 0;
    // Ends with its output: the watcher has a limit.
    let mut seen = |value: &str| -> Result<u64, String> {
        for line in lines.by_ref() {
            let told: Value = serde_json::from_str(&line.map_err(chain)?).map_err(chain)?;
            if told["broken"].is_string() {
                broken += 1;
                eprintln!("{told}");
            }
            if told["value"] == value {
                return told["at"].as_u64().ok_or_else(|| "no time".to_owned());
            }
        }
        Err(format!("version {value} of the route never had effect"))
    };
    let outcome = (|| {
        seen("0")?;
        let mut took = Vec::new();
        for change in 1..=CHANGES {
            thread::sleep(PAUSE);
            let value = change.to_string();
            let begun = SystemTime::now().duration_since(UNIX_EPOCH).map_err(chain)?.as_nanos() as u64;
            mesh::change(bed, &value)?;
            took.push(seen(&value)?.saturating_sub(begun) as f64 / 1e6);
        }
        Ok::<_, String>(took)
    })();
    let _ = child.kill();
    let _ = child.wait();
    let took = outcome?;
    let worst = took.iter().copied().fold(0.0, f64::max);
    let middle = median(took);
    println!(
        "\nA route changes {CHANGES} times: effect after {middle:.1} ms in the middle, {worst:.1} at worst (goal: {GOAL}); {broken} of {STREAMS} streams and requests broke"
    );
    let figures = json!({ "changes": CHANGES, "p50Ms": middle, "worstMs": worst, "goalMs": GOAL, "streams": STREAMS, "broken": broken });
    Ok((figures, middle <= GOAL && broken == 0))
}
