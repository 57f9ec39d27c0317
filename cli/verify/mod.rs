//! `ambient verify`: whether traffic is mTLS, told from live evidence and never from labels.
//!
//! Evidence is what both ztunnels list of a connection (way, identities, handshake), the certificates they hold, a probe that
//! takes the way of the pod's own connections, and a probe in the clear.

mod evidence;
mod judge;
mod target;

use futures::{StreamExt, stream};
use serde::Serialize;

use crate::{
    args::{Format, Global},
    cluster::Cluster,
    error::Error,
    screen::{Screen, Tone, progress::Progress, table::Table},
};
use evidence::Mesh;
use judge::{Row, Verdict, Weight};
use target::{Destination, Endpoint};

/// Pairs that are looked at together.
const AT_ONCE: usize = 8;
/// Endpoints of one service that are each probed.
const ENDPOINTS: usize = 16;

/// Prove from live evidence whether traffic is mTLS
#[derive(Debug, clap::Args)]
#[command(after_help = "SRC and DST are [pod/|deploy/|svc/]NAME[.NAMESPACE]; without a namespace, that of -n.

A row is secured when a connection was seen on both ztunnels with both identities (or within one
ztunnel, for two pods of a node) and nothing speaks against it. Probes open a connection and send
nothing.

Exit codes: 0 secured, 1 not secured, 2 unknown.

Examples:
  ambient verify deploy/web.shop svc/cart.shop:8080
  ambient verify web-0.shop cart-0.shop:8080 -o json
  ambient verify -n shop                        every pod of a namespace
  ambient verify -n shop --passive              open connections alone, nothing is probed")]
pub struct Args {
    /// Who connects
    #[arg(value_name = "SRC", requires = "destination")]
    source: Option<String>,
    /// Where to; without a port, every TCP port it declares
    #[arg(value_name = "DST[:PORT]")]
    destination: Option<String>,
    /// All namespaces with enrolled pods
    #[arg(long, short = 'A', conflicts_with_all = ["source", "destination"])]
    all_namespaces: bool,
    /// Open no connections, look only at those there are
    #[arg(long)]
    passive: bool,
    /// How to write the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

#[derive(Serialize)]
struct Answer<'a> {
    verdict: Verdict,
    rows: &'a [Row],
}

/// Runs the command.
pub async fn run(args: Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let namespace = global.namespace.as_deref();
    if args.source.is_none() && namespace.is_none() && !args.all_namespaces {
        return Err(Error::usage("nothing to verify").hint("name SRC and DST:PORT, or a namespace with -n, or -A"));
    }
    let cluster = Cluster::connect(global).await?;
    let progress = Progress::new(screen);
    let mesh = Mesh::read(&cluster).await?;
    let pairs = match (&args.source, &args.destination) {
        (Some(source), Some(destination)) => named(&mesh, source, destination, namespace)?,
        _ => within(&mesh, namespace),
    };
    let mut work = stream::iter(pairs.iter().map(|pair| mesh.examine(pair, !args.passive))).buffered(AT_ONCE);
    let mut rows: Vec<Row> = Vec::new();
    while let Some(row) = work.next().await {
        rows.push(row);
        progress.set("evidence", rows.len(), pairs.len());
    }
    drop(work);
    if args.source.is_none() {
        rows.extend(mesh.open_connections(namespace));
        rows.extend(mesh.uncaptured(namespace));
        rows.retain(|row| !row.evidence.is_empty());
        rows.sort_by(|a, b| (&a.source, &a.destination).cmp(&(&b.source, &b.destination)));
    }
    progress.clear();
    let verdict = judge::overall(&rows);
    match args.output {
        Format::Table => show(&rows, verdict, screen)?,
        format => screen.data(format, &Answer { verdict, rows: &rows })?,
    }
    Ok(verdict.exit_code())
}

/// Who connects where.
struct Pair {
    source: target::PodRef,
    destination: Destination,
}

fn named(mesh: &Mesh, source: &str, destination: &str, namespace: Option<&str>) -> Result<Vec<Pair>, Error> {
    let sources = target::pods(mesh, source, namespace)?;
    let destinations = target::destinations(mesh, destination, namespace)?;
    let pair = |source: &target::PodRef, destination: &Destination| Pair {
        source: source.clone(),
        destination: destination.clone(),
    };
    Ok(sources.iter().flat_map(|s| destinations.iter().map(move |d| pair(s, d))).collect())
}

/// For every captured pod of a namespace, a client that asks each port it declares: of the same namespace if there is one, and
/// of another node if there is one, since that is where a wire is crossed.
fn within(mesh: &Mesh, namespace: Option<&str>) -> Vec<Pair> {
    let captured: Vec<&target::PodRef> = mesh.pods.iter().filter(|pod| mesh.serves(pod)).collect();
    let concerned = captured.iter().filter(|pod| namespace.is_none_or(|only| only == pod.namespace));
    let mut pairs = Vec::new();
    for pod in concerned {
        let others = captured.iter().filter(|other| other.uid != pod.uid);
        let nearness = |other: &&&target::PodRef| (other.namespace == pod.namespace, other.node != pod.node);
        let Some(client) = others.max_by_key(nearness) else { continue };
        for port in &pod.tcp_ports {
            let endpoint = Endpoint { pod: (*pod).clone(), port: *port };
            let destination =
                Destination { name: format!("{}:{port}", pod.title()), through: None, endpoints: vec![endpoint] };
            pairs.push(Pair { source: (*client).clone(), destination });
        }
    }
    pairs
}

fn show(rows: &[Row], verdict: Verdict, screen: &Screen) -> Result<(), Error> {
    let mut table = Table::new(3, &["SRC", "DST", "SECURED", "CLIENT_ID", "SERVER_ID"]);
    for row in rows {
        let short =
            |identity: &Option<String>| identity.as_deref().unwrap_or("-").trim_start_matches("spiffe://").to_owned();
        let secured = row.verdict.word().to_owned();
        table.row([
            row.source.clone(),
            row.destination.clone(),
            secured,
            short(&row.client_identity),
            short(&row.server_identity),
        ]);
    }
    screen.text(&table.to_string())?;
    for row in rows {
        screen.line("")?;
        screen.line(screen.paint(Tone::Strong, &format!("{} -> {}", row.source, row.destination)))?;
        for finding in &row.evidence {
            let mark = match finding.weight {
                Weight::Proof | Weight::Support => screen.mark(true),
                Weight::Disproof => screen.mark(false),
                Weight::Note => "-".to_owned(),
            };
            screen.line(format!("  {mark} {}", finding.text))?;
        }
    }
    screen.line("")?;
    let (tone, text) = match verdict {
        Verdict::Secured => (Tone::Good, "secured"),
        Verdict::NotSecured => (Tone::Bad, "not secured"),
        Verdict::Refused | Verdict::Unknown => (Tone::Warn, "unknown: no connection was seen that would prove it"),
    };
    screen.line(screen.paint(tone, text))
}
