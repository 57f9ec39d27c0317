//! RateLimit: limits that a waypoint keeps itself, and those that it asks a server about.
//!
//! A waypoint has two pods here, each with tokens of its own: of twenty requests two to four pass where two may. Which pod is
//! asked is chosen by connection, so rows in which one request has to meet the tokens of another are tried until they do.

use std::time::Duration;

use super::{
    ask::Ask,
    scene::CLIENT,
    table::{self, Row, V1},
};
use crate::accept::{Report, lab::until, sandbox::lab::Lab};

/// How long a change may take to be told.
const EFFECT: Duration = Duration::from_secs(8);

/// Two for each value of the header `x-t`, which is another each time a row is tried.
const TWO: &str = "local: [{requests: 2, per: hour, key: ['request.headers[x-t]']}]";

/// What a server is asked about: the same header.
macro_rules! asked {
    ($fields:literal) => {
        concat!(
            "global: {service: far.far.svc.cluster.local, port: 82, ",
            $fields,
            "descriptors: [{entries: [{key: row, value: $S}, {key: t, from: 'request.headers[x-t]'}]}]}"
        )
    };
}

const ROWS: &[Row] = &[
    Row {
        name: "local: so many for each value of a key",
        selects: V1,
        objects: &[("RateLimit", TWO)],
        asks: &[("x20 / x-t:$T", "200~>9 200~<21 429~>79"), ("x20 / x-t:$T-b", "200~>9 200~<21 429~>79")],
    },
    Row {
        name: "local: by who asks",
        selects: V1,
        objects: &[(
            "RateLimit",
            "local: [{requests: 2, per: minute, key: [source.principal, 'request.headers[x-t]']}]",
        )],
        asks: &[("x20 / x-t:$T", "200~>9 200~<21 429~>79"), ("@shop/other x20 / x-t:$T", "200~>9 200~<21 429~>79")],
    },
    Row {
        name: "local: a burst, and time brings tokens back",
        selects: V1,
        objects: &[("RateLimit", "local: [{requests: 5, per: second, burst: 1, key: ['request.headers[x-t]']}]")],
        asks: &[
            ("/ x-t:$T", "200"),
            // Somebody else's answer takes longer than a token.
            ("/ x-t:$T-b x-echo-delay:400", "200"),
            ("/ x-t:$T", "200"),
            ("x20 / x-t:$T-c", "200~<50 429~>49"),
        ],
    },
    Row {
        name: "local: only what it is about",
        selects: V1,
        objects: &[(
            "RateLimit",
            "local: [{match: [{to: [{operation: {paths: ['/a*'], methods: [GET]}}]}], requests: 1, per: hour, key: ['request.headers[x-t]']}]",
        )],
        asks: &[("/a x-t:$T", "200"), ("/a/b x-t:$T", "429"), ("x4 /b x-t:$T", "200"), ("x4 POST /a x-t:$T", "200")],
    },
    Row {
        name: "local: what the client is told",
        selects: V1,
        objects: &[("RateLimit", "headers: Always, local: [{requests: 1, per: hour, key: ['request.headers[x-t]']}]")],
        asks: &[
            ("/ x-t:$T", "200 res.ratelimit-remaining=0 res.ratelimit-limit=1,1;w=3600"),
            ("/ x-t:$T", "429 res.x-envoy-ratelimited=true res.ratelimit-remaining=0 has.retry-after body=local"),
        ],
    },
    Row {
        name: "local: gRPC",
        selects: V1,
        objects: &[("RateLimit", "local: [{requests: 1, per: hour, key: ['request.headers[x-t]']}]")],
        asks: &[
            ("grpc POST /grpc.health.v1.Health/Check x-t:$T", "200 grpc=0"),
            ("grpc POST /grpc.health.v1.Health/Check x-t:$T", "200 grpc=14"),
        ],
    },
    Row {
        name: "local: gRPC, as RESOURCE_EXHAUSTED",
        selects: V1,
        objects: &[(
            "RateLimit",
            "rateLimitedAsResourceExhausted: true, local: [{requests: 1, per: hour, key: ['request.headers[x-t]']}]",
        )],
        asks: &[
            ("grpc POST /grpc.health.v1.Health/Check x-t:$T", "200 grpc=0"),
            ("grpc POST /grpc.health.v1.Health/Check x-t:$T", "200 grpc=8"),
        ],
    },
    Row {
        name: "local: only tried",
        selects: V1,
        objects: &[("RateLimit", "dryRun: true, local: [{requests: 2, per: hour, key: ['request.headers[x-t]']}]")],
        asks: &[("x5 / x-t:$T", "200")],
    },
    Row {
        name: "a rule of a route",
        selects: V1,
        objects: &[
            (
                "HTTPRoute",
                "rules: [{name: a, matches: [{path: {value: /a}}], $b1}, {name: b, matches: [{path: {value: /b}}], $b1}]",
            ),
            (
                "RateLimit",
                "targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: $S, sectionName: a}], \
                 local: [{requests: 2, per: hour, key: ['request.headers[x-t]']}]",
            ),
        ],
        asks: &[("x20 /a x-t:$T", "200~>9 200~<21 429~>79"), ("x20 /b x-t:$T", "200")],
    },
    Row {
        name: "a waypoint",
        selects: V1,
        objects: &[(
            "RateLimit",
            "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: waypoint}], \
             local: [{match: [{to: [{operation: {hosts: ['$S.shop*']}}]}], requests: 2, per: hour, key: ['request.headers[x-t]']}]",
        )],
        asks: &[("x20 / x-t:$T", "200~>9 200~<21 429~>79")],
    },
    Row {
        name: "after policies and before faults",
        selects: V1,
        objects: &[
            ("AuthorizationPolicy", "action: DENY, rules: [{to: [{operation: {paths: [/no]}}]}]"),
            ("VirtualService", "http: [{fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, $v1}]"),
            ("RateLimit", TWO),
        ],
        asks: &[("x4 /no x-t:$T", "403"), ("x20 / x-t:$T", "418~>9 418~<21 429~>79")],
    },
    Row {
        name: "global: the server's limit",
        selects: V1,
        objects: &[("RateLimit", asked!("domain: d, failOpen: false, timeout: 5s, "))],
        asks: &[("x4 / x-t:$T", "200~50 429~50"), ("/ x-t:$T", "429 res.x-envoy-ratelimited=true has.retry-after")],
    },
    Row {
        name: "global: a limit in place of the server's, and what it is not asked about",
        selects: V1,
        objects: &[(
            "RateLimit",
            "global: {service: far/far, port: 82, domain: d, failOpen: false, timeout: 5s, descriptors: [{entries: \
             [{key: t, from: 'request.headers[x-t]'}], limit: {requests: 3, unit: hour}}]}",
        )],
        asks: &[("x4 / x-t:$T", "200~75 429~25"), ("x4 /", "200")],
    },
    Row {
        name: "global: only tried",
        selects: V1,
        objects: &[("RateLimit", concat!("dryRun: true, ", asked!("domain: d, failOpen: false, timeout: 5s, ")))],
        asks: &[("x4 / x-t:$T", "200")],
    },
    Row {
        name: "global: a server that is late lets all pass",
        selects: V1,
        objects: &[("RateLimit", asked!("domain: late, timeout: 300ms, "))],
        asks: &[("/ x-t:$T", "200 ms>=250 ms<2000")],
    },
    Row {
        name: "global: a server that is late, and failOpen: false",
        selects: V1,
        objects: &[("RateLimit", asked!("domain: late, timeout: 300ms, failOpen: false, "))],
        asks: &[("/ x-t:$T", "500 ms>=250 ms<2000")],
    },
    Row {
        name: "global: no server, local limits count all the same",
        selects: V1,
        objects: &[(
            "RateLimit",
            "local: [{requests: 2, per: hour, key: ['request.headers[x-t]']}], global: {service: none, port: 82, domain: d, \
             descriptors: [{entries: [{key: k, value: v}]}]}",
        )],
        asks: &[("x20 / x-t:$T", "200~>9 200~<21 429~>79")],
    },
];

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let scene = table::check_tables(lab, report, ("limits", &[]), &[("RateLimit", ROWS)])?;
    let object = |fields: &str| {
        format!(
            "apiVersion: policy.ambient.io/v1alpha1\nkind: RateLimit\nmetadata: {{name: rl-1, namespace: shop}}\nspec:\n  \
             targetRefs: [{{group: \"\", kind: Service, name: rl-1}}]\n  {fields}\n"
        )
    };
    // What cannot be read is refused at its place, and what makes no sense leaves what was there.
    let refused = scene.apply(&object("local: [{requests: 2, per: week}]")).err().unwrap_or_default();
    report.row("a value that is none", &refused, ":6:", refused.contains(":6:") && refused.contains("per"));
    scene.apply(&object("local: [{requests: 2, per: hour, key: [source.colour]}]"))?;
    let mut message = String::new();
    let (told, _) = until(EFFECT, || {
        let object = scene.sandbox.json(&["-n", "shop", "sandbox", "get", "ratelimit", "rl-1", "-o", "json"]);
        let condition = object.unwrap_or_default()["status"]["ancestors"][0]["conditions"][0].take();
        message = condition["message"].as_str().unwrap_or_default().to_owned();
        condition["reason"] == "Invalid" && message.contains("source.colour") && message.contains("stays in effect")
    });
    report.row("what makes no sense is told in the status", message, "source.colour", told);
    let ask = Ask::read("x20 / x-t:after", "rl-1.shop")?;
    let result = scene.batch(CLIENT, &[ask.part])?.pop().unwrap_or_default();
    let passed = result["statuses"]["200"].as_u64().unwrap_or_default();
    report.row(
        "and the last good version stays",
        result["statuses"].to_string(),
        "2 to 4 of 20",
        (2..=4).contains(&passed),
    );
    Ok(())
}
