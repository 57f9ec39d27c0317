//! Whom AuthorizationPolicies with the action CUSTOM ask: a server in the mesh, over both of Envoy's protocols; and what else the
//! configuration of the mesh says.

use std::time::{Duration, Instant};

use super::{
    mesh_config,
    table::{self, Row, V1},
};
use crate::accept::{
    Report,
    sandbox::lab::{Lab, Sandbox, pause},
};

/// Who is asked. The server does what headers of the question say, and the providers add those.
const PROVIDERS: &str = r#"[
    {"name": "allow", "envoyExtAuthzHttp": {"service": "far.far.svc.cluster.local", "port": 80, "pathPrefix": "/ask",
        "includeAdditionalHeadersInCheck": {"x-echo-add": "x-user=alice"},
        "headersToUpstreamOnAllow": ["x-user"], "headersToDownstreamOnAllow": ["x-echo-n*"]}},
    {"name": "deny", "envoyExtAuthzHttp": {"service": "far/far", "port": 80,
        "includeAdditionalHeadersInCheck": {"x-echo-status": "401", "x-echo-add": "x-why=no"},
        "headersToDownstreamOnDeny": ["x-why"]}},
    {"name": "as-told", "envoyExtAuthzHttp": {"service": "far.far.svc.cluster.local", "port": 80,
        "includeRequestHeadersInCheck": ["x-echo-*"]}},
    {"name": "fails", "envoyExtAuthzHttp": {"service": "far.far.svc.cluster.local", "port": 80,
        "includeAdditionalHeadersInCheck": {"x-echo-status": "500"}}},
    {"name": "fails-503", "envoyExtAuthzHttp": {"service": "far.far.svc.cluster.local", "port": 80, "statusOnError": "503",
        "includeAdditionalHeadersInCheck": {"x-echo-status": "500"}}},
    {"name": "fails-open", "envoyExtAuthzHttp": {"service": "far.far.svc.cluster.local", "port": 80, "failOpen": true,
        "includeAdditionalHeadersInCheck": {"x-echo-status": "500"}}},
    {"name": "late", "envoyExtAuthzHttp": {"service": "far.far.svc.cluster.local", "port": 80, "timeout": "0.3s",
        "includeAdditionalHeadersInCheck": {"x-echo-delay": "3000"}}},
    {"name": "late-open", "envoyExtAuthzHttp": {"service": "far.far.svc.cluster.local", "port": 80, "timeout": "0.3s", "failOpen": true,
        "includeAdditionalHeadersInCheck": {"x-echo-delay": "3000"}}},
    {"name": "body", "envoyExtAuthzHttp": {"service": "far.far.svc.cluster.local", "port": 80,
        "includeRequestBodyInCheck": {"maxRequestBytes": 8}}},
    {"name": "grpc", "envoyExtAuthzGrpc": {"service": "far.far.svc.cluster.local", "port": 82, "clearRouteCache": true}},
    {"name": "grpc-body", "envoyExtAuthzGrpc": {"service": "far.far.svc.cluster.local", "port": 82,
        "includeRequestBodyInCheck": {"maxRequestBytes": 8, "allowPartialMessage": true, "packAsBytes": true}}},
    {"name": "no-grpc", "envoyExtAuthzGrpc": {"service": "far.far.svc.cluster.local", "port": 90, "timeout": "1s"}},
    {"name": "no-grpc-open", "envoyExtAuthzGrpc": {"service": "far.far.svc.cluster.local", "port": 90, "timeout": "1s", "failOpen": true}},
    {"name": "gone", "envoyExtAuthzGrpc": {"service": "none.far.svc.cluster.local", "port": 82, "failOpen": true}}
]"#;

/// A policy that asks over `/a` and below.
macro_rules! asks {
    ($provider:literal) => {
        (
            "AuthorizationPolicy",
            concat!(
                "action: CUSTOM, provider: {name: ",
                $provider,
                "}, rules: [{to: [{operation: {paths: ['/a*']}}]}]"
            ),
        )
    };
}

