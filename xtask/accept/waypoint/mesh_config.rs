//! What the ConfigMap `istio` says of requests of which no Telemetry says anything: in the waypoint's log, at a collector of spans
//! and in metrics.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    ask::{self, Ask},
    scene::{CLIENT, Scene},
    telemetry,
};
use crate::accept::{Report, sandbox::lab::pause};

/// How long a change may take to be in effect, and until it is told.
const EFFECT: Duration = Duration::from_secs(15);
/// How long a waypoint may keep what it is to tell, milliseconds; and as long again for what must not come.
const TOLD: u64 = 1600;
/// Who is asked.
const HOST: &str = "one.shop";
/// Whom spans are told: a server that counts what it is asked.
const COLLECTOR: &str = "far.far.svc.cluster.local:80";

/// What the log says of a request with a path.
type Logged = fn(line: &str, path: &str) -> bool;

/// One step: what the ConfigMap says, and what the log of the waypoint then does of a request.
struct Step {
    what: &'static str,
    /// Nothing takes the ConfigMap away.
    mesh: &'static str,
    /// `accessLogging` of a Telemetry of the namespace.
    telemetry: &'static str,
    /// What the line is like; none for no line.
    logged: Option<Logged>,
}

const PROVIDER: &str = "extensionProviders: [{name: short, envoyFileAccessLog: {path: /dev/stdout, logFormat: \
                        {text: \"short %REQ(:PATH)%\"}}}]\n";

const STEPS: [Step; 12] = [
    Step { what: "nothing is said: the waypoint's own log", mesh: "", telemetry: "", logged: Some(own) },
    Step { what: "accessLogFile", mesh: "accessLogFile: /dev/stdout\n", telemetry: "", logged: Some(usual) },
    Step {
        what: "accessLogFile, and a Telemetry that turns it off",
        mesh: "accessLogFile: /dev/stdout\n",
        telemetry: "[{disabled: true}]",
        logged: None,
    },
    Step {
        what: "accessLogFile, and a Telemetry whose filter holds",
        mesh: "accessLogFile: /dev/stdout\n",
        telemetry: "[{filter: {expression: \"response.code == 200\"}}]",
        logged: Some(usual),
    },
    Step {
        what: "accessLogFile, and a Telemetry whose filter does not hold",
        mesh: "accessLogFile: /dev/stdout\n",
        telemetry: "[{filter: {expression: \"response.code >= 500\"}}]",
        logged: None,
    },
    Step {
        what: "accessLogFormat",
        mesh: "accessLogFile: /dev/stdout\naccessLogFormat: \"%REQ(X-USER)% %REQ(:PATH)% %RESPONSE_CODE%\"\n",
        telemetry: "",
        logged: Some(|line, path| line == format!("alice {path} 200")),
    },
    Step {
        what: "accessLogEncoding JSON",
        mesh: "accessLogFile: /dev/stdout\naccessLogEncoding: JSON\n",
        telemetry: "",
        logged: Some(in_json),
    },
    Step {
        what: "accessLogEncoding JSON with a format",
        mesh: "accessLogFile: /dev/stdout\naccessLogEncoding: JSON\naccessLogFormat: \
               '{\"http\": {\"path\": \"%REQ(:PATH)%\", \"code\": \"%RESPONSE_CODE%\"}}'\n",
        telemetry: "",
        logged: Some(nested),
    },
    Step {
        what: "a format that is wrong, which changes nothing",
        mesh: "accessLogFile: /dev/stdout\naccessLogEncoding: JSON\naccessLogFormat: '{\"http\": \"%NOPE%\"}'\n",
        telemetry: "",
        logged: Some(nested),
    },
    Step {
        what: "defaultProviders.accessLogging",
        mesh: "accessLogFile: /dev/stdout\ndefaultProviders: {accessLogging: [short]}\n",
        telemetry: "",
        logged: Some(|line, path| line == format!("short {path}")),
    },
    Step { what: "an empty accessLogFile", mesh: "accessLogFile: \"\"\n", telemetry: "", logged: None },
    Step { what: "without the ConfigMap: the waypoint's own log again", mesh: "", telemetry: "", logged: Some(own) },
];

fn own(line: &str, path: &str) -> bool {
    line.contains("request complete") && line.contains(path)
}

/// Istio's own format, as text.
fn usual(line: &str, path: &str) -> bool {
    line.starts_with('[') && line.contains(&format!("] \"GET {path} HTTP/1.1\" 200 - "))
}

fn in_json(line: &str, path: &str) -> bool {
    let fields: Value = serde_json::from_str(line).unwrap_or_default();
    fields["path"] == path && fields["response_code"] == 200 && fields["method"] == "GET"
}

fn nested(line: &str, path: &str) -> bool {
    serde_json::from_str(line).is_ok_and(|fields: Value| fields == json!({"http": {"path": path, "code": 200}}))
}

