//! What an AuthorizationPolicy that is attached to a service can say.

use super::{Row, V1};

/// Its rows.
pub const ROWS: &[Row] = &[
    Row {
        name: "paths exact",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {paths: [/a]}}]}]")],
        asks: &[("/a", "200"), ("/b", "403")],
    },
    Row {
        name: "paths prefix",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {paths: ['/a/*']}}]}]")],
        asks: &[("/a/b", "200"), ("/b", "403")],
    },
    Row {
        name: "paths suffix",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {paths: ['*/end']}}]}]")],
        asks: &[("/a/end", "200"), ("/a/end/x", "403")],
    },
    Row {
        name: "paths presence",
        selects: V1,
        objects: &[
            ("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {paths: ['*']}}]}]"),
            ("AuthorizationPolicy#-d", "action: DENY, rules: [{to: [{operation: {paths: [/no]}}]}]"),
        ],
        asks: &[("/a", "200"), ("/no", "403")],
    },
    Row {
        name: "paths template of one segment",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {paths: ['/a/{*}/c']}}]}]")],
        asks: &[("/a/b/c", "200"), ("/a/b/b/c", "403")],
    },
    Row {
        name: "paths template of many segments",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {paths: ['/a/{**}']}}]}]")],
        asks: &[("/a/b/c", "200"), ("/b/c", "403")],
    },
    Row {
        name: "paths are not fooled by other spellings",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: DENY, rules: [{to: [{operation: {paths: ['/private*']}}]}]")],
        asks: &[
            ("/private/x", "403"),
            ("/a/../private", "403"),
            ("/./private", "403"),
            ("/%70rivate", "403"),
            ("/public", "200"),
        ],
    },
    Row {
        name: "notPaths",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {notPaths: [/b]}}]}]")],
        asks: &[("/a", "200"), ("/b", "403")],
    },
    Row {
        name: "methods",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {methods: [GET]}}]}]")],
        asks: &[("/", "200"), ("POST /", "403")],
    },
    Row {
        name: "notMethods",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {notMethods: [POST]}}]}]")],
        asks: &[("/", "200"), ("POST /", "403")],
    },
    Row {
        name: "hosts",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {hosts: [a.example]}}]}]")],
        asks: &[("/ host:a.example", "200"), ("/ host:A.Example", "200"), ("/", "403")],
    },
    Row {
        name: "hosts by suffix",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {hosts: ['*.example']}}]}]")],
        asks: &[("/ host:x.example", "200"), ("/", "403")],
    },
    Row {
        name: "notHosts",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {notHosts: [a.example]}}]}]")],
        asks: &[("/", "200"), ("/ host:a.example", "403")],
    },
    Row {
        name: "ports",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {ports: ['81']}}]}]")],
        asks: &[("/ to=$S.shop:81", "200"), ("/", "403")],
    },
    Row {
        name: "notPorts",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {notPorts: ['81']}}]}]")],
        asks: &[("/", "200"), ("/ to=$S.shop:81", "403")],
    },
    Row {
        name: "principals",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/client]}}]}]",
        )],
        asks: &[("/", "200"), ("@shop/other /", "403")],
    },
    Row {
        name: "principals by prefix",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{from: [{source: {principals: ['cluster.local/ns/shop/*']}}]}]",
        )],
        asks: &[("/", "200"), ("@guest/guest /", "403")],
    },
    Row {
        name: "notPrincipals",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{from: [{source: {notPrincipals: [cluster.local/ns/shop/sa/other]}}]}]",
        )],
        asks: &[("/", "200"), ("@shop/other /", "403")],
    },
    Row {
        name: "namespaces",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{from: [{source: {namespaces: [guest]}}]}]")],
        asks: &[("@guest/guest /", "200"), ("/", "403")],
    },
    Row {
        name: "notNamespaces",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{from: [{source: {notNamespaces: [guest]}}]}]")],
        asks: &[("/", "200"), ("@guest/guest /", "403")],
    },
    Row {
        name: "serviceAccounts",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{from: [{source: {serviceAccounts: [shop/client]}}]}]",
        )],
        asks: &[("/", "200"), ("@shop/other /", "403")],
    },
    Row {
        name: "serviceAccounts of its own namespace",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{from: [{source: {serviceAccounts: [client]}}]}]")],
        asks: &[("/", "200"), ("@shop/other /", "403")],
    },
    Row {
        name: "notServiceAccounts",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{from: [{source: {notServiceAccounts: [shop/other]}}]}]",
        )],
        asks: &[("/", "200"), ("@shop/other /", "403")],
    },
    Row {
        name: "ipBlocks",
        selects: V1,
        objects: &[
            ("AuthorizationPolicy", "action: ALLOW, rules: [{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]"),
            ("AuthorizationPolicy#-d", "action: DENY, rules: [{to: [{operation: {paths: [/no]}}]}]"),
        ],
        asks: &[("/", "200"), ("/no", "403")],
    },
    Row {
        name: "ipBlocks of others",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{from: [{source: {ipBlocks: [192.0.2.0/24]}}]}]")],
        asks: &[("/", "403")],
    },
    Row {
        name: "notIpBlocks",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW, rules: [{from: [{source: {notIpBlocks: [10.0.0.0/8]}}]}]")],
        asks: &[("/", "403")],
    },
    Row {
        name: "remoteIpBlocks",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{from: [{source: {remoteIpBlocks: [192.0.2.0/24]}}]}]",
        )],
        asks: &[("/", "403")],
    },
    Row {
        name: "when request.headers",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{when: [{key: 'request.headers[x-a]', values: [one]}]}]",
        )],
        asks: &[("/ x-a:one", "200"), ("/ x-a:two", "403"), ("/", "403")],
    },
    Row {
        name: "when request.headers by prefix",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{when: [{key: 'request.headers[x-a]', values: ['on*']}]}]",
        )],
        asks: &[("/ x-a:one", "200"), ("/ x-a:two", "403")],
    },
    Row {
        name: "when request.headers, not",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{when: [{key: 'request.headers[x-a]', notValues: [bad]}]}]",
        )],
        asks: &[("/ x-a:one", "200"), ("/ x-a:bad", "403")],
    },
    Row {
        name: "when source.namespace",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{when: [{key: 'source.namespace', values: [guest]}]}]",
        )],
        asks: &[("@guest/guest /", "200"), ("/", "403")],
    },
    Row {
        name: "when source.principal",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{when: [{key: 'source.principal', values: [cluster.local/ns/shop/sa/client]}]}]",
        )],
        asks: &[("/", "200"), ("@shop/other /", "403")],
    },
    Row {
        name: "when destination.port",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{when: [{key: 'destination.port', values: ['81']}]}]",
        )],
        asks: &[("/ to=$S.shop:81", "200"), ("/", "403")],
    },
    Row {
        name: "when source.ip",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{when: [{key: 'source.ip', values: [192.0.2.0/24]}]}]",
        )],
        asks: &[("/", "403")],
    },
    Row {
        name: "all parts of a rule are needed",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{from: [{source: {namespaces: [shop]}}], to: [{operation: {methods: [GET], paths: [/a]}}], when: [{key: 'request.headers[x-a]', values: [one]}]}]",
        )],
        asks: &[("/a x-a:one", "200"), ("POST /a x-a:one", "403"), ("/a", "403"), ("@guest/guest /a x-a:one", "403")],
    },
    Row {
        name: "any of several rules",
        selects: V1,
        objects: &[(
            "AuthorizationPolicy",
            "action: ALLOW, rules: [{to: [{operation: {paths: [/a]}}]}, {to: [{operation: {methods: [POST]}}]}]",
        )],
        asks: &[("/a", "200"), ("POST /b", "200"), ("/b", "403")],
    },
    Row {
        name: "DENY before ALLOW",
        selects: V1,
        objects: &[
            ("AuthorizationPolicy", "action: ALLOW, rules: [{to: [{operation: {paths: ['/a*']}}]}]"),
            ("AuthorizationPolicy#-d", "action: DENY, rules: [{to: [{operation: {paths: [/a/no]}}]}]"),
        ],
        asks: &[("/a", "200"), ("/a/no", "403"), ("/b", "403")],
    },
    Row {
        name: "without rules nothing is allowed",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: ALLOW")],
        asks: &[("/", "403")],
    },
    Row {
        name: "one empty rule allows all",
        selects: V1,
        objects: &[
            ("AuthorizationPolicy", "action: ALLOW, rules: [{}]"),
            ("AuthorizationPolicy#-d", "action: DENY, rules: [{to: [{operation: {paths: [/no]}}]}]"),
        ],
        asks: &[("/", "200"), ("/no", "403")],
    },
    Row {
        name: "dry run lets through",
        selects: V1,
        objects: &[
            (
                "AuthorizationPolicy istio.io/dry-run=true",
                "action: DENY, rules: [{to: [{operation: {paths: ['/a*']}}]}]",
            ),
            ("AuthorizationPolicy#-d", "action: DENY, rules: [{to: [{operation: {paths: [/no]}}]}]"),
        ],
        asks: &[("/a", "200"), ("/no", "403")],
    },
    Row {
        name: "AUDIT lets through",
        selects: V1,
        objects: &[
            ("AuthorizationPolicy", "action: AUDIT, rules: [{to: [{operation: {paths: ['/a*']}}]}]"),
            ("AuthorizationPolicy#-d", "action: DENY, rules: [{to: [{operation: {paths: [/no]}}]}]"),
        ],
        asks: &[("/a", "200"), ("/no", "403")],
    },
    Row {
        name: "gRPC client is told as gRPC",
        selects: V1,
        objects: &[("AuthorizationPolicy", "action: DENY, rules: [{to: [{operation: {paths: [/a.B/C]}}]}]")],
        asks: &[("grpc POST /a.B/C", "200 grpc=7"), ("grpc POST /a.B/D", "200 grpc=12 v1")],
    },
    Row {
        name: "decides before the route",
        selects: V1,
        objects: &[
            ("AuthorizationPolicy", "action: DENY, rules: [{to: [{operation: {paths: ['/old*']}}]}]"),
            (
                "HTTPRoute",
                "rules: [{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /new}}}], $b2}]",
            ),
        ],
        asks: &[("/old", "403"), ("/x", "200 v2")],
    },
];
