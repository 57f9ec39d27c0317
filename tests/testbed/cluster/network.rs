//! The network of a cluster: a namespace with a bridge, one namespace for each node, and one link to the host.

use std::{
    fmt::Write,
    fs,
    net::IpAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::cluster::{
    command::{self, Error, run, run_with},
    plan::{Plan, node_name},
};

/// The bridge in the namespace of the control plane.
const BRIDGE: &str = "nodes";

/// Settings of a namespace. Node networks forward; the filter of return paths would drop what takes another way back.
const SETTINGS: &str = "\
for setting in ipv4/ip_forward=1 ipv6/conf/all/forwarding=1 ipv6/conf/all/disable_ipv6=0 ipv6/conf/default/disable_ipv6=0 \
ipv4/conf/all/rp_filter=0 ipv4/conf/default/rp_filter=0 ipv6/conf/default/accept_dad=0; do \
file=/proc/sys/net/${setting%=*}; [ ! -e $file ] || echo ${setting#*=} >$file; done";

/// Returns the file that names a network namespace, as `ip netns` finds it.
pub fn namespace(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

/// Makes the namespaces, the bridge, and the links and routes between them.
pub fn make(plan: &Plan) -> Result<(), Error> {
    // Names that are taken, although nothing is known of a cluster: somebody removed its state.
    remove(plan)?;
    for space in spaces(plan) {
        make_namespace(&space)?;
    }
    run_with("ip", &["-n", &plan.space(), "-batch", "-"], &control_links(plan))?;
    for node in 0..plan.options.nodes {
        run_with("ip", &["-n", &plan.node_space(node), "-batch", "-"], &node_links(plan, node))?;
    }
    run_with("ip", &["-batch", "-"], &host_links(plan))?;
    run("ip", &["-n", &plan.space(), "link", "set", "host", "master", BRIDGE, "up"]).map(drop)
}

/// Removes all that `make` made, as far as it is there.
pub fn remove(plan: &Plan) -> Result<(), Error> {
    // The link first: a namespace that dies takes its links away later, when the kernel has time.
    if Path::new("/sys/class/net").join(plan.host_link()).exists() {
        run("ip", &["link", "delete", &plan.host_link()])?;
    }
    for file in spaces(plan).map(|space| namespace(&space)).filter(|file| file.exists()) {
        // It may be mounted more than once: `ip netns add` of others binds the folder on itself with all it holds.
        while run("umount", &["--lazy", &file.display().to_string()]).is_ok() {}
        // Removing the file also ends the mounts that other mount namespaces have a copy of.
        fs::remove_file(&file).map_err(|source| Error::File { path: file, action: "removed", source })?;
    }
    Ok(())
}

/// Returns a process that lives in one of the namespaces, if there is one: its number and the name of its program.
pub fn inhabitant(plan: &Plan) -> Option<(u32, String)> {
    let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let ours: Vec<_> = spaces(plan).filter_map(|space| identity(&namespace(&space))).collect();
    let pids = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let pid = { pids }
        .find(|pid| identity(Path::new(&format!("/proc/{pid}/ns/net"))).is_some_and(|theirs| ours.contains(&theirs)))?;
    Some((pid, fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()))
}

/// Returns whether there is a namespace of any cluster on this machine.
pub fn any() -> bool {
    let mut names = fs::read_dir(namespace("")).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.any(|name| name.to_string_lossy().starts_with("ambient-"))
}

/// Returns whether a network of nodes is in use on this machine, by its number.
pub fn taken(index: u8) -> bool {
    let routes = run("ip", &["-4", "route", "show", "table", "all"]).unwrap_or_default();
    routes.contains(&format!("172.30.{index}."))
        || routes.contains("172.30.0.0/16")
        || Path::new(&format!("/sys/class/net/ambient{index}")).exists()
}

/// Makes a namespace that lasts without a process.
///
/// Not with `ip netns add`: that leaves `/run/netns` mounted on itself, which nobody could tell from another's later.
fn make_namespace(name: &str) -> Result<(), Error> {
    let file = namespace(name);
    command::write(&file, "")?;
    run("unshare", &[&format!("--net={}", file.display()), "sh", "-c", &format!("{SETTINGS}; ip link set lo up")])
        .map(drop)
}

fn spaces(plan: &Plan) -> impl Iterator<Item = String> {
    (0..plan.options.nodes).map(|node| plan.node_space(node)).chain([plan.space()])
}

fn control_links(plan: &Plan) -> String {
    let mut text = format!("link add {BRIDGE} type bridge\nlink set {BRIDGE} up\n");
    addresses(&mut text, BRIDGE, plan.control(), plan);
    for node in 0..plan.options.nodes {
        let (name, space) = (node_name(node), plan.node_space(node));
        let _ = writeln!(
            text,
            "link add {name} type veth peer name eth0 netns {space}\nlink set {name} master {BRIDGE} up"
        );
        routes(&mut text, plan, node);
    }
    // The API server calls webhooks by the address of their service: the first node translates it.
    for (range, via) in plan.services().iter().zip(plan.node(0)) {
        let _ = writeln!(text, "route add {range} via {via}");
    }
    text
}

fn node_links(plan: &Plan, node: usize) -> String {
    let mut text = "link set eth0 up\n".to_owned();
    addresses(&mut text, "eth0", plan.node(node), plan);
    for via in plan.control() {
        let _ = writeln!(text, "route add default via {via}");
    }
    (0..plan.options.nodes).filter(|other| *other != node).for_each(|other| routes(&mut text, plan, other));
    text
}

fn host_links(plan: &Plan) -> String {
    let link = plan.host_link();
    let mut text = format!("link add {link} type veth peer name host netns {}\n", plan.space());
    let _ = writeln!(text, "link set {link} up");
    addresses(&mut text, &link, plan.host(), plan);
    text
}

fn addresses(text: &mut String, link: &str, addresses: Vec<IpAddr>, plan: &Plan) {
    for (address, range) in addresses.into_iter().zip(plan.node_ranges()) {
        // Nobody else can have the address, and a second of waiting for that answer is long.
        let flags = if address.is_ipv6() { " nodad" } else { "" };
        let _ = writeln!(text, "address add {address}/{} dev {link}{flags}", range.bits);
    }
}

fn routes(text: &mut String, plan: &Plan, node: usize) {
    for (range, via) in plan.node_pods(node).iter().zip(plan.node(node)) {
        let _ = writeln!(text, "route add {range} via {via}");
    }
}
