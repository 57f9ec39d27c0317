//! What is counted, against what client and server counted: equal to the request.

use std::{collections::BTreeMap, thread, time::Duration};

use super::{
    ask::Ask,
    scene::{self, CLIENT, Scene},
};
use crate::accept::{Report, lab::until, sandbox::lab::Lab};

/// How long a change may take to be in effect, and a count to be told.
const EFFECT: Duration = Duration::from_secs(8);

/// What is counted by status; 0 is an answer that never came.
type Counts = BTreeMap<String, u64>;

/// One kind of traffic: a service of its own, what is asked of it, and what is to be counted.
struct Kind {
    what: &'static str,
    service: &'static str,
    objects: &'static str,
    ask: &'static str,
    /// Answers by status, as the waypoint should count them.
    counted: &'static [(&'static str, u64)],
    /// What its server should have got.
    served: u64,
}

const KINDS: [Kind; 10] = [
    Kind { what: "answered", service: "t-ok", objects: "", ask: "x500 /", counted: &[("200", 500)], served: 500 },
    Kind {
        what: "answered over HTTP/2",
        service: "t-two",
        objects: "",
        ask: "h2 x500 /",
        counted: &[("200", 500)],
        served: 500,
    },
    Kind {
        what: "refused by a policy",
        service: "t-deny",
        objects: "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: t-deny, namespace: shop}\nspec: \
                  {targetRefs: [{group: \"\", kind: Service, name: t-deny}], action: DENY, rules: [{}]}\n",
        ask: "x100 /",
        counted: &[("403", 100)],
        served: 0,
    },
    Kind {
        what: "no rule",
        service: "t-none",
        objects: "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: t-none, namespace: shop}\nspec: \
                  {parentRefs: [{group: \"\", kind: Service, name: t-none}], rules: [{matches: [{path: {type: Exact, value: /a}}], \
                  backendRefs: [{name: t-none, port: 80}]}]}\n",
        ask: "x100 /b",
        counted: &[("404", 100)],
        served: 0,
    },
    Kind {
        what: "answered after a retry",
        service: "t-retry",
        objects: "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: t-retry, namespace: shop}\nspec: \
                  {hosts: [t-retry], http: [{retries: {attempts: 2, retryOn: 5xx}, route: [{destination: {host: t-retry}}]}]}\n",
        // Each of them is another for the server, which fails it once.
        ask: "x50 / x-echo-key:$T-{n} x-echo-fail:1",
        counted: &[("200", 50)],
        served: 2,
    },
    Kind {
        what: "a fault that is injected",
        service: "t-fault",
        objects: "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: t-fault, namespace: shop}\nspec: \
                  {hosts: [t-fault], http: [{fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, \
                  route: [{destination: {host: t-fault}}]}]}\n",
        ask: "x100 /",
        counted: &[("418", 100)],
        served: 0,
    },
    Kind {
        what: "the server fails",
        service: "t-fail",
        objects: "",
        ask: "x100 / x-echo-status:500",
        counted: &[("500", 100)],
        served: 100,
    },
    Kind {
        what: "gRPC",
        service: "t-grpc",
        objects: "",
        ask: "grpc x100 POST /grpc.health.v1.Health/Check",
        counted: &[("200", 100)],
        served: 100,
    },
    Kind {
        what: "the client goes away",
        service: "t-gone",
        objects: "",
        ask: "x20 fresh limit=150 / x-echo-delay:1500",
        counted: &[("0", 20)],
        served: 20,
    },
    Kind {
        what: "the client goes away, over HTTP/2",
        service: "t-gone-two",
        objects: "",
        ask: "h2 x20 fresh limit=150 / x-echo-delay:1500",
        counted: &[("0", 20)],
        served: 20,
    },
];

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let services: String = KINDS.iter().map(|kind| scene::service("shop", kind.service, "version: one")).collect();
    let objects: String = KINDS.iter().map(|kind| kind.objects).collect();
    let scene = scene::up(lab, "telemetry", &(services + &objects))?;
    thread::sleep(Duration::from_secs(2));
    for kind in &KINDS {
        let key = format!("{}-key", kind.service);
        let line = format!("{} x-echo-key:{key}", kind.ask.replace("$T", kind.service));
        let ask = Ask::read(
            &if kind.ask.contains("x-echo-key") { kind.ask.replace("$T", kind.service) } else { line },
            &format!("{}.shop", kind.service),
        )?;
        let before = counted(&scene, kind.service)?;
        let result = scene.batch(CLIENT, &[ask.part])?.pop().unwrap_or_default();
        let wanted: Counts = kind.counted.iter().map(|(status, count)| ((*status).to_owned(), *count)).collect();
        let mut counts = Counts::new();
        until(EFFECT, || {
            counts = counted(&scene, kind.service).map(|after| difference(&after, &before)).unwrap_or_default();
            counts == wanted
        });
        let key = if kind.service == "t-retry" { "t-retry-0".to_owned() } else { key };
        let served = Ask::read(&format!("/_count?{key}"), "one.shop")?;
        let served = scene.batch(CLIENT, &[served.part])?.pop().unwrap_or_default()["body"]["count"].as_u64();
        let client = match kind.counted {
            [("0", count)] => result["errors"]["timeout"].as_u64() == Some(*count),
            all => all.iter().all(|(status, count)| result["statuses"][*status].as_u64() == Some(*count)),
        };
        report.row(
            kind.what,
            format!("client {} {}, waypoint {counts:?}, server {served:?}", result["statuses"], result["errors"]),
            format!("{:?}, server {}", kind.counted, kind.served),
            client && counts == wanted && served == Some(kind.served),
        );
    }
    labels(&scene, report)
}

