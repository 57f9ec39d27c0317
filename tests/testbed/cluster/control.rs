//! The control plane of a cluster: etcd, the API server, the controller manager and the scheduler.

use std::{
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use crate::cluster::{
    command::{self, Error, wait},
    network,
    pki::Pki,
    plan::{Plan, joined},
    process::Records,
};

/// What a program of the control plane needs to start.
pub struct Control<'a> {
    /// The names and addresses.
    pub plan: &'a Plan,
    /// The certificates.
    pub pki: &'a Pki,
    /// The records of processes.
    pub records: &'a Records,
    /// The folder of the programs of Kubernetes.
    pub programs: &'a Path,
    /// The folder of the cluster's state.
    pub state: &'a Path,
}

impl Control<'_> {
    /// Starts etcd and the API server. It answers some seconds later.
    pub fn start(&self) -> Result<(), Error> {
        let data = self.state.join("etcd").display().to_string();
        self.run(
            "etcd",
            "etcd",
            &[
                ("data-dir", &data),
                ("listen-client-urls", "http://127.0.0.1:2379"),
                ("advertise-client-urls", "http://127.0.0.1:2379"),
                ("listen-peer-urls", "http://127.0.0.1:2380"),
                // The data of a test need not outlive the machine, and a disk that others use is slow to answer.
                ("unsafe-no-fsync", "true"),
            ],
        )?;
        let (pki, services) = (self.pki, joined(&self.plan.services()));
        self.run(
            "apiserver",
            &self.program("kube-apiserver"),
            &[
                ("etcd-servers", "http://127.0.0.1:2379"),
                ("advertise-address", &joined(&self.plan.control()[..1])),
                ("secure-port", "6443"),
                ("service-cluster-ip-range", &services),
                ("tls-cert-file", &pki.file("apiserver.crt")),
                ("tls-private-key-file", &pki.file("apiserver.key")),
                ("client-ca-file", &pki.file("ca.crt")),
                ("service-account-key-file", &pki.file("sa.pub")),
                ("service-account-signing-key-file", &pki.file("sa.key")),
                ("service-account-issuer", "https://kubernetes.default.svc.cluster.local"),
                ("authorization-mode", "Node,RBAC"),
                // Servers of further APIs: it proves to them that it is it, and asks their pods.
                ("requestheader-client-ca-file", &pki.file("front.crt")),
                ("requestheader-allowed-names", "front-proxy"),
                ("requestheader-username-headers", "X-Remote-User"),
                ("requestheader-group-headers", "X-Remote-Group"),
                ("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
                ("proxy-client-cert-file", &pki.file("front-proxy.crt")),
                ("proxy-client-key-file", &pki.file("front-proxy.key")),
                ("enable-aggregator-routing", "true"),
                ("kubelet-certificate-authority", &pki.file("ca.crt")),
                ("kubelet-client-certificate", &pki.file("admin.crt")),
                ("kubelet-client-key", &pki.file("admin.key")),
                ("kubelet-preferred-address-types", "InternalIP"),
                ("allow-privileged", "true"),
                ("max-requests-inflight", "3000"),
            ],
        )
    }

    /// Starts what works on the objects of the API server; it must answer already.
    pub fn start_controllers(&self) -> Result<(), Error> {
        let pki = self.pki;
        self.run(
            "controller-manager",
            &self.program("kube-controller-manager"),
            &[
                ("kubeconfig", &pki.file("controller-manager.conf")),
                ("service-account-private-key-file", &pki.file("sa.key")),
                ("root-ca-file", &pki.file("ca.crt")),
                ("cluster-signing-cert-file", &pki.file("ca.crt")),
                ("cluster-signing-key-file", &pki.file("ca.key")),
                ("use-service-account-credentials", "true"),
                // The harness gives the nodes their ranges: it must know them for the routes and the CNI configuration.
                ("allocate-node-cidrs", "false"),
                ("cluster-cidr", &joined(&self.plan.pods())),
                ("service-cluster-ip-range", &joined(&self.plan.services())),
                ("leader-elect", "false"),
            ],
        )?;
        let kubeconfig = pki.file("scheduler.conf");
        self.run(
            "scheduler",
            &self.program("kube-scheduler"),
            &[("kubeconfig", &kubeconfig), ("leader-elect", "false")],
        )
    }

    /// Waits until the API server answers that it is ready.
    pub fn wait(&self, kubectl: impl Fn() -> std::process::Command) -> Result<(), Error> {
        let log = log(self.state, "apiserver");
        let alive = || self.records.named("apiserver").is_some_and(|process| process.alive());
        let ready = || {
            // A connection first: each start of kubectl takes time from the server that it asks.
            let open = self.plan.control().first().is_some_and(|address| {
                TcpStream::connect_timeout(&SocketAddr::new(*address, 6443), Duration::from_millis(500)).is_ok()
            });
            let asked = || command::finish(kubectl().args(["get", "--raw=/readyz"]), &[], Duration::from_secs(10));
            if open && asked().is_ok() {
                return Some(true);
            }
            (!alive()).then_some(false)
        };
        if wait("answer of the API server", Duration::from_secs(120), &log, ready)? {
            return Ok(());
        }
        wait("running API server", Duration::ZERO, &log, || None)
    }

    fn program(&self, name: &str) -> String {
        self.programs.join(name).display().to_string()
    }

    fn run(&self, name: &str, program: &str, flags: &[(&str, &str)]) -> Result<(), Error> {
        let space = format!("--net={}", network::namespace(&self.plan.space()).display());
        let flags: Vec<String> = flags.iter().map(|(flag, value)| format!("--{flag}={value}")).collect();
        let mut words = vec!["nsenter", &space, "--", program];
        words.extend(flags.iter().map(String::as_str));
        self.records.start(name, &log(self.state, name), &words).map(drop)
    }
}

/// Returns the log of a program of the control plane.
pub fn log(state: &Path, name: &str) -> std::path::PathBuf {
    state.join("log").join(format!("{name}.log"))
}
