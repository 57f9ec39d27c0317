//! What acceptances work with: a cluster, the binary under test, and short ways to ask both.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use testbed::cluster::{Cluster, Node, Options};

/// A cluster and the program that is under test.
pub struct Lab {
    /// The cluster.
    pub cluster: Cluster,
    /// The program.
    pub ambient: PathBuf,
}

/// How a program ended.
pub struct Ended {
    /// Its exit code; 255 for a signal.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it printed as errors and progress.
    pub err: String,
    /// How long it ran.
    pub took: Duration,
}

impl Ended {
    /// Reads what a program left.
    pub fn of(output: &Output, took: Duration) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap_or(255), out: text(&output.stdout), err: text(&output.stderr), took }
    }

    /// Whether it exited with 0.
    pub fn ok(&self) -> bool {
        self.code == 0
    }

    /// Everything it printed, in one line.
    pub fn all(&self) -> String {
        format!("{} {}", self.out.trim(), self.err.trim()).trim().to_owned()
    }

    /// Its exit code, and what `verify` holds against the pair, so that a row that fails says why.
    pub fn verdict(&self) -> String {
        let against: Vec<&str> = self.out.lines().filter_map(|line| line.trim().strip_prefix("✘ ")).collect();
        let because = if against.is_empty() { String::new() } else { format!(": {}", against.join("; ")) };
        format!("exit {}{because}", self.code)
    }

    /// The last line that it printed, read as JSON.
    pub fn json(&self) -> Value {
        self.out.lines().rev().find_map(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null)
    }
}

/// Runs a program to its end.
pub fn ended(command: &mut Command) -> Result<Ended, String> {
    let begun = Instant::now();
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{command:?} does not start: {e}"))?;
    Ok(Ended::of(&output, begun.elapsed()))
}

impl Lab {
    /// Runs `ambient` against the cluster.
    pub fn ambient(&self, arguments: &[&str]) -> Result<Ended, String> {
        ended(Command::new(&self.ambient).arg("--kubeconfig").arg(self.cluster.kubeconfig()).args(arguments))
    }

