//! Which requests the rules of a VirtualService can mean.

use super::{Row, V1};

/// Its rows.
pub const ROWS: &[Row] = &[
    Row {
        name: "match uri exact",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{uri: {exact: /a}}], $v2}, {$v1}]")],
        asks: &[("/a", "200 v2"), ("/a/b", "200 v1"), ("/A", "200 v1")],
    },
    Row {
        name: "match uri prefix",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{uri: {prefix: /a}}], $v2}, {$v1}]")],
        asks: &[("/a/b", "200 v2"), ("/ab", "200 v2"), ("/b", "200 v1")],
    },
    Row {
        name: "match uri regex",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{uri: {regex: \"/[a-c]+/[0-9]{2}\"}}], $v2}, {$v1}]")],
        asks: &[("/abc/12", "200 v2"), ("/abc/123", "200 v1"), ("/x/abc/12", "200 v1")],
    },
    Row {
        name: "match ignoreUriCase",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{uri: {prefix: /Case}, ignoreUriCase: true}], $v2}, {$v1}]")],
        asks: &[("/cASE/x", "200 v2"), ("/other", "200 v1")],
    },
    Row {
        name: "match method exact",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{method: {exact: POST}}], $v2}, {$v1}]")],
        asks: &[("POST /", "200 v2"), ("GET /", "200 v1")],
    },
    Row {
        name: "match method regex",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{method: {regex: \"P.*\"}}], $v2}, {$v1}]")],
        asks: &[("PUT /", "200 v2"), ("DELETE /", "200 v1")],
    },
    Row {
        name: "match authority exact",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{authority: {exact: a.example}}], $v2}, {$v1}]")],
        asks: &[("/ host:a.example", "200 v2"), ("/ host:b.example", "200 v1")],
    },
    Row {
        name: "match authority prefix",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{authority: {prefix: a.}}], $v2}, {$v1}]")],
        asks: &[("/ host:a.other", "200 v2"), ("/ host:b.example", "200 v1")],
    },
    Row {
        name: "match scheme http",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{scheme: {exact: http}}], $v2}, {$v1}]")],
        asks: &[("/", "200 v2")],
    },
    Row {
        name: "match scheme https does not match plain",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{match: [{scheme: {exact: https}}], $v2}, {match: [{uri: {prefix: /x}}], $v3}, {$v1}]",
        )],
        asks: &[("/x", "200 v3"), ("/", "200 v1")],
    },
    Row {
        name: "match header exact",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{headers: {x-a: {exact: one}}}], $v2}, {$v1}]")],
        asks: &[("/ x-a:one", "200 v2"), ("/ x-a:One", "200 v1"), ("/", "200 v1")],
    },
    Row {
        name: "match header prefix",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{headers: {x-a: {prefix: on}}}], $v2}, {$v1}]")],
        asks: &[("/ x-a:one", "200 v2"), ("/ x-a:two", "200 v1")],
    },
    Row {
        name: "match header regex",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{headers: {x-a: {regex: \"[0-9]+\"}}}], $v2}, {$v1}]")],
        asks: &[("/ x-a:42", "200 v2"), ("/ x-a:42a", "200 v1")],
    },
    Row {
        name: "match header presence",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{headers: {x-a: {}}}], $v2}, {$v1}]")],
        asks: &[("/ x-a:any", "200 v2"), ("/", "200 v1")],
    },
    Row {
        name: "match withoutHeaders exact",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{withoutHeaders: {x-a: {exact: one}}}], $v2}, {$v1}]")],
        asks: &[("/ x-a:two", "200 v2"), ("/ x-a:one", "200 v1"), ("/", "200 v2")],
    },
    Row {
        name: "match withoutHeaders presence",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{withoutHeaders: {x-a: {}}}], $v2}, {$v1}]")],
        asks: &[("/", "200 v2"), ("/ x-a:one", "200 v1")],
    },
    Row {
        name: "match queryParams exact",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{queryParams: {q: {exact: one}}}], $v2}, {$v1}]")],
        asks: &[("/?q=one", "200 v2"), ("/?q=two", "200 v1"), ("/?b=1&q=one", "200 v2")],
    },
    Row {
        name: "match queryParams prefix",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{queryParams: {q: {prefix: on}}}], $v2}, {$v1}]")],
        asks: &[("/?q=one", "200 v2"), ("/?q=two", "200 v1")],
    },
    Row {
        name: "match queryParams regex",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{queryParams: {q: {regex: \"[0-9]+\"}}}], $v2}, {$v1}]")],
        asks: &[("/?q=12", "200 v2"), ("/?q=x", "200 v1")],
    },
    Row {
        name: "match port",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{port: 81}], $v2}, {$v1}]")],
        asks: &[("/ to=$S.shop:81", "200 v2"), ("/", "200 v1")],
    },
    Row {
        name: "match sourceLabels",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{sourceLabels: {app: client}}], $v2}, {$v1}]")],
        asks: &[("/", "200 v2"), ("@shop/other /", "200 v1")],
    },
    Row {
        name: "match sourceNamespace",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{sourceNamespace: guest}], $v2}, {$v1}]")],
        asks: &[("@guest/guest /", "200 v2"), ("/", "200 v1")],
    },
    Row {
        name: "match gateways mesh",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{gateways: [mesh], uri: {prefix: /a}}], $v2}, {$v1}]")],
        asks: &[("/a", "200 v2"), ("/", "200 v1")],
    },
    Row {
        name: "match gateways of another gateway only",
        selects: V1,
        objects: &[(
            "VirtualService",
            "gateways: [mesh, other], http: [{match: [{gateways: [other]}], $v2}, {match: [{uri: {prefix: /x}}], $v3}, {$v1}]",
        )],
        asks: &[("/x", "200 v3"), ("/", "200 v1")],
    },
    Row {
        name: "conditions of one match are all needed",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{match: [{uri: {prefix: /a}, headers: {x-a: {exact: one}}, method: {exact: GET}}], $v2}, {$v1}]",
        )],
        asks: &[("/a x-a:one", "200 v2"), ("/a", "200 v1"), ("POST /a x-a:one", "200 v1")],
    },
    Row {
        name: "any of several matches",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{match: [{uri: {exact: /a}}, {headers: {x-a: {exact: one}}}], $v2}, {$v1}]",
        )],
        asks: &[("/a", "200 v2"), ("/ x-a:one", "200 v2"), ("/", "200 v1")],
    },
    Row {
        name: "the first rule that matches counts",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{match: [{uri: {prefix: /a}}], $v2}, {match: [{uri: {exact: /a}}], $v3}, {$v1}]",
        )],
        asks: &[("/a", "200 v2"), ("/b", "200 v1")],
    },
    Row {
        name: "no rule matches",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{uri: {exact: /a}}], $v2}]")],
        asks: &[("/a", "200 v2"), ("/b", "404")],
    },
];
