//! Debian packages that a cluster needs, installed when their files are missing.

use std::{path::Path, time::Duration};

use crate::cluster::command::{Error, command, finish, progress};

/// Packages of Debian and Ubuntu, each with the places where its file may be: another source of it is as good.
const PACKAGES: [(&str, &[&str]); 9] = [
    ("etcd-server", &["/usr/bin/etcd", "/usr/local/bin/etcd"]),
    ("containerd", &["/usr/bin/containerd", "/usr/local/bin/containerd"]),
    ("runc", &["/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc", "/usr/local/bin/runc"]),
    ("containernetworking-plugins", &["/usr/lib/cni/bridge"]),
    ("iproute2", &["/usr/sbin/ip", "/sbin/ip", "/bin/ip"]),
    ("iptables", &["/usr/sbin/iptables", "/sbin/iptables"]),
    ("conntrack", &["/usr/sbin/conntrack"]),
    ("gcc", &["/usr/bin/gcc"]),
    ("libc6-dev", &["/usr/lib/x86_64-linux-gnu/libc.a", "/usr/lib/aarch64-linux-gnu/libc.a"]),
];

/// Installs the packages that are missing.
pub fn ready() -> Result<(), Error> {
    let there = |places: &[&str]| places.iter().any(|place| Path::new(place).exists());
    let missing: Vec<&str> =
        PACKAGES.into_iter().filter(|(_, places)| !there(places)).map(|(package, _)| package).collect();
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

/// Installs packages.
pub fn install(packages: &[&str]) -> Result<(), Error> {
    progress(&format!("installing {}", packages.join(", ")), || {
        let apt = |arguments: &[&str]| {
            let mut apt = command("apt-get", arguments);
            apt.env("DEBIAN_FRONTEND", "noninteractive");
            finish(&mut apt, &[], Duration::from_secs(1200)).map(drop)
        };
        apt(&["update", "-qq"])?;
        apt(&[&["install", "-y", "-qq", "--no-install-recommends"], packages].concat())
    })
}
