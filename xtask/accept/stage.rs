//! Parts that need a process of their own: a machine apart with its first process, and a root with nothing in it.
//!
//! Called by the acceptance of the sandbox, through the hidden task `stage`. What runs in a machine apart ends with it, by the
//! kernel's hand, and what others do on the real machine meanwhile does not show in it.

use std::{
    ffi::OsString,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
    sys::{
        prctl::set_pdeathsig,
        signal::Signal,
        wait::{WaitStatus, wait},
    },
    unistd::{Gid, Pid, Uid, chdir, pivot_root, setgid, setgroups, setuid},
};

/// Where a machine apart keeps what the acceptance needs.
pub const OWN: &str = "/run/accept";
/// The name that the program under test has there.
pub const PROGRAM: &str = "/run/accept/ambient";
/// Where it shows further programs: pods have a `/run` and a `/tmp` of their own, and this is seen in them.
pub const SHOWN: &str = "/srv";
/// Where a bare root has the program under test.
const BARE: &str = "ambient";
/// What a program of this machine may be linked with.
const LIBRARIES: [&str; 3] = ["lib", "lib64", "usr/lib"];

/// Which part.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    part: Part,
}

#[derive(clap::Subcommand)]
enum Part {
    /// First process of a machine apart
    First {
        /// The program under test, which is shown as [`PROGRAM`]
        program: PathBuf,
        /// Further programs, which are shown in [`SHOWN`] under their own names
        #[arg(long = "with")]
        others: Vec<PathBuf>,
        /// What to run
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Another user, perhaps with a root that holds the program under test and nothing else
    Bare {
        /// Where the root is put together
        #[arg(long)]
        root: Option<PathBuf>,
        /// Whether the root also has the machine's libraries
        #[arg(long)]
        linked: bool,
        /// Whether `/etc/resolv.conf` is there
        #[arg(long)]
        resolv: bool,
        /// The user to be
        #[arg(long, default_value_t = 0)]
        uid: u32,
        /// Arguments of the program
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// The sandbox's story, told by another program on a machine of its own
    Mutant {
        /// The program
        program: PathBuf,
    },
    /// The story on that machine
    Story,
    /// A program in another process's network
    At {
        /// The process
        pid: u32,
        /// What to run
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// A question to a name server, whose answer is printed
    Srv {
        /// The address of the server
        server: std::net::Ipv4Addr,
        /// The name
        name: String,
    },
}

/// Takes the part; most do not return.
pub fn run(args: Args) -> Result<(), String> {
    match args.part {
        Part::First { program, others, command } => first(&program, &others, &command),
        Part::Bare { root, linked, resolv, uid, arguments } => {
            let program = match &root {
                Some(root) => bare(root, linked, resolv).map(|()| Path::new("/").join(BARE))?,
                None => PathBuf::from(PROGRAM),
            };
            become_user(uid)?;
            Err(format!("{}: {}", program.display(), Command::new(&program).args(arguments).exec()))
        }
        Part::Mutant { program } => {
            let status = apart(&program, &[], &["stage".into(), "story".into()])?;
            std::process::exit(status.code().unwrap_or(255));
        }
        Part::Story => Err(format!("{PROGRAM}: {}", Command::new(PROGRAM).arg("sandbox").exec())),
        Part::At { pid, command } => {
            let file = fs::File::open(format!("/proc/{pid}/ns/net")).map_err(|e| format!("process {pid}: {e}"))?;
            setns(file, CloneFlags::CLONE_NEWNET).map_err(|e| format!("the network of process {pid}: {e}"))?;
            Err(format!("{:?}: {}", command[0], Command::new(&command[0]).args(&command[1..]).exec()))
        }
        Part::Srv { server, name } => {
            super::sandbox::names::ask(server, &name).map(|ports| ports.iter().for_each(|p| println!("{p}")))
        }
    }
}

/// Returns a command that runs this program in one of the parts, also where its file is no longer in reach.
pub fn command() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("stage");
    command
}

/// Starts a machine apart: processes, mounts and network of its own, with the program under test and others. Waits for its end.
pub fn apart(program: &Path, others: &[PathBuf], arguments: &[OsString]) -> Result<ExitStatus, String> {
    unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC)
        .map_err(|e| format!("no namespaces, which need root: {e}"))?;
    let mut first = command();
    first.arg("first").arg(program);
    for other in others {
        first.arg("--with").arg(other);
    }
    first.arg("--").args(arguments);
    let mut child = first.spawn().map_err(|e| format!("no first process: {e}"))?;
    eprintln!("the machine of the sandboxes: nsenter -t {} -m -n -p -i", child.id());
    child.wait().map_err(|e| format!("cannot wait: {e}"))
}

fn mounted(kind: &str, at: &str, options: Option<&str>) -> Result<(), String> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some(kind), at, Some(kind), flags, options).map_err(|e| format!("cannot mount {kind} on {at}: {e}"))
}

fn private() -> Result<(), String> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(|e| format!("mounts: {e}"))
}

