//! First processes of namespaces, and the way into them.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use net::netns::Netns;
use net::process::{self, Network, StartError, enter_namespaces};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// Ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdout(Stdio::piped());
    command
}

fn output(mut child: Child) -> String {
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    text
}

/// Waits for the first line that the process says.
fn first_line(child: &mut Child) -> (String, BufReader<std::process::ChildStdout>) {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    (line, out)
}

fn namespaces(of: &str) -> Vec<String> {
    let link = |name| std::fs::read_link(format!("/proc/{of}/ns/{name}")).unwrap().to_string_lossy().into_owned();
    ["ipc", "uts", "net", "mnt"].map(link).into()
}

const SHOW: &str = "for n in ipc uts net mnt; do readlink /proc/self/ns/$n; done";

#[test]
fn a_process_is_the_first_of_its_namespaces() {
    assert_eq!(output(process::start(&mut shell("echo $$"), Network::Same).unwrap()), "1\n");
    let ours = namespaces("thread-self");
    let shown = |network| -> Vec<String> {
        output(process::start(&mut shell(SHOW), network).unwrap()).lines().map(str::to_owned).collect()
    };
    let netns = Netns::create().unwrap();
    let theirs = [shown(Network::Same), shown(Network::New), shown(Network::Of(&netns))];
    for theirs in &theirs {
        assert!([0, 1, 3].iter().all(|i| theirs[*i] != ours[*i]), "{theirs:?}");
    }
    assert_eq!(theirs[0][2], ours[2]);
    assert!(![&ours[2], &netns.id().to_string()].contains(&&theirs[1][2]));
    assert_eq!(theirs[2][2], netns.id().to_string());
    // The caller is where it was, also for what it starts.
    assert_eq!(namespaces("thread-self"), ours);
    assert_ne!(output(shell("echo $$").spawn().unwrap()), "1\n");
    let error = process::start(&mut Command::new("/nonexistent"), Network::New).unwrap_err();
    assert!(matches!(error, StartError::Command { .. }));
}

#[test]
fn with_it_its_descendants_end() {
    let mut child =
        process::start(&mut shell("sleep 1000 & (sleep 1000 & echo up; wait) & wait"), Network::New).unwrap();
    let (line, mut out) = first_line(&mut child);
    assert_eq!(line, "up\n");
    child.kill().unwrap();
    child.wait().unwrap();
    // Each of them holds the pipe; with the last it ends, and until then a read would wait.
    fcntl(out.get_ref(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    assert_eq!(out.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn proc_is_its_own_and_mounts_stay_inside() {
    let before = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mut command = shell("readlink /proc/self; mount -t tmpfs none /mnt && grep -c ' /mnt tmpfs' /proc/self/mounts");
    // SAFETY: the closure makes one system call.
    unsafe { command.pre_exec(process::mount_proc) };
    let shown = output(process::start(&mut command, Network::New).unwrap());
    // The shell is 1, its first child 2.
    assert_eq!(shown, "2\n1\n");
    assert_eq!(std::fs::read_to_string("/proc/self/mounts").unwrap(), before);
}

/// A command of a process that entered the namespaces of another: after a fork it has one thread.
fn inside(pid: u32, script: &str) -> std::io::Result<Child> {
    let mut command = shell(script);
    // SAFETY: allocates, which glibc allows between fork and exec; takes no lock of ours.
    unsafe { command.pre_exec(move || enter_namespaces(pid).map_err(std::io::Error::other)) };
    command.spawn()
}

#[test]
fn another_one_enters_its_namespaces() {
    let mut first = Process(process::start(&mut shell("echo up; sleep 1000 & wait"), Network::New).unwrap());
    first_line(&mut first.0);
    let pid = first.0.id();
    // The last line is from a child, which is in the namespace of processes as well.
    let text = output(inside(pid, &format!("{SHOW}; pwd; sh -c 'echo $$'; true")).unwrap());
    let mut lines: Vec<&str> = text.lines().collect();
    let number: u32 = lines.pop().unwrap().parse().unwrap();
    assert!(number < 20, "{number}");
    assert_eq!(lines.pop(), Some("/"));
    assert_eq!(lines, namespaces(&pid.to_string()));
}

#[test]
fn another_one_enters_as_root_of_its_user_namespace() {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "--mount", "sh", "-c", "echo up; exec sleep 1000"]);
    let mut first = Process(command.stdout(Stdio::piped()).spawn().unwrap());
    first_line(&mut first.0);
    let pid = first.0.id();
    let text = output(inside(pid, "readlink /proc/self/ns/user; readlink /proc/self/ns/net; id -u; id -g").unwrap());
    let link = |name| std::fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap().to_string_lossy().into_owned();
    assert_eq!(text, format!("{}\n{}\n0\n0\n", link("user"), link("net")));
    // This process has many threads.
    let error = enter_namespaces(pid).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot enter the user namespace of process {pid}"));
}

#[test]
fn who_is_gone_has_no_namespaces() {
    let error = enter_namespaces(u32::MAX).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot open the user namespace of process {}", u32::MAX));
}