/// The labels of the dashboards of Istio are there and right.
fn labels(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    let all = metrics(scene)?;
    let line =
        all.lines().find(|l| l.starts_with("istio_requests_total{") && l.contains("destination_service_name=\"t-ok\""));
    let line = line.unwrap_or_default();
    for label in [
        "reporter=\"waypoint\"",
        "source_workload=\"client\"",
        "source_workload_namespace=\"shop\"",
        "source_principal=\"spiffe://cluster.local/ns/shop/sa/client\"",
        "source_canonical_service=\"client\"",
        "destination_service=\"t-ok.shop.svc.cluster.local\"",
        "destination_service_namespace=\"shop\"",
        "destination_workload=\"one\"",
        "destination_workload_namespace=\"shop\"",
        "destination_principal=\"spiffe://cluster.local/ns/shop/sa/one\"",
        "request_protocol=\"http\"",
        "response_code=\"200\"",
        "response_flags=\"-\"",
        "connection_security_policy=\"mutual_tls\"",
    ] {
        report.row(format!("label {label}"), line, label, line.contains(label));
    }
    for name in ["istio_request_duration_milliseconds_bucket", "istio_request_bytes_sum", "istio_response_bytes_sum"] {
        report.holds(
            name,
            all.lines().any(|l| l.starts_with(name) && l.contains("destination_service_name=\"t-ok\"")),
            "",
        );
    }
    Ok(())
}

/// Reads the metrics of all waypoints.
fn metrics(scene: &Scene<'_>) -> Result<String, String> {
    let mut all = String::new();
    for address in scene.waypoints()? {
        let ask = Ask::read(&format!("/stats/prometheus to={address}:15020"), "")?;
        let result = scene.batch(CLIENT, &[ask.part])?.pop().unwrap_or_default();
        all += result["body"].as_str().ok_or_else(|| format!("no metrics of {address}: {}", result["errors"]))?;
    }
    Ok(all)
}

/// Reads what waypoints counted for a service, by status.
pub fn counted(scene: &Scene<'_>, service: &str) -> Result<Counts, String> {
    let mut counts = Counts::new();
    let name = format!("destination_service_name=\"{service}\"");
    for line in metrics(scene)?.lines().filter(|l| l.starts_with("istio_requests_total{") && l.contains(&name)) {
        let code = line.split_once("response_code=\"").and_then(|(_, rest)| rest.split_once('"'));
        let value = line.rsplit_once(' ').and_then(|(_, value)| value.parse::<u64>().ok());
        let (Some((code, _)), Some(value)) = (code, value) else { return Err(format!("{line:?} cannot be read")) };
        *counts.entry(code.to_owned()).or_default() += value;
    }
    Ok(counts)
}

fn difference(after: &Counts, before: &Counts) -> Counts {
    let more = |(code, count): (&String, &u64)| (code.clone(), count - before.get(code).copied().unwrap_or_default());
    after.iter().map(more).filter(|(_, count)| *count > 0).collect()
}