    /// Runs `kubectl` and returns what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let ended = ended(self.cluster.kubectl().args(arguments))?;
        if ended.ok() { Ok(ended.out) } else { Err(format!("kubectl {}: {}", arguments.join(" "), ended.err.trim())) }
    }

    /// Runs `kubectl` for an object or a list.
    pub fn get(&self, arguments: &[&str]) -> Result<Value, String> {
        let mut all = vec!["get", "-o", "json"];
        all.extend(arguments);
        serde_json::from_str(&self.kubectl(&all)?).map_err(|e| format!("kubectl {}: {e}", all.join(" ")))
    }

    /// Applies manifests.
    pub fn apply(&self, manifests: &str) -> Result<(), String> {
        self.feed(&["apply", "--server-side", "--force-conflicts", "-f", "-"], manifests)
    }

    /// Applies files of definitions.
    pub fn define(&self, files: &[PathBuf]) -> Result<(), String> {
        for file in files {
            let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
            self.apply(&text)?;
        }
        Ok(())
    }

    /// Deletes what manifests name.
    pub fn delete(&self, manifests: &str) -> Result<(), String> {
        self.feed(&["delete", "--ignore-not-found", "--wait=true", "--timeout=90s", "-f", "-"], manifests)
    }

    fn feed(&self, arguments: &[&str], text: &str) -> Result<(), String> {
        let mut child = self
            .cluster
            .kubectl()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("kubectl does not start: {e}"))?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(text.as_bytes()).map_err(|e| format!("kubectl does not read: {e}"))?;
        }
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
    }

    /// Runs a program in a pod.
    pub fn exec(&self, namespace: &str, pod: &str, program: &[&str]) -> Result<Ended, String> {
        ended(&mut self.exec_command(namespace, pod, program))
    }

    /// Starts a program in a pod, which runs beside what comes next.
    pub fn start(&self, namespace: &str, pod: &str, program: &[&str]) -> Result<Running, String> {
        let mut command = self.exec_command(namespace, pod, program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().map_err(|e| format!("{command:?} does not start: {e}"))?;
        Ok(Running { child, begun: Instant::now() })
    }

    fn exec_command(&self, namespace: &str, pod: &str, program: &[&str]) -> Command {
        let mut command = self.cluster.kubectl();
        command.args(["exec", "-i", "-n", namespace, pod, "--"]).args(program);
        command
    }

    /// Returns the name of the newest running pod that a selector finds, on a node or anywhere.
    pub fn pod(&self, namespace: &str, selector: &str, node: Option<&str>) -> Result<String, String> {
        let list = self.get(&["pods", "-n", namespace, "-l", selector, "--field-selector=status.phase=Running"])?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let alive = items.iter().filter(|p| p["metadata"]["deletionTimestamp"].is_null());
        let mut here: Vec<&Value> = alive.filter(|p| node.is_none_or(|node| p["spec"]["nodeName"] == node)).collect();
        here.sort_by_key(|p| p["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned());
        let name = here.last().and_then(|p| p["metadata"]["name"].as_str());
        name.map(ToOwned::to_owned).ok_or_else(|| format!("no pod {selector} in {namespace}"))
    }

    /// Returns the address of a pod.
    pub fn pod_ip(&self, namespace: &str, pod: &str) -> Result<String, String> {
        let pod = self.get(&["pod", "-n", namespace, pod])?;
        pod["status"]["podIP"].as_str().map(ToOwned::to_owned).ok_or_else(|| "no address".to_owned())
    }

    /// Waits until all deployments and daemon sets of a namespace are ready.
    pub fn ready(&self, namespace: &str, limit: Duration) -> Result<(), String> {
        let seconds = format!("--timeout={}s", limit.as_secs());
        for kind in ["deployment", "daemonset"] {
            let names = self.kubectl(&["get", kind, "-n", namespace, "-o", "name"])?;
            for name in names.lines() {
                self.kubectl(&["rollout", "status", "-n", namespace, name, &seconds])?;
            }
        }
        Ok(())
    }
}

/// A program that runs in a pod.
pub struct Running {
    child: Child,
    begun: Instant,
}

impl Running {
    /// Asks it to end by a line on its standard input and waits for its report.
    pub fn stop(mut self) -> Result<Ended, String> {
        if let Some(mut input) = self.child.stdin.take() {
            // It may have ended by itself.
            let _ = input.write_all(b"stop\n");
        }
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(self) -> Result<Ended, String> {
        let output = self.child.wait_with_output().map_err(|e| e.to_string())?;
        Ok(Ended::of(&output, self.begun.elapsed()))
    }
}

/// Waits until something is so; says whether it came to be, and after how long.
pub fn until(limit: Duration, mut so: impl FnMut() -> bool) -> (bool, Duration) {
    let begun = Instant::now();
    loop {
        if so() {
            return (true, begun.elapsed());
        }
        if begun.elapsed() > limit {
            return (false, begun.elapsed());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Returns a file's size in megabytes.
pub fn megabytes(path: &Path) -> f64 {
    path.metadata().map(|m| m.len() as f64 / 1e6).unwrap_or_default()
}

impl Lab {
    /// Brings a cluster up, builds the image of this tree and loads it.
    pub fn up(name: &str, nodes: usize, profile: &str) -> Result<Self, String> {
        let image = crate::image::build(profile, crate::image::TAG)?;
        let options = Options { name: name.to_owned(), nodes, ..Options::default() };
        let cluster = Cluster::up(&options).map_err(chain)?;
        cluster.load(&image.archive).map_err(chain)?;
        Ok(Self { cluster, ambient: image.binary })
    }

    /// Makes the images of all test apps, once, and loads them.
    pub fn load_apps(&self) -> Result<(), String> {
        for image in testbed::apps::prepare_all(&testbed::cache::cache_dir()).map_err(chain)? {
            self.cluster.load(&image).map_err(chain)?;
        }
        Ok(())
    }

    /// Installs the mesh with the image of this tree.
    pub fn install(&self, more: &[&str]) -> Result<Ended, String> {
        let (repository, tag) = crate::image::TAG.rsplit_once(':').unwrap_or((crate::image::TAG, "latest"));
        let (repository, tag) = (format!("image.repository={repository}"), format!("image.tag={tag}"));
        let mut arguments =
            vec!["install", "--set", &repository, "--set", &tag, "--set", "image.pullPolicy=IfNotPresent"];
        arguments.extend(more);
        self.ambient(&arguments)
    }

    /// Runs a shell command in a node.
    pub fn on_node(&self, node: &Node, script: &str) -> Result<Ended, String> {
        let begun = Instant::now();
        let output = self.cluster.exec_on_node(node, &["sh", "-c", script]).map_err(chain)?;
        Ok(Ended::of(&output, begun.elapsed()))
    }

    /// Returns the resident memory of a role on a node, MB; of several processes the largest.
    pub fn resident(&self, node: &Node, role: &str) -> Option<f64> {
        let out = self.on_node(node, &of_role(role, "grep VmRSS $p/status")).ok()?.out;
        let sizes = out.lines().filter_map(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok());
        sizes.reduce(f64::max).map(|kib| kib * 1024.0 / 1e6)
    }

    /// Kills the processes of a role on a node without a word, and returns how many there were.
    pub fn kill(&self, node: &Node, role: &str) -> Result<usize, String> {
        let ended = self.on_node(node, &of_role(role, "kill -9 ${p#/proc/} && echo killed"))?;
        Ok(ended.out.lines().count())
    }

    /// Returns the node of this name.
    pub fn node(&self, name: &str) -> Result<&Node, String> {
        self.cluster.nodes().iter().find(|n| n.name == name).ok_or_else(|| format!("no node {name}"))
    }
}

/// Returns a script for a node that does something for each process of a role, `$p` being its folder in `/proc`.
fn of_role(role: &str, what: &str) -> String {
    format!(
        "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q -- '--role {role} *$' && {what}; done; true"
    )
}

/// Writes an error with its causes.
pub fn chain(error: impl std::error::Error) -> String {
    causes(&error)
}

/// As [`chain`], for an error behind a pointer.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
