//! The steps of the story, and what each has to show.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::Child,
    time::{Duration, Instant},
};

use net::wire::Version;
use rand::Rng;

use super::{
    Story,
    measure::{self, field},
};
use crate::{
    error::Error,
    sandbox::{
        inside, up,
        wire::{Seen, Wire},
    },
    screen::progress::Progress,
};

/// The application.
const SHOP: &str = include_str!("../shop.yaml");
/// Somebody outside the mesh.
const STREET: &str = include_str!("../street.yaml");
/// What the operator decides.
const STRICT: &str = include_str!("../strict.yaml");
const POLICY: &str = include_str!("../policy.yaml");
/// How long the application may take to start.
pub const START: Duration = Duration::from_secs(20);
/// How long a policy may take to count.
pub const EFFECT: Duration = Duration::from_secs(3);
/// The pods of the application.
const PODS: [&str; 3] = ["shop/frontend", "shop/orders", "shop/stock"];
/// Its identities.
pub const FRONTEND: &str = "spiffe://cluster.local/ns/shop/sa/frontend";
pub const ORDERS: &str = "spiffe://cluster.local/ns/shop/sa/orders";
const STOCK: &str = "spiffe://cluster.local/ns/shop/sa/stock";
/// The port of the mesh's tunnels.
const HBONE: u16 = 15008;

/// TLS 1.3 (RFC 8446 4.1.2).
const TLS13: Version = Version(0x0304);

/// Tells the story.
pub async fn tell(story: &mut Story<'_>) -> Result<(), Error> {
    application(story).await?;
    let wire = Wire::at(&story.cluster, "node-1").await?;
    in_the_clear(story, &wire).await?;
    let held = hold(story)?;
    enrolment(story, held).await?;
    secured(story, &wire).await?;
    drop(wire);
    strangers(story).await?;
    policy(story).await?;
    super::waypoint::tell(story).await?;
    evidence(story).await
}

async fn application(story: &mut Story<'_>) -> Result<(), Error> {
    story.title("Run an application: a front end on one node asks for orders on the other");
    story.apply("shop.yaml", SHOP).await?;
    up::until_ready(&story.cluster, START, &Progress::silent()).await?;
    let mut placed = Vec::new();
    for name in PODS {
        for pod in story.pods(name).await? {
            let node = pod.spec.and_then(|s| s.node_name).unwrap_or_default();
            placed.push(format!("{} on {node}", name.trim_start_matches("shop/")));
        }
    }
    story.seen(format!("ready: {}", placed.join(", ")));
    Ok(())
}

/// A number that stands for a secret, and that nobody else sends.
fn secret() -> String {
    format!("card-{:012}", rand::rng().random_range(0..1_000_000_000_000_u64))
}

async fn in_the_clear(story: &mut Story<'_>, wire: &Wire) -> Result<(), Error> {
    story.title("Without the mesh: a request with a secret in it");
    let secret = secret();
    let (client, server) = (story.address("shop/frontend").await?, story.address("shop/orders").await?);
    let answer = story.ask("shop/frontend", &format!("http://orders/?pay={secret}")).await?;
    let answer = answer.map_err(|reason| story.failed(format!("orders does not answer: {reason}")))?;
    story.seen(format!("{} answers; it was asked by {}", text(&answer["server"]), text(&answer["client"])));
    let seen = wire.find(|s| s.is_between(client, server) && s.readable(&secret).is_some()).await;
    let seen = seen.ok_or_else(|| story.failed("the request was not seen on the wire between the nodes"))?;
    let line = seen.readable(&secret).unwrap_or_default();
    story.alas(format!("anyone between the nodes reads along: {} > {}", seen.source, seen.destination));
    story.alas(format!("  {line}"));
    Ok(())
}

/// A connection that is open while the namespace is enrolled.
fn hold(story: &Story<'_>) -> Result<Child, Error> {
    let mut held =
        story.beside(&["sandbox", "exec", "shop/frontend", "--", "ambient", "sandbox", "app", "hold", "orders:80"])?;
    let mut line = String::new();
    if let Some(out) = held.stdout.as_mut() {
        // Unbuffered beyond the line: what follows is read at the end.
        let mut byte = [0; 1];
        while out.read(&mut byte).is_ok_and(|n| n == 1) && byte[0] != b'\n' {
            line.push(char::from(byte[0]));
        }
    }
    match line.as_str() {
        "open" => Ok(held),
        _ => Err(story.failed("no connection could be opened before the enrolment")),
    }
}

