//! What a DestinationRule can say.

use super::{ALL, ONE, Row};

/// Its rows.
pub const ROWS: &[Row] = &[
    Row {
        name: "subsets",
        selects: ALL,
        objects: &[
            ("DestinationRule", "subsets: [{name: a, labels: {version: v1}}, {name: b, labels: {version: v2}}]"),
            (
                "VirtualService",
                "http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: $S, subset: a}}]}, {route: [{destination: {host: $S, subset: b}}]}]",
            ),
        ],
        asks: &[("/a", "200 v1"), ("/b", "200 v2")],
    },
    Row {
        name: "subsets by weight",
        selects: ALL,
        objects: &[
            ("DestinationRule", "subsets: [{name: a, labels: {version: v1}}, {name: b, labels: {version: v2}}]"),
            (
                "VirtualService",
                "http: [{route: [{destination: {host: $S, subset: a}, weight: 90}, {destination: {host: $S, subset: b}, weight: 10}]}]",
            ),
        ],
        asks: &[("x1000 /", "200 v1~90 v2~10")],
    },
    Row {
        name: "a subset that is not there",
        selects: ALL,
        objects: &[
            ("DestinationRule", "subsets: [{name: a, labels: {version: v1}}, {name: b, labels: {version: v2}}]"),
            (
                "VirtualService",
                "http: [{match: [{uri: {prefix: /x}}], route: [{destination: {host: $S, subset: a}}]}, {route: [{destination: {host: $S, subset: zzz}}]}]",
            ),
        ],
        asks: &[("/x", "200 v1"), ("/", "503")],
    },
    Row {
        name: "round robin is even",
        selects: ALL,
        objects: &[("DestinationRule", "trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}")],
        asks: &[("x600 /", "200 v1~33 v2~33 v3~17 one~17")],
    },
    Row {
        name: "random reaches all",
        selects: ALL,
        objects: &[("DestinationRule", "trafficPolicy: {loadBalancer: {simple: RANDOM}}")],
        asks: &[("x600 /", "200 v1~33 v2~33 v3~17 one~17")],
    },
    Row {
        name: "least request reaches all",
        selects: ALL,
        objects: &[("DestinationRule", "trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST}}")],
        asks: &[("x600 fresh /", "200 hosts=6")],
    },
    Row {
        name: "consistent hash by header",
        selects: ALL,
        objects: &[("DestinationRule", "trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}")],
        asks: &[
            ("x50 / x-user:ann", "200 hosts=1"),
            ("x50 / x-user:bob", "200 hosts=1"),
            ("x200 / x-user:{n}", "200 hosts=6"),
        ],
    },
    Row {
        name: "consistent hash by source address",
        selects: ALL,
        objects: &[("DestinationRule", "trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}")],
        asks: &[("x50 fresh /", "200 hosts=1")],
    },
    Row {
        name: "consistent hash by query parameter",
        selects: ALL,
        objects: &[("DestinationRule", "trafficPolicy: {loadBalancer: {consistentHash: {httpQueryParameterName: u}}}")],
        asks: &[("x50 /?u=ann", "200 hosts=1")],
    },
    Row {
        name: "consistent hash by cookie",
        selects: ALL,
        objects: &[(
            "DestinationRule",
            "trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: u, ttl: 1h}}}}",
        )],
        asks: &[("x50 / cookie:u=ann", "200 hosts=1")],
    },
    Row {
        name: "consistent hash by a cookie that is made",
        selects: ALL,
        objects: &[(
            "DestinationRule",
            "trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: u, path: /, ttl: 60s}}}}",
        )],
        asks: &[("/", "200 has.set-cookie")],
    },
    Row {
        name: "connection pool: pending requests",
        selects: ONE,
        objects: &[(
            "DestinationRule",
            "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}",
        )],
        asks: &[("x20 parallel=20 / x-echo-delay:200", "503~>60 200~>5")],
    },
    Row {
        name: "connection pool: requests under way",
        selects: ONE,
        objects: &[("DestinationRule", "trafficPolicy: {connectionPool: {http: {http2MaxRequests: 1}}}")],
        asks: &[("h2 x20 parallel=20 / x-echo-delay:300", "503~>80 200~>4")],
    },
    Row {
        name: "connection pool: h2 to a server of HTTP/1.1 clients",
        selects: ONE,
        objects: &[("DestinationRule", "trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}")],
        asks: &[("/", "200 version=HTTP/2.0")],
    },
    Row {
        name: "connection pool: no h2",
        selects: ONE,
        objects: &[("DestinationRule", "trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}")],
        asks: &[("h2 /", "200 version=HTTP/1.1")],
    },
    Row {
        name: "outlier detection takes the last one out as well",
        selects: ONE,
        objects: &[(
            "DestinationRule",
            "trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 30s, maxEjectionPercent: 100}}",
        )],
        asks: &[("x40 / x-echo-status:500", "503~>60")],
    },
    Row {
        name: "outlier detection takes out who fails",
        selects: ALL,
        objects: &[(
            "DestinationRule",
            "trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 30s, maxEjectionPercent: 50}}",
        )],
        asks: &[("x300 / x-echo-status:500 x-echo-only:v3", "500~<8 200~>92")],
    },
    Row {
        name: "port level settings",
        selects: ALL,
        objects: &[(
            "DestinationRule",
            "trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, portLevelSettings: [{port: {number: 81}, loadBalancer: {consistentHash: {httpHeaderName: x-user}}}]}",
        )],
        asks: &[("x50 to=$S.shop:81 / x-user:ann", "200 hosts=1"), ("x120 / x-user:ann", "200 hosts=6")],
    },
    Row {
        name: "traffic policy of a subset",
        selects: ALL,
        objects: &[
            (
                "DestinationRule",
                "trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}, subsets: [{name: a, labels: {version: v1}, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}]",
            ),
            ("VirtualService", "http: [{route: [{destination: {host: $S, subset: a}}]}]"),
        ],
        asks: &[("/", "200 v1 version=HTTP/2.0")],
    },
];
