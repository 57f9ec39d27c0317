//! Where proxies are measured: a network namespace of its own with an address for each part, processes with a core each, and
//! what they cost.

use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use identity::ca::{Authority, Pem};
use model::Identity;
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

use crate::accept::chain;

/// Where each part is.
pub const WAYPOINT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
/// The server behind the proxies.
pub const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
/// Envoy.
pub const ENVOY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 3));
/// nginx.
pub const NGINX: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 4));
/// The port of tunnels.
pub const HBONE: u16 = 15008;
/// The namespace of all that is measured.
pub const SPACE: &str = "bench";
/// How long a part may take to be there.
const START: Duration = Duration::from_secs(30);

/// How long the client may take, seconds: more than any measurement.
const SEND: &str = "180";

/// The core of the proxies, and those of server and client.
#[derive(Clone, Copy)]
pub enum Core {
    /// The proxy's.
    Proxy,
    /// The server's.
    Server,
    /// The client's.
    Client,
}

impl Core {
    /// With two cores, client and server share the second.
    fn number(self) -> usize {
        let last = thread::available_parallelism().map_or(1, usize::from) - 1;
        match self {
            Self::Proxy => 0,
            Self::Server => last.min(1),
            Self::Client => last.min(2),
        }
    }
}

/// The namespace, a folder, and an authority that everybody's certificates are of.
pub struct Bed {
    folder: tempfile::TempDir,
    authority: Authority,
    /// The authority's own certificate and key.
    pub pem: Pem,
    load: PathBuf,
}

/// A program that runs; dropped, it ends.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who somebody is.
pub fn identity(account: &str) -> Result<Identity, String> {
    Identity::new("cluster.local", SPACE, account).map_err(chain)
}

impl Bed {
    /// Moves the calling thread, and what it starts, into a network namespace of its own.
    pub fn make(load: PathBuf) -> Result<Self, String> {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|e| format!("no network namespace of its own (run as root): {e}"))?;
        let mut links = vec!["link set lo up".to_owned()];
        links.extend([WAYPOINT, SERVER, ENVOY, NGINX].map(|address| format!("address add {address}/32 dev lo")));
        for link in links {
            let done = Command::new("ip").args(link.split(' ')).status();
            if !done.map_err(|e| format!("ip does not start: {e}"))?.success() {
                return Err(format!("ip {link} failed"));
            }
        }
        let folder = tempfile::tempdir().map_err(chain)?;
        let (authority, pem) = Authority::self_signed("cluster.local").map_err(chain)?;
        Ok(Self { folder, authority, pem, load })
    }

    /// Returns a path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.path(name);
        let failed = |e: std::io::Error| format!("{} cannot be written: {e}", path.display());
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
        fs::write(&path, text).map_err(failed)?;
        Ok(path)
    }

    /// Returns the folder with key and chain of an account, made if it is not there.
    pub fn certificate(&self, account: &str) -> Result<PathBuf, String> {
        let folder = self.path(&format!("certificates/{account}"));
        if folder.exists() {
            return Ok(folder);
        }
        let key = rcgen::KeyPair::generate().map_err(chain)?;
        let request = rcgen::CertificateParams::new(Vec::new()).and_then(|p| p.serialize_request(&key)?.pem());
        let lifetime = Duration::from_secs(24 * 3600);
        let signed = self.authority.sign(&request.map_err(chain)?, &identity(account)?, lifetime).map_err(chain)?;
        let name = |file: &str| format!("certificates/{account}/{file}");
        self.write(&name("chain.pem"), signed.first().ok_or("no certificate")?)?;
        self.write(&name("root.pem"), self.authority.root_pem())?;
        self.write(&name("key.pem"), &key.serialize_pem())?;
        Ok(folder)
    }

    /// Starts a program on a core; it also ends with this one, whatever becomes of it.
    pub fn start(&self, name: &str, core: Core, program: &mut Command) -> Result<Process, String> {
        let log = self.path(&format!("{name}.log"));
        let open = || File::create(&log).map_err(|e| format!("{} cannot be written: {e}", log.display()));
        let mut command = pinned(core, program);
        command.stdin(Stdio::null()).stdout(open()?).stderr(File::options().append(true).open(&log).map_err(chain)?);
        let child = command.spawn().map_err(|e| format!("{command:?} does not start: {e}"))?;
        Ok(Process { child, log })
    }

    /// Returns the command of the program that sends requests and answers them.
    pub fn load(&self, part: &str) -> Command {
        let mut command = Command::new(&self.load);
        command.arg(part);
        command
    }

    /// Sends requests; returns what came of them.
    pub fn send(&self, arguments: &[String]) -> Result<Value, String> {
        let mut bounded = Command::new("timeout");
        bounded.args(["--signal=KILL", SEND]).arg(&self.load).arg("run").args(arguments);
        let mut command = pinned(Core::Client, &bounded);
        let output = command.output().map_err(|e| format!("{command:?} does not start: {e}"))?;
        let said = || format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        let told: Value =
            serde_json::from_slice(&output.stdout).map_err(|_| format!("{} ({})", said(), output.status))?;
        match told["failed"].as_u64() {
            Some(0) => Ok(told),
            _ => Err(format!("{arguments:?}: {} requests failed: {}", told["failed"], told["error"])),
        }
    }

    /// Waits until a way is served without failures.
    pub fn served(&self, arguments: &[String]) -> Result<(), String> {
        let mut all = arguments.to_vec();
        all.extend(["--seconds".to_owned(), "0.05".to_owned()]);
        let begun = Instant::now();
        loop {
            match self.send(&all) {
                Err(error) if begun.elapsed() > START => return Err(format!("never served: {error}")),
                Ok(told) if told["requests"].as_u64().unwrap_or(0) > 0 => return Ok(()),
                _ => thread::sleep(Duration::from_millis(100)),
            }
        }
    }
}

/// Makes a command run on a core, and end with this process.
pub fn pinned(core: Core, program: &Command) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "taskset", "--cpu-list", &core.number().to_string()]);
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

impl Process {
    /// Returns the processor time that its threads have had.
    pub fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let spent = tasks.filter_map(|task| {
            // Nanoseconds, where `stat` has hundredths of a second.
            fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(spent.sum())
    }

    /// Returns its resident memory, and how much of that is mapped from files, MB.
    pub fn resident(&self) -> Value {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let size = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib: Option<f64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            kib.map(|kib| kib * 1024.0 / 1e6)
        };
        json!({ "all": size("VmRSS"), "mapped": size("RssFile") })
    }

    /// Returns the last that it said.
    pub fn said(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

/// Returns an address with a port.
pub fn at(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}

/// Returns the path of a file as text.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}