async fn enrolment(story: &mut Story<'_>, mut held: Child) -> Result<(), Error> {
    story.title("Enrol the namespace, while it works");
    let before = story.lives(&PODS).await?;
    let output = story.run(&["namespace", "add", "shop", "--timeout", "20s"]).await?;
    story.good(&output, "the namespace cannot be enrolled")?;
    let line = output.out.lines().find(|l| l.contains("captured")).unwrap_or_default();
    story.seen(line.trim_start_matches(['✔', ' ']));
    if story.lives(&PODS).await? != before {
        return Err(story.failed("a pod was started anew by the enrolment"));
    }
    // Some exchanges more, through whatever changed.
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(held.stdin.take());
    let mut said = String::new();
    if let Some(out) = held.stdout.take() {
        let _ = BufReader::new(out).read_line(&mut said);
    }
    let ended = held.wait().map_err(|e| Error::internal("cannot wait for a command").caused_by(&e))?;
    if !ended.success() {
        return Err(story.failed("a connection that was open before the enrolment broke"));
    }
    story.seen(format!("no pod was started anew, and a connection from before went on: {}", said.trim()));
    Ok(())
}

async fn secured(story: &mut Story<'_>, wire: &Wire) -> Result<(), Error> {
    story.title("The same request, now inside the mesh");
    let secret = secret();
    let (client, server) = (story.address("shop/frontend").await?, story.address("shop/orders").await?);
    let begun = measure::now();
    let answer = story.ask("shop/frontend", &format!("http://orders/?pay={secret}")).await?;
    let answer = answer.map_err(|reason| story.failed(format!("orders does not answer: {reason}")))?;
    if text(&answer["client"]) != client.to_string() {
        return Err(story.failed(format!("the server sees {} instead of its client {client}", answer["client"])));
    }
    story.seen(format!("{} answers, and still sees its client's own address, {client}", text(&answer["server"])));
    let tunnel = |s: &Seen| s.source == SocketAddr::from((server, HBONE)) && s.destination.ip() == client;
    let found = wire.find(tunnel).await;
    let streams = wire.streams();
    if let Some(clear) = streams.iter().find(|s| s.readable(&secret).is_some()) {
        let line = clear.readable(&secret).unwrap_or_default();
        let (from, to) = (clear.source, clear.destination);
        return Err(story.failed(format!("the secret was readable on the wire: {from} > {to}: {line}")));
    }
    if found.is_none() {
        return Err(story.failed("no tunnel was seen on the wire"));
    }
    // Both node proxies have logged it, so all of it was on the wire.
    let parts = ["direction=\"inbound\"", &format!("src.identity={FRONTEND}"), &server.to_string()];
    let line = story.logged(&parts, &begun).await?;
    let streams = wire.streams();
    // The capture is older than the enrolment, so it has every tunnel from its beginning.
    let mut spoken = None;
    for back in streams.iter().filter(|s| tunnel(s)) {
        let there = streams.iter().find(|s| s.source == back.destination && s.destination == back.source);
        let (Some(answered), Some(_)) = (back.tls(), there.and_then(Seen::tls)) else {
            return Err(story.failed(format!("not all is TLS between {} and {}", back.destination, back.source)));
        };
        match answered.server_hello.filter(|hello| hello.version == TLS13) {
            Some(hello) => spoken = Some((back, hello)),
            None => {
                return Err(
                    story.failed(format!("no TLS 1.3 was agreed between {} and {}", back.destination, back.source))
                );
            }
        }
    }
    let (back, hello) = spoken.ok_or_else(|| story.failed("no tunnel was seen on the wire"))?;
    story.seen(format!("on the wire: {} > {}, {hello}; every byte is encrypted", back.destination, back.source));
    let identities = (field(&line, "src.identity"), field(&line, "dst.identity"));
    if identities != (FRONTEND, ORDERS) {
        return Err(story.failed(format!("the identities are {} and {}", identities.0, identities.1)));
    }
    story.seen(format!("who asked:    {FRONTEND}"));
    story.seen(format!("who answered: {ORDERS}"));
    Ok(())
}