fn shown(from: &Path, to: &Path) -> Result<(), String> {
    let none: Option<&str> = None;
    mount(Some(from), to, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
        .map_err(|e| format!("cannot show {} on {}: {e}", from.display(), to.display()))
}

fn file<T>(what: &Path, outcome: std::io::Result<T>) -> Result<T, String> {
    outcome.map_err(|e| format!("{}: {e}", what.display()))
}

fn first(program: &Path, others: &[PathBuf], command: &[OsString]) -> Result<(), String> {
    // The kernel ends the whole machine with this process.
    set_pdeathsig(Signal::SIGKILL).map_err(|e| e.to_string())?;
    private()?;
    mounted("proc", "/proc", None)?;
    // By its descriptor: what comes may hide its path.
    let mut from = vec![(file(program, fs::File::open(program))?, PathBuf::from(PROGRAM))];
    for other in others {
        let name = other.file_name().ok_or_else(|| format!("{} is no program", other.display()))?;
        from.push((file(other, fs::File::open(other))?, Path::new(SHOWN).join(name)));
    }
    chdir("/").map_err(|e| e.to_string())?;
    mounted("tmpfs", "/run", Some("mode=755"))?;
    mounted("tmpfs", "/tmp", Some("mode=1777"))?;
    if !others.is_empty() {
        mounted("tmpfs", SHOWN, Some("mode=755"))?;
    }
    let own = Path::new(OWN);
    file(own, fs::create_dir_all(own.join("home")))?;
    for (mut from, to) in from {
        let mut copy = file(&to, fs::File::create(&to))?;
        file(&to, std::io::copy(&mut from, &mut copy))?;
        file(&to, fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o755)))?;
    }
    network()?;
    let mut work = Command::new("/proc/self/exe");
    // No kubeconfig, of whoever runs this, may be in the way.
    work.args(command).env("HOME", own.join("home")).env_remove("KUBECONFIG").env_remove("XDG_RUNTIME_DIR");
    let work = work.spawn().map_err(|e| format!("the work does not start: {e}"))?;
    let work = Pid::from_raw(work.id().cast_signed());
    loop {
        // Orphans come to the first process, and stay as zombies unless they are waited for.
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid == work => std::process::exit(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == work => {
                return Err(format!("the work ended by {signal}"));
            }
            Ok(_) => {}
            Err(error) => return Err(format!("cannot wait: {error}")),
        }
    }
}

/// A network as a machine has it, so that there is something to spoil: a link with an address, a default route, a rule.
fn network() -> Result<(), String> {
    let ip = [
        "link set lo up",
        // The far end stays in the machine: there is no other.
        "link add host0 type veth peer name far0",
        "address add 192.0.2.10/24 dev host0",
        // Addresses that the kernel chooses come late, and would look like a change.
        "link set host0 addrgenmode none",
        "link set far0 addrgenmode none",
        "link set host0 up",
        "link set far0 up",
        "route add default via 192.0.2.1 dev host0",
    ];
    let mut commands: Vec<(&str, Vec<&str>)> = ip.map(|line| ("ip", line.split(' ').collect())).into();
    commands.push(("nft", vec!["add", "table", "inet", "host"]));
    commands.push(("nft", vec!["add chain inet host input { type filter hook input priority 0; }"]));
    for (program, arguments) in commands {
        let ended = super::lab::ended(Command::new(program).args(&arguments))?;
        if !ended.ok() {
            return Err(format!("{program} {}: {}", arguments.join(" "), ended.all()));
        }
    }
    Ok(())
}

/// Puts a root together that has the program under test, what the kernel gives, and no other program; and goes there.
fn bare(root: &Path, linked: bool, resolv: bool) -> Result<(), String> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(|e| format!("no mounts of its own: {e}"))?;
    private()?;
    file(root, fs::create_dir_all(root))?;
    mounted("tmpfs", &root.display().to_string(), Some("mode=755"))?;
    for folder in ["proc", "dev", "tmp", "etc", "home", "run", "old"] {
        file(root, fs::create_dir(root.join(folder)))?;
    }
    for open in ["tmp", "home"] {
        let path = root.join(open);
        file(&path, fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o1777)))?;
    }
    let program = root.join(BARE);
    file(&program, fs::copy(PROGRAM, &program))?;
    mounted("proc", &root.join("proc").display().to_string(), None)?;
    shown(Path::new("/dev"), &root.join("dev"))?;
    for library in LIBRARIES.iter().filter(|_| linked) {
        let (from, to) = (Path::new("/").join(library), root.join(library));
        if from.is_dir() {
            file(&to, fs::create_dir_all(&to))?;
            shown(&from, &to)?;
        }
    }
    if resolv {
        let path = root.join("etc/resolv.conf");
        file(&path, fs::write(&path, "nameserver 192.0.2.53\n"))?;
    }
    // Not chroot: from there the kernel gives no user namespaces (user_namespaces(7)).
    pivot_root(root, &root.join("old")).map_err(|e| format!("no other root: {e}"))?;
    chdir("/").map_err(|e| e.to_string())?;
    umount2("/old", MntFlags::MNT_DETACH).map_err(|e| format!("the old root stays: {e}"))?;
    file(Path::new("/old"), fs::remove_dir("/old"))
}

fn become_user(uid: u32) -> Result<(), String> {
    if uid == 0 {
        return Ok(());
    }
    let failed = |e: nix::errno::Errno| format!("cannot become user {uid}: {e}");
    setgroups(&[]).map_err(failed)?;
    setgid(Gid::from_raw(uid)).map_err(failed)?;
    setuid(Uid::from_raw(uid)).map_err(failed)
}
