//! What a GRPCRoute can say.

use super::{Row, V1};

/// Its rows.
pub const ROWS: &[Row] = &[
    Row {
        name: "service and method",
        selects: V1,
        objects: &[("GRPCRoute", "rules: [{matches: [{method: {service: a.B, method: C}}], $g2}, {$g1}]")],
        asks: &[("grpc POST /a.B/C", "200 v2 grpc=12"), ("grpc POST /a.B/D", "200 v1")],
    },
    Row {
        name: "service alone",
        selects: V1,
        objects: &[("GRPCRoute", "rules: [{matches: [{method: {service: a.B}}], $g2}, {$g1}]")],
        asks: &[("grpc POST /a.B/Z", "200 v2"), ("grpc POST /a.X/Z", "200 v1")],
    },
    Row {
        name: "method alone",
        selects: V1,
        objects: &[("GRPCRoute", "rules: [{matches: [{method: {method: C}}], $g2}, {$g1}]")],
        asks: &[("grpc POST /x.Y/C", "200 v2"), ("grpc POST /x.Y/D", "200 v1")],
    },
    Row {
        name: "service by regex",
        selects: V1,
        objects: &[(
            "GRPCRoute",
            "rules: [{matches: [{method: {type: RegularExpression, service: \"a[.].*\"}}], $g2}, {$g1}]",
        )],
        asks: &[("grpc POST /a.Q/C", "200 v2"), ("grpc POST /b.Q/C", "200 v1")],
    },
    Row {
        name: "header exact",
        selects: V1,
        objects: &[("GRPCRoute", "rules: [{matches: [{headers: [{name: x-a, value: one}]}], $g2}, {$g1}]")],
        asks: &[("grpc POST /a.B/C x-a:one", "200 v2"), ("grpc POST /a.B/C", "200 v1")],
    },
    Row {
        name: "header regex",
        selects: V1,
        objects: &[(
            "GRPCRoute",
            "rules: [{matches: [{headers: [{type: RegularExpression, name: x-a, value: 'o.e'}]}], $g2}, {$g1}]",
        )],
        asks: &[("grpc POST /a.B/C x-a:ore", "200 v2"), ("grpc POST /a.B/C x-a:x", "200 v1")],
    },
    Row {
        name: "weights",
        selects: V1,
        objects: &[(
            "GRPCRoute",
            "rules: [{backendRefs: [{name: v1, port: 82, weight: 70}, {name: v2, port: 82, weight: 30}]}]",
        )],
        asks: &[("grpc x1000 POST /a.B/C", "200 v1~70 v2~30")],
    },
    Row {
        name: "header modifiers",
        selects: V1,
        objects: &[(
            "GRPCRoute",
            "rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-set, value: s}]}}, {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-new, value: n}]}}], $g2}]",
        )],
        asks: &[("grpc POST /a.B/C", "200 v2 res.x-new=n")],
    },
    Row {
        name: "no rule matches",
        selects: V1,
        objects: &[("GRPCRoute", "rules: [{matches: [{method: {service: a.B}}], $g2}]")],
        asks: &[("grpc POST /a.B/C", "200 v2"), ("grpc POST /x.Y/C", "200 grpc=12 res.x-echo-name=-")],
    },
    Row {
        name: "mirror",
        selects: V1,
        objects: &[(
            "GRPCRoute",
            "rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: one, port: 82}}}], $g2}]",
        )],
        asks: &[
            ("grpc x10 POST /a.B/C x-echo-key:$T", "200 v2"),
            ("/ to=v1.shop:80 x-echo-delay:300", "200"),
            ("to=one.shop:80 /_count?$T", "200 body.count=10"),
        ],
    },
    Row {
        name: "named rules",
        selects: V1,
        objects: &[("GRPCRoute", "rules: [{name: a, matches: [{method: {service: a.B}}], $g2}, {name: b, $g1}]")],
        asks: &[("grpc POST /a.B/C", "200 v2"), ("grpc POST /x.Y/C", "200 v1")],
    },
    Row {
        name: "how long the client waits",
        selects: V1,
        objects: &[("GRPCRoute", "rules: [{$g2}]")],
        asks: &[
            ("grpc POST /a.B/C grpc-timeout:300m x-echo-delay:1500", "200 grpc=4 ms>=250 ms<1200"),
            ("grpc POST /a.B/C grpc-timeout:300000u x-echo-delay:1500", "200 grpc=4 ms>=250 ms<1200"),
            ("grpc POST /a.B/C grpc-timeout:20S", "200 v2 grpc=12"),
            ("grpc POST /a.B/C grpc-timeout:0m x-echo-delay:500", "200 v2 grpc=12"),
            ("grpc POST /a.B/C grpc-timeout:x x-echo-delay:500", "200 v2 grpc=12"),
        ],
    },
    Row {
        name: "backend that is not there",
        selects: V1,
        objects: &[(
            "GRPCRoute",
            "rules: [{matches: [{method: {service: a.B}}], backendRefs: [{name: nowhere, port: 82}]}, {$g2}]",
        )],
        asks: &[("grpc POST /x.Y/C", "200 v2"), ("grpc POST /a.B/C", "200 grpc=14")],
    },
];
