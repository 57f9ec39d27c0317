//! Manifests that are wrong: each told with its place and what would be right, and everything else stays in force.

use std::{fs, time::Duration};

use super::{
    lab::{Lab, Sandbox, pause, write},
    scene::{self, CLIENT, SHOP, STRANGER, WEB},
};
use crate::accept::{Report, lab::until};

/// How long a file may take to be in force, or to be judged.
const TAKEN_IN: Duration = Duration::from_secs(5);

/// A file with one fault: what, its text, where it is, and what has to be said.
struct Wrong(&'static str, &'static str, &'static str, &'static [&'static str]);

const WRONG: [Wrong; 13] = [
    Wrong("broken YAML", "kind: [Pod\nmetadata: {}\n", "2:9", &["not YAML", "expected ',' or ']'"]),
    Wrong(
        "a value of the wrong type",
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p}\nspec:\n  mtls: STRICT\n",
        "5:9",
        &["PeerAuthentication default/p", "spec.mtls: wrong type", "want fields, such as mode"],
    ),
    Wrong(
        "an unknown field",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\n  label: {}\n",
        "5:3",
        &["metadata.label: unknown field", "did you mean labels?"],
    ),
    Wrong(
        "an unknown value",
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: d}\nspec:\n  action: DENNY\n",
        "5:11",
        &["unknown value \"DENNY\"", "want one of ALLOW, DENY"],
    ),
    Wrong(
        "an unknown kind",
        "apiVersion: v1\nkind: Pot\nmetadata: {name: p}\n",
        "2:7",
        &["Pot (v1)", "did you mean Pod?"],
    ),
    Wrong(
        "an image",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n    - name: c\n      image: nginx\n      command: [x]\n",
        "7:14",
        &["Pod default/p", "spec.containers[0].image", "pulls no images", "`command`"],
    ),
    Wrong(
        "no command",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n    - name: c\n",
        "6:7",
        &["spec.containers[0]", "`command` is missing"],
    ),
    Wrong(
        "volumes",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  volumes: []\n  containers: [{name: c, command: [x]}]\n",
        "5:12",
        &["spec.volumes", "has no volumes"],
    ),
    Wrong(
        "init containers",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  initContainers: [{name: i, command: [x]}]\n  containers: [{name: c, command: [x]}]\n",
        "5:19",
        &["spec.initContainers", "no init containers", "command do what has to come first"],
    ),
    Wrong(
        "resources",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n    - name: c\n      command: [x]\n      resources: {limits: {cpu: 1}}\n",
        "8:18",
        &["spec.containers[0].resources", "neither reserves nor limits"],
    ),
    Wrong(
        "a LoadBalancer",
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  type: LoadBalancer\n  ports: [{port: 80}]\n",
        "5:9",
        &["Service default/s", "LoadBalancer cannot be", "want ClusterIP"],
    ),
    Wrong(
        "an object that is there twice",
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web, namespace: shop}\n",
        "",
        &["ServiceAccount shop/web", "base.yaml"],
    ),
    Wrong(
        "a namespace that is not there",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\n  namespace: nowhere\n",
        "",
        &["ConfigMap nowhere/m", "nowhere", "namespace"],
    ),
];

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let folder = scene::folder(lab, "manifests", 2)?;
    let sandbox = lab.sandbox("manifests");
    let file = |n: usize| folder.join(format!("wrong-{n:02}.yaml"));
    for (n, wrong) in WRONG.iter().enumerate() {
        write(&file(n), wrong.1)?;
    }
    let up = sandbox.up(&folder)?;
    report.row(
        format!("up with {} wrong files of {}", WRONG.len(), WRONG.len() + 5),
        format!("exit {}: {}", up.code, up.err.lines().next().unwrap_or_default()),
        format!("exit 1: {} manifests are not in force", WRONG.len()),
        up.code == 1 && up.err.contains(&format!("{} manifests are not in force", WRONG.len())),
    );
    let fault = scene::fault(&sandbox).err();
    report.row("all other files are in force", fault.clone().unwrap_or_default(), "requests work", fault.is_none());
    let problems = sandbox.problems()?;
    for (n, Wrong(what, _, place, words)) in WRONG.iter().enumerate() {
        let at = format!("{}:{place}", file(n).display());
        let found: Vec<&String> = problems.iter().filter(|p| p.starts_with(&file(n).display().to_string())).collect();
        // Of some the place is not fixed here, but there has to be one.
        let placed = |p: &str| p.starts_with(&at) && p[file(n).display().to_string().len()..].starts_with(":");
        report.row(
            *what,
            found.iter().map(|p| p.trim_start_matches("/run/accept/work/")).collect::<Vec<_>>().join(" | "),
            format!(":{place} {}", words.join(" ")),
            found.len() == 1
                && placed(found[0])
                && words.iter().all(|w| found[0].contains(w))
                && up.out.contains(found[0]),
        );
        let applied = sandbox.run(&["sandbox", "apply", "-f", &file(n).display().to_string()])?;
        // The two last are faults only beside other files.
        if n < WRONG.len() - 2 {
            let changed = applied.out.trim().to_owned();
            report.row(
                format!("apply of {what}"),
                format!("exit {}: {}", applied.code, applied.err.lines().next().unwrap_or_default()),
                "exit 1, with the place, nothing changed",
                applied.code == 1
                    && applied.err.contains(&at)
                    && applied.err.contains("nothing was changed")
                    && changed.is_empty(),
            );
        }
    }
    mended(&sandbox, &folder, report)?;
    edited(&sandbox, &folder, report)?;
    applied(&sandbox, report)
}