const ROWS: &[Row] = &[
    Row {
        name: "HTTP: allowed, with a header for the server and one for the client; elsewhere not asked",
        selects: V1,
        objects: &[asks!("allow")],
        asks: &[("/a x-user:evil", "200 v1 req.x-user=alice path=/a"), ("/b x-user:evil", "200 v1 req.x-user=evil")],
    },
    Row {
        name: "HTTP: refused, with the headers that are wanted",
        selects: V1,
        objects: &[asks!("deny")],
        asks: &[("/a", "401 res.x-why=no res.x-echo-name=-"), ("/b", "200")],
    },
    Row {
        name: "HTTP: headers of the request are told",
        selects: V1,
        objects: &[asks!("as-told")],
        asks: &[("/a", "200"), ("/a x-echo-status:418 x-echo-only:far", "418"), ("/a x-auth:none", "200")],
    },
    Row {
        name: "HTTP: a server that fails lets nothing pass",
        selects: V1,
        objects: &[asks!("fails")],
        asks: &[("/a", "403"), ("/b", "200")],
    },
    Row { name: "HTTP: statusOnError", selects: V1, objects: &[asks!("fails-503")], asks: &[("/a", "503")] },
    Row { name: "HTTP: failOpen", selects: V1, objects: &[asks!("fails-open")], asks: &[("/a", "200 v1")] },
    Row { name: "HTTP: timeout", selects: V1, objects: &[asks!("late")], asks: &[("/a", "403 ms>=250 ms<2000")] },
    Row {
        name: "HTTP: timeout, and failOpen",
        selects: V1,
        objects: &[asks!("late-open")],
        asks: &[("/a", "200 v1 ms>=250 ms<2000")],
    },
    Row {
        name: "HTTP: a body that is too large to be told of",
        selects: V1,
        objects: &[asks!("body")],
        asks: &[("POST /a body=12345678", "200 body.body_bytes=8"), ("POST /a body=123456789", "413")],
    },
    Row {
        name: "gRPC: allowed, with a header for the server and one for the client",
        selects: V1,
        objects: &[asks!("grpc")],
        asks: &[
            ("/a x-auth:allow x-user:evil", "200 v1 req.x-user=alice res.x-answer=1"),
            ("/b", "200 res.x-answer=-"),
        ],
    },
    Row {
        name: "gRPC: refused, with an answer and without",
        selects: V1,
        objects: &[asks!("grpc")],
        asks: &[("/a x-auth:deny", "401 res.x-why=no body=not_you"), ("/a", "403")],
    },
    Row {
        name: "gRPC: the beginning of a body is told",
        selects: V1,
        objects: &[asks!("grpc-body")],
        asks: &[
            ("POST /a x-auth:allow body=1234", "200 req.x-told=4 body.body_bytes=4"),
            ("POST /a x-auth:allow body=123456789", "200 req.x-told=8 body.body_bytes=9"),
        ],
    },
    Row {
        name: "gRPC: a server that speaks something else lets nothing pass",
        selects: V1,
        objects: &[asks!("no-grpc")],
        asks: &[("/a", "403")],
    },
    Row {
        name: "gRPC: a server that speaks something else, and failOpen",
        selects: V1,
        objects: &[asks!("no-grpc-open")],
        asks: &[("/a", "200 v1")],
    },
    Row {
        name: "a provider whose service is not there lets nothing pass, failOpen or not",
        selects: V1,
        objects: &[asks!("gone")],
        asks: &[("/a", "403"), ("/b", "200")],
    },
    Row {
        name: "a provider that nobody names lets nothing pass",
        selects: V1,
        objects: &[asks!("nobody")],
        asks: &[("/a", "403"), ("/b", "200")],
    },
    Row {
        name: "before DENY and ALLOW, which both still count",
        selects: V1,
        objects: &[
            asks!("grpc"),
            ("AuthorizationPolicy#-d", "action: DENY, rules: [{to: [{operation: {paths: [/a/no]}}]}]"),
            (
                "AuthorizationPolicy#-a",
                "action: ALLOW, rules: [{to: [{operation: {paths: ['/a*']}}], when: [{key: 'request.headers[x-user]', values: [alice]}]}]",
            ),
        ],
        asks: &[
            ("/a x-auth:deny", "401"),
            ("/a x-auth:allow", "200"),
            ("/a/no x-auth:allow", "403"),
            ("/a/no x-auth:deny", "401"),
            ("/b x-auth:allow", "403"),
        ],
    },
];

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let tables = [("CUSTOM", ROWS)];
    let scene = table::check_tables(lab, report, ("external", &[("EXTENSION_PROVIDERS", PROVIDERS)]), &tables)?;
    // The names are those of the rows: the one but two last asks a service that is not there.
    for (name, wanted) in [
        ("custom-1", ""),
        ("custom-15", "none.far.svc.cluster.local is not there"),
        ("custom-16", "no provider nobody"),
    ] {
        let (is_true, message) = status(&scene.sandbox, name)?;
        report.row(format!("the status of {name}"), &message, wanted, is_so(wanted, is_true, &message));
    }
    followed(&scene.sandbox, report)?;
    mesh_config::check(&scene, report)
}

