//! What the sections work with: the program under test, sandboxes that end with their variables, and the machine's processes.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::accept::{
    Ended,
    lab::{ended, until},
    stage,
};

/// The program under test.
pub struct Lab {
    /// Where it is.
    pub ambient: PathBuf,
    /// Whether it needs the machine's libraries.
    pub linked: bool,
}

/// A process of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// That of its parent.
    pub parent: i32,
    /// Its arguments, joined with blanks.
    pub line: String,
}

impl Lab {
    /// Looks at the program.
    pub fn new(ambient: &Path) -> Result<Self, String> {
        let bytes = fs::read(ambient).map_err(|e| format!("{}: {e}", ambient.display()))?;
        // The name of the dynamic loader stands in the first page of a program that has one (elf(5), PT_INTERP).
        let linked = bytes[..bytes.len().min(4096)].windows(8).any(|w| w == b"ld-linux");
        Ok(Self { ambient: ambient.to_owned(), linked })
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Result<Ended, String> {
        ended(Command::new(&self.ambient).args(arguments))
    }

    /// Names a sandbox; nothing is started.
    pub fn sandbox(&self, name: &str) -> Sandbox<'_> {
        Sandbox { lab: self, name: name.to_owned() }
    }

    /// Ends all sandboxes, and what sections left in their folders.
    pub fn clear(&self) {
        let _ = self.run(&["sandbox", "down", "--all"]);
        let _ = fs::remove_dir_all(Path::new(stage::OWN).join("work"));
    }

    /// Makes an empty folder.
    pub fn folder(&self, name: &str) -> Result<PathBuf, String> {
        let path = Path::new(stage::OWN).join("work").join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }
}

/// Writes a file.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// A sandbox, which ends with this variable.
pub struct Sandbox<'a> {
    lab: &'a Lab,
    /// Its name.
    pub name: String,
}

impl Sandbox<'_> {
    /// Makes a command on it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.lab.ambient);
        command.arg(format!("--sandbox={}", self.name)).args(arguments);
        command
    }

    /// Runs a command on it.
    pub fn run(&self, arguments: &[&str]) -> Result<Ended, String> {
        ended(&mut self.command(arguments))
    }

    /// Starts it with manifests.
    pub fn up(&self, manifests: &Path) -> Result<Ended, String> {
        self.run(&["sandbox", "up", "-f", &manifests.display().to_string()])
    }

    /// Starts it with manifests and variables; an error unless all is well.
    pub fn up_well_with(&self, manifests: &Path, variables: &[(&str, &str)]) -> Result<Ended, String> {
        let mut command = self.command(&["sandbox", "up", "-f", &manifests.display().to_string()]);
        let up = ended(command.envs(variables.iter().copied()))?;
        if up.ok() { Ok(up) } else { Err(format!("up: exit {}: {}", up.code, up.all())) }
    }

    /// Starts it with manifests; an error unless all is well.
    pub fn up_well(&self, manifests: &Path) -> Result<Ended, String> {
        let up = self.up(manifests)?;
        if up.ok() { Ok(up) } else { Err(format!("up: exit {}: {}", up.code, up.all())) }
    }

    /// Ends it.
    pub fn down(&self) -> Result<Ended, String> {
        self.run(&["sandbox", "down"])
    }

    /// Runs a program in a pod.
    pub fn exec(&self, pod: &str, program: &[&str]) -> Result<Ended, String> {
        self.run(&[&["sandbox", "exec", pod, "--"], program].concat())
    }

    /// Asks from a pod; the answer, or why there is none.
    pub fn ask(&self, pod: &str, url: &str) -> Result<Value, String> {
        let ended = self.exec(pod, &["ambient", "sandbox", "app", "get", url])?;
        if ended.ok() { Ok(ended.json()) } else { Err(ended.all()) }
    }

    /// Runs a command and reads its output as JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<Value, String> {
        let ended = self.run(arguments)?;
        serde_json::from_str(&ended.out).map_err(|e| format!("{}: {e}: {}", arguments.join(" "), ended.all()))
    }

    /// Applies a manifest from standard input.
    pub fn feed(&self, action: &str, text: &str) -> Result<Ended, String> {
        let begun = Instant::now();
        let mut command = self.command(&["sandbox", action, "-f", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("{action} does not start: {e}"))?;
        if let Some(mut input) = child.stdin.take() {
            // It may have refused without reading.
            let _ = input.write_all(text.as_bytes());
        }
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        Ok(Ended::of(&output, begun.elapsed()))
    }

    /// Returns its pods as `sandbox status` tells them, those of one namespace alone.
    pub fn pods(&self, namespace: &str) -> Result<Vec<Value>, String> {
        let all = self.json(&["sandbox", "status", "-o", "json"])?;
        let pods = all[0]["pods"].as_array().cloned().unwrap_or_default();
        Ok(pods.into_iter().filter(|p| p["namespace"] == namespace).collect())
    }

    /// Returns what is wrong with its manifests.
    pub fn problems(&self) -> Result<Vec<String>, String> {
        let all = self.json(&["sandbox", "status", "-o", "json"])?;
        let problems = all[0]["problems"].as_array().cloned().unwrap_or_default();
        Ok(problems.iter().filter_map(|p| p.as_str().map(str::to_owned)).collect())
    }

    /// Lists its processes, its first one first.
    pub fn processes(&self) -> Vec<Process> {
        let first = format!("__sandbox-supervise /run/ambient/sandbox/{} ", self.name);
        let (mut own, mut others): (Vec<Process>, Vec<Process>) =
            processes().into_iter().partition(|p| p.line.contains(&first));
        let mut done = 0;
        while done < own.len() {
            let (children, rest) = others.into_iter().partition(|p: &Process| p.parent == own[done].pid);
            own.extend::<Vec<Process>>(children);
            (others, done) = (rest, done + 1);
        }
        own
    }

    /// Lists those of its processes whose arguments end so.
    pub fn ending_with(&self, end: &str) -> Vec<Process> {
        self.processes().into_iter().filter(|p| p.line.ends_with(end)).collect()
    }

    /// Lists those that play a role.
    pub fn role(&self, name: &str) -> Vec<Process> {
        self.ending_with(&format!("--role {name}"))
    }
}