fn judged(sandbox: &Sandbox<'_>, wanted: usize) -> bool {
    until(TAKEN_IN, || sandbox.problems().is_ok_and(|p| p.len() == wanted)).0
}

/// Files that are put right come into force by themselves.
fn mended(sandbox: &Sandbox<'_>, folder: &std::path::Path, report: &mut Report) -> Result<(), String> {
    for n in 0..WRONG.len() {
        let path = folder.join(format!("wrong-{n:02}.yaml"));
        match n {
            0 => write(
                &path,
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mended, namespace: shop}\ndata: {a: b}\n",
            )?,
            _ => fs::remove_file(&path).map_err(|e| e.to_string())?,
        }
    }
    let (there, after) =
        until(TAKEN_IN, || sandbox.run(&["-n", SHOP, "sandbox", "get", "cm", "mended"]).is_ok_and(|e| e.ok()));
    report.holds(
        "a file that is mended comes into force by itself",
        there,
        format!("after {:.2} s", after.as_secs_f64()),
    );
    report.holds("the faults of files that are gone are gone", judged(sandbox, 0), "");
    let status = sandbox.run(&["sandbox", "status"])?;
    report.row("status", format!("exit {}", status.code), "exit 0", status.ok());
    Ok(())
}

/// Good files that are edited, made wrong, and deleted.
fn edited(sandbox: &Sandbox<'_>, folder: &std::path::Path, report: &mut Report) -> Result<(), String> {
    let strict = folder.join("strict.yaml");
    write(&strict, &scene::STRICT.replace("STRICT", "STRICTLY"))?;
    let told = judged(sandbox, 1);
    pause(300);
    let refused = sandbox.ask(STRANGER, WEB).is_err();
    report.holds("a good file that is made wrong is told, and the old object stays in force", told && refused, "");
    write(&strict, &scene::STRICT.replace("STRICT", "PERMISSIVE"))?;
    let (let_in, after) = until(TAKEN_IN, || sandbox.ask(STRANGER, WEB).is_ok());
    report.holds("an edit is in force by itself", let_in, format!("after {:.2} s", after.as_secs_f64()));
    write(&strict, scene::STRICT)?;
    let (closed, _) = until(TAKEN_IN, || sandbox.ask(STRANGER, WEB).is_err());
    fs::remove_file(&strict).map_err(|e| e.to_string())?;
    let (open, after) = until(TAKEN_IN, || sandbox.ask(STRANGER, WEB).is_ok());
    let gone = sandbox.run(&["-n", SHOP, "sandbox", "get", "pa", "default"])?;
    report.holds(
        "a file that is deleted takes its objects along",
        closed && open && gone.code == 1,
        format!("after {:.2} s, get: exit {}", after.as_secs_f64(), gone.code),
    );
    write(&strict, scene::STRICT)?;
    let (closed, _) = until(TAKEN_IN, || sandbox.ask(STRANGER, WEB).is_err());
    write(&strict, &scene::STRICT.lines().map(|line| format!("# {line}\n")).collect::<String>())?;
    let (open, after) = until(TAKEN_IN, || sandbox.ask(STRANGER, WEB).is_ok());
    let problems = sandbox.problems()?;
    report.row(
        "a file of which all is made a comment",
        format!("refused {closed}, let in {open} after {:.2} s {}", after.as_secs_f64(), problems.join("; ")),
        "no fault, and its objects are gone",
        closed && open && problems.is_empty(),
    );
    fs::remove_file(&strict).map_err(|e| e.to_string())?;
    fs::remove_file(folder.join("stranger.yaml")).map_err(|e| e.to_string())?;
    let (gone, _) = until(TAKEN_IN, || sandbox.pods("outside").is_ok_and(|p| p.is_empty()));
    let (ended, _) = until(TAKEN_IN, || sandbox.ending_with("--name stranger").is_empty());
    report.holds("and its pod, with the pod's processes", gone && ended, "");
    let answer = sandbox.ask(CLIENT, WEB);
    report.holds("while others still work", answer.is_ok(), "");
    Ok(())
}

/// A file with a good object and a wrong one changes nothing at all.
fn applied(sandbox: &Sandbox<'_>, report: &mut Report) -> Result<(), String> {
    let good = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied, namespace: shop}\n";
    let half = sandbox.feed("apply", &format!("{good}---\nkind: Pot\n"))?;
    let there =
        |sandbox: &Sandbox<'_>| sandbox.run(&["-n", SHOP, "sandbox", "get", "cm", "applied"]).is_ok_and(|e| e.ok());
    report.row(
        "apply of a good and a wrong object",
        format!("exit {}: {}", half.code, half.err.trim()),
        "exit 1, neither is there",
        half.code == 1 && half.err.contains("-:5:1") && !there(sandbox),
    );
    let first = sandbox.feed("apply", good)?;
    let second = sandbox.feed("apply", good)?;
    let deleted = sandbox.feed("delete", good)?;
    report.row(
        "apply, again, delete",
        format!("{}; {}; {}", first.out.trim(), second.out.trim(), deleted.out.trim()),
        "created; unchanged; deleted",
        first.out.contains("created")
            && second.out.contains("unchanged")
            && deleted.out.contains("deleted")
            && !there(sandbox),
    );
    Ok(())
}
