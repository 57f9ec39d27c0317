//! A Deployment whose manifest is edited: its pods are replaced one by one, and nobody who asks notices.

use std::time::Duration;

use super::{
    lab::{Lab, Sandbox, pause, write},
    load::Load,
    scene::{self, CLIENT, SHOP, WEB},
};
use crate::accept::{Report, lab::until};

/// How often it is replaced.
const ROUNDS: usize = 3;
/// How long one replacement may take.
const ROLLED: Duration = Duration::from_secs(60);

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let (sandbox, folder) = scene::up(lab, "rolling", 3)?;
    let load = Load::start(&sandbox, CLIENT, WEB, 3)?;
    pause(500);
    let mut before = names(&sandbox)?;
    let mut longest = Duration::ZERO;
    for round in 1..=ROUNDS {
        write(&folder.join("web.yaml"), &scene::web(3, &format!("round {round}")))?;
        let mut now = Vec::new();
        let (done, took) = until(ROLLED, || {
            now = names(&sandbox).unwrap_or_default();
            now.len() == 3 && now.iter().all(|name| !before.contains(name)) && all_ready(&sandbox)
        });
        if !done {
            return Err(format!("round {round}: not replaced within {} s: {}", ROLLED.as_secs(), now.join(", ")));
        }
        longest = longest.max(took);
        before = now;
    }
    let asked = load.stop()?;
    report.row(
        format!("a Deployment of 3 is replaced {ROUNDS} times by editing its file"),
        format!("{}; the longest took {:.1} s", asked.told(), longest.as_secs_f64()),
        "0 failed of many",
        asked.failures.is_empty() && asked.count >= 100,
    );
    let env = sandbox.exec("shop/web", &["sh", "-c", "echo $MARK"])?;
    report.row(
        "and the last edit counts",
        env.all(),
        format!("round {ROUNDS}"),
        env.out.trim() == format!("round {ROUNDS}"),
    );
    write(&folder.join("web.yaml"), &scene::web(1, "one"))?;
    let (fewer, _) = until(ROLLED, || names(&sandbox).is_ok_and(|names| names.len() == 1));
    let answer = sandbox.ask(CLIENT, WEB);
    report.holds("fewer replicas are fewer pods, and the last one answers", fewer && answer.is_ok(), "");
    Ok(())
}

fn names(sandbox: &Sandbox<'_>) -> Result<Vec<String>, String> {
    let web = sandbox.pods(SHOP)?.into_iter().filter_map(|p| p["name"].as_str().map(str::to_owned));
    Ok(web.filter(|name| name.starts_with("web-")).collect())
}

fn all_ready(sandbox: &Sandbox<'_>) -> bool {
    sandbox.pods(SHOP).is_ok_and(|pods| pods.iter().all(|p| p["ready"] == true))
}