pub fn check(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    for (number, step) in STEPS.iter().enumerate() {
        say(scene, step.mesh)?;
        if !step.telemetry.is_empty() {
            scene.apply(&of_namespace(step.telemetry))?;
        }
        let outcome = logs(scene, number, step.logged);
        if !step.telemetry.is_empty() {
            scene.delete(&of_namespace(step.telemetry))?;
        }
        let (took, seen) = outcome?;
        let wanted = if step.logged.is_some() { "one line of it" } else { "no line" };
        report.row(format!("ConfigMap istio: {}", step.what), seen, wanted, took);
    }
    traces(scene, report)?;
    metrics(scene, report)
}

/// Makes the ConfigMap say this beside the provider; nothing takes it away.
fn say(scene: &Scene<'_>, mesh: &str) -> Result<(), String> {
    let text = format!("{PROVIDER}{mesh}").replace('\n', "\n    ");
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n    {text}\n"
    );
    if !mesh.is_empty() {
        return scene.apply(&map);
    }
    // It may not be there yet.
    scene.apply(&map)?;
    scene.delete(&map)
}

fn of_namespace(logging: &str) -> String {
    format!(
        "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {{name: mesh-config, namespace: shop}}\n\
         spec: {{accessLogging: {logging}}}\n"
    )
}

/// Asks until the log says what is wanted of a request, and nothing else; tells whether it came to that, and what was seen last.
fn logs(scene: &Scene<'_>, step: usize, wanted: Option<Logged>) -> Result<(bool, String), String> {
    let begun = Instant::now();
    let mut seen = String::new();
    for attempt in 0.. {
        let path = format!("/log-{step}-{attempt}");
        answered(scene, &format!("{path} x-user:alice"), "200")?;
        pause(TOLD);
        let lines = lines(scene, &path)?;
        let holds = match (&*lines, wanted) {
            ([line], Some(wanted)) => wanted(line, &path),
            (lines, wanted) => lines.is_empty() && wanted.is_none(),
        };
        seen = if lines.is_empty() { "no line".to_owned() } else { lines.join(" | ") };
        if holds || begun.elapsed() > EFFECT {
            return Ok((holds, seen));
        }
    }
    Ok((false, seen))
}

/// Reads the lines of the waypoint's pods that name a path.
fn lines(scene: &Scene<'_>, path: &str) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    let pods = scene.sandbox.pods("shop")?;
    for name in pods.iter().filter_map(|pod| pod["name"].as_str()).filter(|name| name.starts_with("waypoint-")) {
        let logs = scene.sandbox.run(&["-n", "shop", "sandbox", "logs", name, "--tail", "500"])?;
        // A path may begin another.
        let names =
            |line: &&str| line.split(|c: char| !(c.is_alphanumeric() || "/-".contains(c))).any(|word| word == path);
        all.extend(logs.out.lines().filter(names).map(str::to_owned));
    }
    Ok(all)
}

fn answered(scene: &Scene<'_>, line: &str, wanted: &str) -> Result<(), String> {
    let ask = Ask::read(line, HOST)?;
    let result = scene.batch(CLIENT, &[ask.part])?.pop().unwrap_or_default();
    ask::fault(&result, wanted)
}

/// Asks until the answer is as wanted.
fn comes(scene: &Scene<'_>, line: &str, wanted: &str) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        let outcome = answered(scene, line, wanted);
        if outcome.is_ok() || begun.elapsed() > EFFECT {
            return outcome;
        }
        pause(300);
    }
}

/// Spans go where the defaults say, if tracing is on.
fn traces(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    let collector = format!("defaultConfig: {{tracing: {{sampling: 100, zipkin: {{address: \"{COLLECTOR}\"}}}}}}\n");
    for (what, more, wanted) in [
        ("ConfigMap istio: a collector, and all requests sampled", "", "200 req.x-b3-sampled=1"),
        ("ConfigMap istio: a collector, and enableTracing: false", "enableTracing: false\n", "200 req.x-b3-sampled=-"),
    ] {
        say(scene, &(collector.clone() + more))?;
        let outcome = comes(scene, "/traced", wanted);
        report.row(what, outcome.as_ref().err().map_or("so", |why| why), wanted, outcome.is_ok());
    }
    let count = comes(scene, "/_count?/api/v2/spans to=far.far:80", "200 body.count>=1");
    report.row("spans told to the collector", count.as_ref().err().map_or("so", |why| why), "some", count.is_ok());
    Ok(())
}

/// Requests are counted unless the defaults name nobody who is told.
fn metrics(scene: &Scene<'_>, report: &mut Report) -> Result<(), String> {
    for (what, mesh, counted) in [
        ("ConfigMap istio: requests are counted", "defaultProviders: {metrics: [prometheus]}\n", true),
        ("ConfigMap istio: no provider of metrics, and none is counted", "defaultProviders: {metrics: []}\n", false),
        ("without the ConfigMap they are counted again", "", true),
    ] {
        say(scene, mesh)?;
        let begun = Instant::now();
        let mut holds = false;
        while !holds && begun.elapsed() < EFFECT {
            let before = telemetry::counted(scene, "one")?;
            answered(scene, "x10 /counted", "200")?;
            pause(500);
            holds = (telemetry::counted(scene, "one")? != before) == counted;
        }
        report.holds(what, holds, "");
    }
    Ok(())
}
