//! The story's part about layer 7: a waypoint, and what it does with requests.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    Story,
    measure::{self, field},
    steps::{EFFECT, FRONTEND, ORDERS, START, text},
};
use crate::{error::Error, sandbox::up, screen::progress::Progress};

/// The second version of orders, and what is decided about requests.
const NEWER: &str = include_str!("../newer.yaml");
const ROUTES: &str = include_str!("../routes.yaml");
const FAULT: &str = include_str!("../fault.yaml");
const READ_ONLY: &str = include_str!("../read-only.yaml");
/// The waypoint's identity.
const WAYPOINT: &str = "spiffe://cluster.local/ns/shop/sa/waypoint";
/// How long the waypoint may take to start.
const READY: &str = "20s";
/// What an injected fault answers.
const TEAPOT: &str = "answered 418";
/// What a policy answers.
const FORBIDDEN: &str = "answered 403";
const FRONT: &str = "shop/frontend";

/// Tells this part.
pub async fn tell(story: &mut Story<'_>) -> Result<(), Error> {
    hops(story).await?;
    routes(story).await?;
    fault(story).await?;
    policy(story).await
}

async fn hops(story: &mut Story<'_>) -> Result<(), Error> {
    story.title("Put a waypoint in front of the namespace: layer 7, where it is asked for");
    let arguments = ["waypoint", "apply", "-n", "shop", "--enroll-namespace", "--wait", "--timeout", READY];
    let output = story.run(&arguments).await?;
    story.good(&output, "there is no waypoint")?;
    let begun = measure::now();
    let url = "http://orders/";
    let answer = until(story, url, &[], |answer| introduced(answer).is_some()).await?;
    let client = introduced(&answer).unwrap_or_default();
    if client != FRONTEND {
        return Err(story.failed(format!("the waypoint tells the server that {client} asks, and not {FRONTEND}")));
    }
    story.command(&["sandbox", "exec", FRONT, "--", "ambient", "sandbox", "app", "get", url]);
    let out = ["direction=\"outbound\"", &format!("src.identity={FRONTEND}"), &format!("dst.identity={WAYPOINT}")];
    story.logged(&out, &begun).await?;
    // The waypoint keeps its connection for the next request: the server's proxy has it among those that are open.
    let output = story.run(&["ztunnel-config", "connections", "-o", "json"]).await?;
    let pods: Vec<Value> = serde_json::from_str(&output.out).unwrap_or_default();
    let mut inbound = pods.iter().filter_map(|pod| pod["connections"]["inbound"].as_array()).flatten();
    let second = inbound.find(|open| text(&open["srcIdentity"]) == WAYPOINT && text(&open["dstIdentity"]) == ORDERS);
    if second.is_none_or(|open| text(&open["tls"]["version"]) != "TLSv1_3") {
        return Err(story.failed("the proxy of orders has no connection of the waypoint in TLS 1.3"));
    }
    story.seen("three hops, each in mutual TLS, each end with its own identity:");
    story.seen(format!("  {FRONTEND}"));
    story.seen(format!("  {WAYPOINT}"));
    story.seen(format!("  {ORDERS}"));
    story.seen("the server is told who asked, in x-forwarded-client-cert");
    Ok(())
}

async fn routes(story: &mut Story<'_>) -> Result<(), Error> {
    story.title("Try a second version with those who ask for it");
    story.apply("newer.yaml", NEWER).await?;
    up::until_ready(&story.cluster, START, &Progress::silent()).await?;
    let begun = Instant::now();
    story.apply("routes.yaml", ROUTES).await?;
    let (url, header) = ("http://orders/", "x-try:v2");
    until(story, url, &["-H", header], |answer| text(&answer["server"]) == "orders-v2").await?;
    story.command(&["sandbox", "exec", FRONT, "--", "ambient", "sandbox", "app", "get", "-H", header, url]);
    story.seen(format!("with the header orders-v2 answers, {} ms after the change", begun.elapsed().as_millis()));
    let answer = story.ask(FRONT, url).await?.map_err(|reason| story.failed(format!("no answer: {reason}")))?;
    match text(&answer["server"]) {
        "orders" => story.seen("without it orders does, as before"),
        other => return Err(story.failed(format!("{other} answers a request without the header"))),
    }
    Ok(())
}

