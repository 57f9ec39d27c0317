//! Programs for pods: real ones of the distribution, not written here, our own `echo`, and a client with every tool.
//!
//! `prepare` makes an image once and keeps it in the cache; `Deployment::objects` writes the Kubernetes objects. The
//! acceptance scenarios call both; nothing of this changes the machine outside the cache and the build folder.

mod debian;
mod images;
mod manifest;
#[cfg(test)]
mod tests;

pub use debian::{DebianError, Packages, Root};
pub use images::{ImageError, prepare, prepare_all};
pub use manifest::{Deployment, Place, Probe, list, namespace};

/// What a pod can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum App {
    /// Every client in one image: echo, wrk, iperf3, redis-cli, etcdctl. It serves nothing.
    Client,
    /// Our own test server: HTTP/1.1 and HTTP/2, TCP, server-speaks-first, UDP, bulk.
    Echo,
    /// etcd, a gRPC service with gRPC health checks.
    Etcd,
    /// The iperf3 server.
    Iperf,
    /// nginx, with one worker, keep-alive, and a page of 1 KiB.
    Nginx,
    /// Redis, without persistence.
    Redis,
    /// OpenSMTPD, whose client must wait for the greeting.
    Smtp,
}

/// A port of an app: the container's, and that of its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name on the container and the services; the part before the dash is the protocol, as meshes read it.
    pub name: &'static str,
    /// The port of the plain service, which names its target by number.
    pub service: u16,
    /// The port that the program listens on, in the pod and through the headless service.
    pub container: u16,
    /// Whether it is UDP.
    pub udp: bool,
}

impl Port {
    const fn tcp(name: &'static str, service: u16, container: u16) -> Self {
        Self { name, service, container, udp: false }
    }

    /// Returns the port of the service `NAME-named`, which names its target by name: no number of the pod is in it.
    pub fn named(self) -> u16 {
        self.service + 10_000
    }
}

impl App {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Client, Self::Echo, Self::Etcd, Self::Iperf, Self::Nginx, Self::Redis, Self::Smtp];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Echo => "echo",
            Self::Etcd => "etcd",
            Self::Iperf => "iperf",
            Self::Nginx => "nginx",
            Self::Redis => "redis",
            Self::Smtp => "smtp",
        }
    }

    /// Returns the name of its image.
    pub fn image(self) -> String {
        format!("localhost/test/{}:1", self.name())
    }

    /// Returns its ports, the most important first.
    pub fn ports(self) -> &'static [Port] {
        match self {
            Self::Client => &[],
            Self::Echo => {
                const {
                    &[
                        Port::tcp("http", 80, 8080),
                        Port::tcp("tcp", 7000, 9000),
                        Port::tcp("tcp-first", 7001, 9001),
                        Port { name: "udp", service: 7002, container: 9002, udp: true },
                        Port::tcp("tcp-bulk", 7003, 9003),
                    ]
                }
            }
            Self::Etcd => const { &[Port::tcp("grpc", 2379, 2379)] },
            Self::Iperf => {
                const {
                    &[
                        Port::tcp("tcp-iperf", 5201, 5201),
                        Port { name: "udp-iperf", service: 5201, container: 5201, udp: true },
                    ]
                }
            }
            Self::Nginx => const { &[Port::tcp("http", 80, 8080)] },
            Self::Redis => const { &[Port::tcp("tcp-redis", 6379, 6379)] },
            Self::Smtp => const { &[Port::tcp("tcp-smtp", 25, 2525)] },
        }
    }

    /// Returns the port of this name.
    pub fn port(self, name: &str) -> Option<Port> {
        self.ports().iter().copied().find(|port| port.name == name)
    }
}