async fn strangers(story: &mut Story<'_>) -> Result<(), Error> {
    story.title("Let nobody in who is not of the mesh");
    story.apply("street.yaml", STREET).await?;
    up::until_ready(&story.cluster, START, &Progress::silent()).await?;
    let url = "http://orders.shop/";
    let before = story.ask("street/passerby", url).await?;
    if let Err(reason) = before {
        return Err(story.failed(format!("a client outside the mesh cannot reach it in mode PERMISSIVE: {reason}")));
    }
    story.alas("a pod outside the mesh gets an answer: the mode is PERMISSIVE, until all clients are enrolled");
    story.apply("strict.yaml", STRICT).await?;
    let took = until_refused(story, "street/passerby", url).await?;
    story.seen(format!("in mode STRICT it is refused, {} ms after the change", took.as_millis()));
    if let Err(reason) = story.ask_quietly("shop/frontend", "http://orders/").await? {
        return Err(story.failed(format!("a client inside the mesh is refused as well: {reason}")));
    }
    let (server, root) = (story.address("shop/orders").await?.to_string(), story.root().await?);
    story.screen.say(
        "   $ ROOT=$(ambient -n shop sandbox get cm istio-ca-root-cert -o json | jq -r '.data[\"root-cert.pem\"]')",
    );
    let shown = ["ambient", "sandbox", "app", "impostor", &server, "--as", FRONTEND];
    story.screen.say(format!("   $ ambient sandbox exec street/passerby -- {} --root \"$ROOT\"", shown.join(" ")));
    let root = format!("--root={root}");
    let arguments = ["ambient", "sandbox", "app", "impostor", &server, "--as", FRONTEND, &root];
    let output = story.quietly(&[&["sandbox", "exec", "street/passerby", "--"], &arguments[..]].concat(), None).await?;
    match output.code {
        0 => story.seen(format!("an impostor with a certificate of its own making is {}", output.out)),
        1 if output.out.starts_with("let in") => {
            return Err(story.failed("an impostor with a certificate of its own making was let in"));
        }
        _ => return Err(story.failed("it cannot be told whether an impostor is let in").because(output.err)),
    }
    Ok(())
}

/// Asks again and again until there is no answer; returns how long that took.
async fn until_refused(story: &Story<'_>, pod: &str, url: &str) -> Result<Duration, Error> {
    let begun = Instant::now();
    loop {
        // When it was asked counts, not when the refusal came.
        let asked = begun.elapsed();
        if story.ask_quietly(pod, url).await?.is_err() {
            return Ok(asked);
        }
        if begun.elapsed() > EFFECT {
            return Err(story.failed(format!("{pod} still gets answers {} s later", EFFECT.as_secs())));
        }
    }
}

async fn policy(story: &mut Story<'_>) -> Result<(), Error> {
    story.title("Decide who may ask whom");
    let url = "http://orders/";
    if let Err(reason) = story.ask("shop/stock", url).await? {
        return Err(story.failed(format!("stock cannot ask orders before the policy: {reason}")));
    }
    story.seen("stock asks orders, and gets an answer");
    let begun = measure::now();
    story.apply("policy.yaml", POLICY).await?;
    let took = until_refused(story, "shop/stock", url).await?;
    story.seen(format!("stock is refused, {} ms after the change", took.as_millis()));
    if let Err(reason) = story.ask_quietly("shop/frontend", url).await? {
        return Err(story.failed(format!("frontend is refused as well: {reason}")));
    }
    story.seen("frontend is not");
    let parts = ["direction=\"inbound\"", &format!("src.identity={STOCK}"), "error="];
    let line = story.logged(&parts, &begun).await?;
    let reason = field(&line, "error");
    if !reason.contains("shop/stock-may-not-ask") {
        return Err(story.failed(format!("the log does not name the policy: {reason}")));
    }
    story.command(&["sandbox", "logs", "ztunnel"]);
    story.seen(format!("the log says why: src.identity={STOCK} error=\"{reason}\""));
    Ok(())
}

async fn evidence(story: &mut Story<'_>) -> Result<(), Error> {
    story.title("Ask for evidence");
    let output = story.run(&["verify", "frontend.shop", "orders.shop:80"]).await?;
    for line in output.out.lines().filter(|l| l.contains('✔') || l.contains('✘')) {
        story.screen.say(format!("   {}", line.trim_start()));
    }
    story.good(&output, "the connection is not secured")?;
    let status = story.run(&["status"]).await?;
    story.good(&status, "the mesh is not well")?;
    let memory: u64 = inside::usage(&story.cluster).await?.iter().map(|l| l.memory_kib).sum();
    story.seen(format!("all is well; the sandbox uses {} MiB of memory", memory / 1024));
    Ok(())
}

/// Returns the text of a field.
pub fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}
