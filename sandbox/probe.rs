//! Checks of containers, from the node, as a kubelet makes them.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use net::{
    netns::Netns,
    sockets::{self, ConnectOptions, Family},
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};
use tracing::debug;

use crate::spec::{Action, Probe};

/// Which check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Whether it is through with starting.
    Startup,
    /// Whether it takes traffic.
    Readiness,
    /// Whether it is to be started anew.
    Liveness,
}

/// What happens to a pod besides the news of its processes.
pub enum Event {
    /// A check's verdict changed: of which container, in which of its lives.
    Verdict(usize, u32, Check, bool),
    /// A check runs a program.
    Exec(String, usize, Vec<String>, oneshot::Sender<bool>),
    /// It took too long.
    Kill(String),
}

/// Runs one check of a container again and again.
pub struct Prober {
    /// Where it checks from.
    pub netns: Netns,
    /// The pod's address.
    pub address: IpAddr,
    /// Where it tells.
    pub events: mpsc::Sender<Event>,
    /// The container, by its place in the pod.
    pub container: usize,
    /// How often that was started again before.
    pub life: u32,
    /// Which check.
    pub check: Check,
    /// What programs that it runs are called.
    pub name: String,
    /// The check.
    pub probe: Probe,
}

impl Prober {
    /// Checks until nobody listens.
    pub async fn run(self) {
        sleep(self.probe.delay).await;
        let (mut good, mut bad) = (0, 0);
        let mut verdict = None;
        let begun = Instant::now();
        loop {
            let outcome = self.once().await;
            if let Err(reason) = &outcome {
                debug!(check = self.name, reason, "a check failed");
            }
            (good, bad) = if outcome.is_ok() { (good + 1, 0) } else { (0, bad + 1) };
            // A start is looked at more often than is asked for, so its failures are counted by time.
            let patient = self.check == Check::Startup && begun.elapsed() < self.probe.period * self.probe.failures;
            let now = match (good >= self.probe.successes, bad >= self.probe.failures && !patient) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => verdict,
            };
            if now != verdict {
                verdict = now;
                let told = Event::Verdict(self.container, self.life, self.check, now == Some(true));
                if self.events.send(told).await.is_err() {
                    return;
                }
                // One success is all that is asked of a start.
                if self.check == Check::Startup && now == Some(true) {
                    return;
                }
            }
            // Until it was ready once a container is looked at more often: somebody waits for it.
            let eager = self.check != Check::Liveness && verdict != Some(true);
            let pause = if eager { Duration::from_millis(50).min(self.probe.period) } else { self.probe.period };
            sleep(if eager && bad > 20 { self.probe.period } else { pause }).await;
        }
    }

    async fn once(&self) -> Result<(), String> {
        let Action::Exec(argv) = &self.probe.action else {
            return check(&self.netns, self.address, &self.probe.action, self.probe.timeout).await;
        };
        let (reply, answer) = oneshot::channel();
        let event = Event::Exec(self.name.clone(), self.container, argv.clone(), reply);
        self.events.send(event).await.map_err(|_| "gone".to_owned())?;
        match timeout(self.probe.timeout, answer).await {
            Ok(Ok(true)) => Ok(()),
            Ok(_) => Err("did not end with 0".to_owned()),
            Err(_) => {
                let _ = self.events.send(Event::Kill(self.name.clone())).await;
                Err("took too long".to_owned())
            }
        }
    }
}

/// Checks once from this namespace; `Exec` is not for here.
///
/// # Errors
/// What was wrong, in a few words.
async fn check(netns: &Netns, address: IpAddr, action: &Action, limit: Duration) -> Result<(), String> {
    let attempt = async {
        match action {
            Action::Tcp(port) => connect(netns, (address, *port).into()).await.map(drop),
            Action::Http { port, path, headers } => request(netns, (address, *port).into(), path, headers).await,
            Action::Exec(_) => Err("not a check from outside".to_owned()),
        }
    };
    timeout(limit, attempt).await.unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs())))
}

async fn connect(netns: &Netns, to: SocketAddr) -> Result<TcpStream, String> {
    let options = ConnectOptions::default();
    let socket = sockets::tcp_socket(Some(netns), Family::from(to), &options).map_err(|e| runtime::error::chain(&e))?;
    sockets::connect(socket, to).await.map_err(|e| format!("{to}: {e}"))
}

async fn request(netns: &Netns, to: SocketAddr, path: &str, headers: &[(String, String)]) -> Result<(), String> {
    let stream = connect(netns, to).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let driver = tokio::spawn(connection);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let own_host = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
    let mut request = Request::get(path).header("user-agent", "ambient-sandbox").header("connection", "close");
    if !own_host {
        request = request.header("host", to.to_string());
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
    let answer = sender.send_request(request).await;
    driver.abort();
    match answer.map_err(|e| e.to_string())?.status().as_u16() {
        200..=399 => Ok(()),
        status => Err(format!("answered {status}")),
    }
}
