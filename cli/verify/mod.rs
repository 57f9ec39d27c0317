//! `ambient verify`: whether traffic is mTLS, told from live evidence and never from labels.
//!
//! Evidence is what both ztunnels list of a connection (way, identities, handshake), the certificates they hold, a probe that
//! takes the way of the pod's own connections, and a probe in the clear.

mod certificate;
mod evidence;
mod judge;
mod scope;
mod target;
mod waypoint;

use std::collections::BTreeSet;

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

Exit codes: 0 secured, 1 not secured, 2 unknown; 3 the command itself failed, or was used wrongly.

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
    /// All namespaces that are enrolled, or have a captured pod
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
    let namespace = global.namespace.as_deref().filter(|_| !args.all_namespaces);
    if args.source.is_none() && namespace.is_none() && !args.all_namespaces {
        return Err(Error::usage("nothing to verify").hint("name SRC and DST:PORT, or a namespace with -n, or -A"));
    }
    let cluster = Cluster::connect(global).await?;
    let progress = Progress::new(screen);
    let mesh = Mesh::read(&cluster).await?;
    if let Some(name) = namespace.filter(|name| !mesh.modes.knows(name)) {
        return Err(Error::user(format!("there is no namespace {name}")));
    }
    let pairs = match (&args.source, &args.destination) {
        (Some(source), Some(destination)) => scope::named(&mesh, source, destination, namespace)?,
        _ => scope::within(&mesh, namespace),
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
        let concerned = match namespace {
            Some(name) => BTreeSet::from([name]),
            None => scope::concerned(&mesh.modes, &mesh.pods, |pod| mesh.serves(pod)),
        };
        rows.extend(mesh.uncaptured(&concerned));
        rows.retain(|row| !row.evidence.is_empty());
        rows.sort_by(|a, b| (&a.source, &a.destination).cmp(&(&b.source, &b.destination)));
    }
    progress.clear();
    let verdict = judge::overall(&rows);
    let shown = match args.output {
        Format::Table => show(&rows, verdict, screen),
        format => screen.data(format, &Answer { verdict, rows: &rows }),
    };
    screen.answered(shown, verdict.exit_code())
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
