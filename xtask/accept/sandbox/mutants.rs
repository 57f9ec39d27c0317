//! Programs with one fault each, built from a copy of this tree: the story has to fail at the step that is about it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::super::{Report, lab::ended, stage};
use crate::{cargo, root, run};

/// A fault: what it is, where, the text before and after, and what the story has to say.
struct Mutant {
    name: &'static str,
    what: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
    says: &'static str,
}

const MUTANTS: [Mutant; 7] = [
    Mutant {
        name: "anybody",
        what: "node proxies believe any certificate",
        file: "crates/identity/tls.rs",
        from: "let verified = self.inner.verify_client_cert(leaf, intermediates, now)?;",
        to: "let _ = (intermediates, now); let verified = ClientCertVerified::assertion();",
        says: "step 6: an impostor with a certificate of its own making was let in",
    },
    Mutant {
        name: "lax",
        what: "node proxies heed no policy at all, nor STRICT",
        file: "crates/model/policy.rs",
        from: "Action::Deny if policy.matches(peer) => return Decision::DeniedBy(policy.key()),",
        to: "Action::Deny if policy.matches(peer) && policy.rules.len() > 1_000 => return Decision::DeniedBy(policy.key()),",
        says: "step 6: street/passerby still gets answers",
    },
    Mutant {
        name: "deaf",
        what: "node proxies heed STRICT, and no other policy",
        file: "crates/model/policy.rs",
        from: "Action::Deny if policy.matches(peer) => return Decision::DeniedBy(policy.key()),",
        to: "Action::Deny if policy.matches(peer) && policy.namespace.to_string() == \"istio-system\" => return \
             Decision::DeniedBy(policy.key()),",
        says: "step 7: shop/stock still gets answers",
    },
    Mutant {
        name: "boaster",
        what: "node agents say that pods are captured, and write no rules",
        file: "cni/pod.rs",
        from: "let check = blocking(move || redirect::verify(&netns, mode)).await?;",
        to: "let (_, check) = (netns, Check::Intact);",
        says: "step 5: the secret was readable on the wire",
    },
    Mutant {
        name: "cutter",
        what: "an enrolment cuts the connections that are open",
        file: "cni/pod.rs",
        from: "let older = blocking(move || Ok(redirect::bypassing_streams(&netns)?.len())).await;",
        to: "let older = blocking(move || redirect::cut_bypassing_streams(&netns)).await;",
        says: "step 4: a connection that was open before the enrolment broke",
    },
    Mutant {
        name: "open",
        what: "waypoints heed no policy of theirs",
        file: "waypoint/requests/exchange.rs",
        from: "    authorize(inbound, parts, &authority, &state, token.as_deref(), record)?;",
        to: "    let _ = authorize(inbound, parts, &authority, &state, token.as_deref(), record);",
        says: "step 11: http://orders/refunds/1 is not answered 403",
    },
    Mutant {
        name: "door",
        what: "waypoints do not heed what a workload's own policies refuse",
        file: "waypoint/inbound.rs",
        from: "refuses_through(world.policies_for(workload), &peer, &self.shared.identity).map(Policy::key)",
        to: "refuses_through(world.policies_for(workload).take(0), &peer, &self.shared.identity).map(Policy::key)",
        says: "step 11: stock gets in through the waypoint",
    },
];

/// Builds all of them, and one without a fault; returns their files.
pub fn build() -> Result<Vec<PathBuf>, String> {
    // Apart from the tree's own: a program with a fault must never be taken for the real one.
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from).join("mutants");
    let tree = target.join("tree");
    copy(&tree)?;
    let mut built = vec![compile(&tree, &target, "sound")?];
    for mutant in &MUTANTS {
        let path = tree.join(mutant.file);
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        if text.matches(mutant.from).count() != 1 {
            return Err(format!(
                "{}: the text of mutant {} is not there once: {}",
                mutant.file, mutant.name, mutant.from
            ));
        }
        fs::write(&path, text.replace(mutant.from, mutant.to)).map_err(|e| format!("{}: {e}", path.display()))?;
        let program = compile(&tree, &target, mutant.name);
        fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        built.push(program?);
    }
    Ok(built)
}

/// Copies what is in the repository; files that are the same keep their time, so that little is built anew.
fn copy(tree: &Path) -> Result<(), String> {
    let list = ended(Command::new("git").arg("-C").arg(root()).args(["ls-files", "-z"]))?;
    if !list.ok() {
        return Err(format!("git ls-files: {}", list.err.trim()));
    }
    for file in list.out.split('\0').filter(|f| !f.is_empty()) {
        let (from, to) = (root().join(file), tree.join(file));
        let text = fs::read(&from).map_err(|e| format!("{}: {e}", from.display()))?;
        if fs::read(&to).is_ok_and(|old| old == text) {
            continue;
        }
        let made = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&to, text));
        made.map_err(|e| format!("{}: {e}", to.display()))?;
    }
    Ok(())
}

fn compile(tree: &Path, target: &Path, name: &str) -> Result<PathBuf, String> {
    let mut build = cargo(&["build", "--bin", "ambient", "--manifest-path"]);
    build.arg(tree.join("Cargo.toml")).env("CARGO_TARGET_DIR", target);
    run(&mut build)?;
    let program = target.join(format!("ambient-{name}"));
    // `cargo` links it to its own file, which the next one writes over.
    fs::copy(target.join("debug/ambient"), &program).map_err(|e| format!("{}: {e}", program.display()))?;
    Ok(program)
}

/// Lets each tell the story, on a machine of its own.
pub fn check(programs: &[PathBuf], report: &mut Report) -> Result<(), String> {
    let says = MUTANTS.iter().map(|m| (m.what, m.says));
    for ((what, says), program) in [("no fault", "")].into_iter().chain(says).zip(programs) {
        let told = ended(stage::command().arg("mutant").arg(program))?;
        let line = told.err.lines().find(|l| l.starts_with("error:")).unwrap_or_default();
        let (code, required) = if says.is_empty() { (0, "exit 0".to_owned()) } else { (1, format!("exit 1: {says}")) };
        report.row(what, format!("exit {} {line}", told.code), required, told.code == code && line.contains(says));
    }
    Ok(())
}
