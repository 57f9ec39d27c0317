//! `ambient sandbox demo`: the operator's story on a sandbox of its own. Each step is a command as an operator types it, and
//! what was seen of its effect: on the wire, at the server, in the logs. A claim that does not hold ends the story.

mod measure;
mod steps;
mod waypoint;

use std::{
    io::BufRead,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ::sandbox::place::Settings;

use crate::{
    args::Global,
    cluster::Cluster,
    error::Error,
    sandbox::{new_name, up},
    screen::{Screen, Tone, progress::Progress},
};

/// The name of the demo's sandbox.
const NAME: &str = "demo";
/// How long the sandbox may take to start.
const START: Duration = Duration::from_secs(30);

/// Show what the mesh does, step by step
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
#[command(after_help = "Every claim is measured: exit code 1, with the step, when one does not hold.

Examples:
  ambient sandbox
  ambient sandbox demo --pause    wait for Enter before each step
  ambient sandbox demo --keep     leave it running: `ambient --sandbox=demo status`")]
pub struct Demo {
    /// Wait for Enter before each step
    #[arg(long)]
    pause: bool,
    /// Leave the sandbox running
    #[arg(long)]
    keep: bool,
    /// Run in a user namespace although root could do without
    #[arg(long)]
    rootless: bool,
}

/// The story so far.
struct Story<'a> {
    screen: &'a Screen,
    pause: bool,
    begun: Instant,
    step: usize,
    name: String,
    cluster: Cluster,
    program: PathBuf,
}

/// What a command said.
struct Output {
    code: i32,
    out: String,
    err: String,
}

/// Runs `demo`.
pub async fn run(args: Demo, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let begun = Instant::now();
    let name = new_name(global, NAME);
    let settings = Settings { name: name.clone(), nodes: 2, manifests: vec![], rootless: args.rootless };
    screen.say(screen.paint(Tone::Strong, "A service mesh on this machine, without Kubernetes: two nodes, one shop."));
    screen.say(format!(
        "The commands are for sandbox {name}; to type them as well, keep it with --keep, and add --sandbox={name}."
    ));
    let mut interrupt = up::interrupts()?;
    let mut started = up::or_interrupted(up::start(&settings), &mut interrupt).await?;
    let place = started.place.clone();
    let told = async {
        let cluster = Cluster::sandbox(&place, global).await?;
        let program = std::env::current_exe().map_err(|e| Error::internal("cannot find this program").caused_by(&e))?;
        let mut story = Story { screen, pause: args.pause, begun, step: 0, name: name.clone(), cluster, program };
        story.title("Start: two nodes, each with its node agent and node proxy, and a control plane");
        story.command(&["sandbox", "up", "--nodes", "2"]);
        let pods = up::until_ready(&story.cluster, START, &Progress::silent()).await?;
        story.seen(format!("{pods} pods of the mesh are ready, {}", started.mode));
        steps::tell(&mut story).await
    };
    let outcome = tokio::select! {
        biased;
        _ = interrupt.recv() => Err(Error::interrupted()),
        outcome = told => outcome,
    };
    let outcome = up::or_interrupted(outcome, &mut interrupt).await;
    if args.keep {
        started.let_go();
    }
    if args.keep && outcome.is_ok() {
        screen.say(format!(
            "The sandbox goes on: `ambient --sandbox={name} status`, and `ambient --sandbox={name} sandbox down` ends it."
        ));
    } else if !args.keep {
        let ended = place.end();
        ended.map_err(|e| Error::user("the sandbox does not end").caused_by(&e))?;
    }
    outcome?;
    screen.say(format!("{} told and measured in {:.1} s", screen.mark(true), begun.elapsed().as_secs_f64()));
    Ok(0)
}

impl Story<'_> {
    /// Begins a step.
    fn title(&mut self, text: &str) {
        self.step += 1;
        if self.pause && self.step > 1 {
            self.screen.say("   (Enter goes on)");
            let _ = std::io::stdin().lock().read_line(&mut String::new());
        }
        let time = format!("{:5.1} s", self.begun.elapsed().as_secs_f64());
        self.screen.say("");
        self.screen.say(self.screen.paint(Tone::Strong, &format!("{}  {text}  [{}]", self.step, time.trim())));
    }

    /// Shows a command.
    fn command(&self, arguments: &[&str]) {
        let quoted: Vec<String> = arguments
            .iter()
            .map(|a| match a.is_empty() || a.contains(|c: char| c.is_whitespace() || "?&;|<>*'\"".contains(c)) {
                true => format!("'{a}'"),
                false => (*a).to_owned(),
            })
            .collect();
        self.screen.say(format!("   $ ambient {}", quoted.join(" ")));
    }

    /// Says what was seen.
    fn seen(&self, text: impl AsRef<str>) {
        self.screen.say(format!("   {} {}", self.screen.mark(true), text.as_ref()));
    }

    /// Says what was seen, and is no good.
    fn alas(&self, text: impl AsRef<str>) {
        self.screen.say(format!("   {} {}", self.screen.paint(Tone::Warn, "!"), text.as_ref()));
    }

    /// The failure of a claim.
    fn failed(&self, what: impl AsRef<str>) -> Error {
        Error::user(format!("step {}: {}", self.step, what.as_ref())).hint(format!(
            "with --keep the sandbox stays, and `ambient --sandbox={} sandbox logs ztunnel` tells more",
            self.name
        ))
    }

    /// Shows a command and runs it.
    async fn run(&self, arguments: &[&str]) -> Result<Output, Error> {
        self.command(arguments);
        self.quietly(arguments, None).await
    }

    /// Runs a command on the demo's sandbox.
    async fn quietly(&self, arguments: &[&str], input: Option<&str>) -> Result<Output, Error> {
        use tokio::io::AsyncWriteExt;
        let internal = |e: std::io::Error| Error::internal("a command cannot be run").caused_by(&e);
        let mut command = tokio::process::Command::new(&self.program);
        command
            .arg(format!("--sandbox={}", self.name))
            .args(arguments)
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(internal)?;
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            stdin.write_all(input.as_bytes()).await.map_err(internal)?;
        }
        let output = child.wait_with_output().await.map_err(internal)?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
        Ok(Output { code: output.status.code().unwrap_or(1), out: text(output.stdout), err: text(output.stderr) })
    }

    /// Applies manifests, which the binary has within.
    async fn apply(&self, file: &str, text: &str) -> Result<(), Error> {
        self.command(&["sandbox", "apply", "-f", file]);
        let output = self.quietly(&["sandbox", "apply", "-f", "-"], Some(text)).await?;
        self.good(&output, &format!("{file} cannot be applied"))
    }

    /// Starts a program in a pod that runs beside the story.
    fn beside(&self, arguments: &[&str]) -> Result<Child, Error> {
        let mut command = Command::new(&self.program);
        command
            .arg(format!("--sandbox={}", self.name))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command.spawn().map_err(|e| Error::internal("a command cannot be run").caused_by(&e))
    }

    /// Fails unless a command went well.
    fn good(&self, output: &Output, what: &str) -> Result<(), Error> {
        match output.code {
            0 => Ok(()),
            code => Err(self.failed(format!("{what} (exit code {code})")).because(output.err.clone())),
        }
    }
}