async fn fault(story: &mut Story<'_>) -> Result<(), Error> {
    story.title("Make something fail on purpose");
    let url = "http://stock/";
    let before = story.ask_quietly(FRONT, url).await?;
    before.map_err(|reason| story.failed(format!("stock does not answer: {reason}")))?;
    story.apply("fault.yaml", FAULT).await?;
    until_told(story, url, TEAPOT).await?;
    story.command(&["sandbox", "exec", FRONT, "--", "ambient", "sandbox", "app", "get", url]);
    story.seen("stock is out of order for everybody who asks, without a change of stock: 418");
    story.command(&["sandbox", "delete", "-f", "fault.yaml"]);
    let output = story.quietly(&["sandbox", "delete", "-f", "-"], Some(FAULT)).await?;
    story.good(&output, "fault.yaml cannot be deleted")?;
    until(story, url, &[], |answer| text(&answer["server"]) == "stock").await?;
    story.seen("and it is back");
    Ok(())
}

async fn policy(story: &mut Story<'_>) -> Result<(), Error> {
    story.title("Decide over requests, not only over connections");
    let (url, refunds) = ("http://orders/", "http://orders/refunds/1");
    let begun = measure::now();
    story.apply("read-only.yaml", READ_ONLY).await?;
    until_told(story, refunds, FORBIDDEN).await?;
    story.command(&["sandbox", "exec", FRONT, "--", "ambient", "sandbox", "app", "get", refunds]);
    story.seen("403: nobody gets refunds");
    story.ask_quietly(FRONT, url).await?.map_err(|reason| story.failed(format!("all is refused: {reason}")))?;
    story.seen("other orders are answered");
    // What kept stock out at layer 4 does so still, although the server's proxy sees the waypoint now.
    match story.ask_quietly("shop/stock", url).await? {
        Err(reason) if reason == FORBIDDEN => story.seen("stock is still kept out: a waypoint opens no door"),
        other => return Err(story.failed(format!("stock gets in through the waypoint: {other:?}"))),
    }
    let parts = ["response_code=403", "path=/refunds/1", "response_flags=\"DENY\""];
    let line = story.logged_by("waypoint", &["-n", "shop"], &parts, &begun).await?;
    let reason = field(&line, "reason");
    if !reason.contains("shop/nobody-refunds") {
        return Err(story.failed(format!("the log does not name the policy: {reason}")));
    }
    story.command(&["sandbox", "logs", "waypoint", "-n", "shop"]);
    story.seen(format!("the log says why: src.identity={FRONTEND} path=/refunds/1 reason=\"{reason}\""));
    Ok(())
}

/// Returns the client that a waypoint told the server of.
fn introduced(answer: &Value) -> Option<&str> {
    let told = answer["headers"]["x-forwarded-client-cert"].as_str()?;
    told.split(';').find_map(|part| part.strip_prefix("URI="))
}

/// Asks again and again until an answer is as wanted; returns it.
async fn until(
    story: &Story<'_>,
    url: &str,
    options: &[&str],
    wanted: impl Fn(&Value) -> bool,
) -> Result<Value, Error> {
    let right = |answer: &Result<Value, String>| answer.as_ref().is_ok_and(&wanted);
    let answer = until_so(story, url, options, "answered as it should be", right).await?;
    answer.map_err(|reason| story.failed(reason))
}

/// Asks again and again until it is refused with this status.
async fn until_told(story: &Story<'_>, url: &str, status: &str) -> Result<(), Error> {
    until_so(story, url, &[], status, |answer| answer.as_ref().is_err_and(|reason| reason == status)).await.map(drop)
}

/// Asks again and again, each time over a new connection; fails where what comes does not become what it should be.
async fn until_so(
    story: &Story<'_>,
    url: &str,
    options: &[&str],
    what: &str,
    so: impl Fn(&Result<Value, String>) -> bool,
) -> Result<Result<Value, String>, Error> {
    let begun = Instant::now();
    loop {
        let answer = story.ask_with(FRONT, options, url).await?;
        if so(&answer) {
            return Ok(answer);
        }
        if begun.elapsed() > EFFECT {
            return Err(story.failed(format!("{url} is not {what} {} s later: {answer:?}", EFFECT.as_secs())));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
