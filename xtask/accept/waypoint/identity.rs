//! Who is who: what servers are told of clients, and whom a waypoint takes for what he says.

use super::{
    ask::{self, Ask},
    scene::{self, Scene},
};
use crate::accept::{Report, sandbox::lab::Lab};

/// What a server is told of the shop's client.
const TOLD: &str = "req.x-forwarded-client-cert=By=spiffe://cluster.local/ns/shop/sa/waypoint;URI=spiffe://cluster.local/ns/shop/sa/client";
/// What it is told of the guest.
const GUEST: &str = "req.x-forwarded-client-cert=By=spiffe://cluster.local/ns/shop/sa/waypoint;URI=spiffe://cluster.local/ns/guest/sa/guest";

/// Requests and what the server is told of who asks.
const ASKED: [(&str, &str, &str); 6] = [
    ("the client's identity", "/", TOLD),
    ("over HTTP/2", "h2 /", TOLD),
    ("another client's", "@guest/guest /", GUEST),
    ("a forged one is replaced", "/ x-forwarded-client-cert:By=spiffe://cluster.local/ns/shop/sa/admin", TOLD),
    ("two forged ones are replaced", "/ x-forwarded-client-cert:URI=a X-Forwarded-Client-Cert:URI=b", TOLD),
    (
        "one that Connection names is replaced",
        "/ connection:x-forwarded-client-cert x-forwarded-client-cert:URI=a",
        TOLD,
    ),
];

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let scene = scene::up(lab, "identity", "")?;
    for (what, line, wanted) in ASKED {
        let asked = Ask::read(line, "one.shop")?;
        let result = scene.batch(&asked.pod, &[asked.part])?.pop().unwrap_or_default();
        let fault = ask::fault(&result, &format!("200 one {wanted}"));
        report.row(what, fault.as_ref().err().map_or("so", String::as_str), wanted, fault.is_ok());
    }
    impostor(&scene, report)
}

/// Somebody whose certificate nobody vouches for, against each waypoint.
fn impostor(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    let object =
        scene.sandbox.json(&["-n", "shop", "sandbox", "get", "configmap", "istio-ca-root-cert", "-o", "json"])?;
    let root = object["data"]["root-cert.pem"].as_str().ok_or("there is no root certificate")?;
    let root = format!("--root={root}");
    for address in scene.waypoints()? {
        let identity = "spiffe://cluster.local/ns/shop/sa/client";
        let arguments = ["ambient", "sandbox", "app", "impostor", &address, "--as", identity, &root];
        let ended = scene.sandbox.exec("shop/other", &arguments)?;
        report.row(format!("an impostor at the waypoint {address}"), ended.all(), "refused", ended.ok());
    }
    Ok(())
}