impl Drop for Sandbox<'_> {
    fn drop(&mut self) {
        let _ = self.down();
    }
}

/// Lists the processes of this machine that are alive.
pub fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let process = |pid: i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|l| !l.is_empty())?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ").trim_end().to_owned();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Fields 3 and 4 of proc_pid_stat(5).
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let zombie = fields.next()? == "Z";
        let parent = fields.next()?.parse().ok()?;
        (!zombie).then_some(Process { pid, parent, line })
    };
    entries.filter_map(|e| process(e.file_name().to_str()?.parse().ok()?)).collect()
}

/// Sends a signal; whoever is gone gets none.
pub fn signal(processes: &[Process], signal: Signal) {
    for process in processes {
        let _ = kill(Pid::from_raw(process.pid), signal);
    }
}

/// Stops processes for as long as this variable lives.
pub struct Stopped(Vec<Process>);

impl Stopped {
    /// Stops them.
    pub fn new(processes: Vec<Process>) -> Self {
        signal(&processes, Signal::SIGSTOP);
        Self(processes)
    }
}

/// Stops the control plane of a sandbox, and not while it writes: whoever is stopped then holds the folder's lock, and nobody
/// else can write.
pub fn stop_agent(sandbox: &Sandbox<'_>) -> Result<Stopped, String> {
    let lock = format!("/run/ambient/sandbox/{}/state/.lock", sandbox.name);
    for _ in 0..100 {
        let stopped = Stopped::new(sandbox.role("agent"));
        let file = fs::File::open(&lock).map_err(|e| format!("{lock}: {e}"))?;
        if file.try_lock_shared().is_ok() {
            return Ok(stopped);
        }
        drop(stopped);
        std::thread::sleep(Duration::from_millis(5));
    }
    Err("the agent always writes".to_owned())
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal(&self.0, Signal::SIGCONT);
    }
}

/// Waits for the end of a child; it is killed when that takes too long.
pub fn end_of(mut child: Child, limit: Duration) -> Result<i32, String> {
    let mut code = None;
    let (done, _) = until(limit, || {
        code = child.try_wait().ok().flatten();
        code.is_some()
    });
    if !done {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("still running after {} s", limit.as_secs()));
    }
    Ok(code.and_then(|c| c.code()).unwrap_or(255))
}

/// Waits a moment.
pub fn pause(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}