/// Returns whether the first condition of a policy is true, and what it says.
fn status(sandbox: &Sandbox<'_>, name: &str) -> Result<(bool, String), String> {
    let object = sandbox.json(&["-n", "shop", "sandbox", "get", "authorizationpolicy", name, "-o", "json"])?;
    let condition = &object["status"]["conditions"][0];
    Ok((condition["status"] == "True", condition["message"].as_str().unwrap_or_default().to_owned()))
}

fn is_so(wanted: &str, is_true: bool, message: &str) -> bool {
    is_true == wanted.is_empty() && message.contains(wanted)
}

/// The ConfigMap of the mesh counts over the environment from when it is written; what is wrong changes nothing.
fn followed(sandbox: &Sandbox<'_>, report: &mut Report) -> Result<(), String> {
    let mesh = |text: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\n\
             data: {{mesh: '{text}'}}\n"
        )
    };
    let good =
        mesh("extensionProviders: [{name: nobody, envoyExtAuthzGrpc: {service: far.far.svc.cluster.local, port: 82}}]");
    let wrong = mesh("extensionProviders: [{name: 1}]");
    for (what, action, text, nobody, allow) in [
        ("a provider of the ConfigMap istio counts", "apply", &good, "", "no provider allow"),
        ("a wrong ConfigMap istio changes nothing", "apply", &wrong, "", "no provider allow"),
        ("without it the environment counts again", "delete", &wrong, "no provider nobody", ""),
    ] {
        let begun = Instant::now();
        let fed = sandbox.feed(action, text)?;
        if !fed.ok() {
            return Err(format!("{action} of the ConfigMap: {}", fed.all()));
        }
        // A change that must not be seen is given the time in which others are.
        if what.starts_with("a wrong") {
            pause(1500);
        }
        let (mut holds, mut seen) = (false, String::new());
        while !holds && begun.elapsed() < Duration::from_secs(10) {
            let (of_nobody, of_allow) = (status(sandbox, "custom-16")?, status(sandbox, "custom-1")?);
            holds = is_so(nobody, of_nobody.0, &of_nobody.1) && is_so(allow, of_allow.0, &of_allow.1);
            seen = format!("{of_nobody:?} {of_allow:?}");
        }
        let took = format!("{:.1} s", begun.elapsed().as_secs_f64());
        report.row(what, if holds { took } else { seen }, "within 10 s", holds);
    }
    Ok(())
}
