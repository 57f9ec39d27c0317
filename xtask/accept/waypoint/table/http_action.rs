//! What an HTTPRoute can do with requests.

use super::{Row, V1};

/// Its rows.
pub const ROWS: &[Row] = &[
    Row {
        name: "weights 80 to 20",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{backendRefs: [{name: v1, port: 80, weight: 80}, {name: v2, port: 80, weight: 20}]}]",
        )],
        asks: &[("x1000 /", "200 v1~80 v2~20")],
    },
    Row {
        name: "weight 0 gets nothing",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{backendRefs: [{name: v1, port: 80, weight: 0}, {name: v2, port: 80, weight: 1}]}]",
        )],
        asks: &[("x200 /", "200 v2")],
    },
    Row {
        name: "header modifier of the request",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-set, value: s}], add: [{name: x-add, value: b}], remove: [x-gone]}}], $b2}]",
        )],
        asks: &[("/ x-set:old x-add:a x-gone:1", "200 req.x-set=s req.x-add=a,_b req.x-gone=-")],
    },
    Row {
        name: "header modifier of the answer",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-set, value: s}], add: [{name: x-add, value: b}], remove: [x-gone]}}], $b2}]",
        )],
        asks: &[(
            "/ x-echo-add:x-set=old x-echo-add:x-gone=1 x-echo-add:x-add=a",
            "200 res.x-set=s res.x-add=a,_b res.x-gone=-",
        )],
    },
    Row {
        name: "header modifier of one backend",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{backendRefs: [{name: v2, port: 80, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-set, value: s}]}}]}]}]",
        )],
        asks: &[("/", "200 v2 req.x-set=s")],
    },
    Row {
        name: "header modifier of one backend's answer",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{backendRefs: [{name: v2, port: 80, filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-set, value: s}]}}]}]}]",
        )],
        asks: &[("/", "200 v2 res.x-set=s")],
    },
    Row {
        name: "redirect 301",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 301, hostname: n.example}}]}]",
        )],
        asks: &[("/a", "301 res.location=http://n.example/a")],
    },
    Row {
        name: "redirect 302",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 302, hostname: n.example}}]}]",
        )],
        asks: &[("/a", "302 res.location=http://n.example/a")],
    },
    Row {
        name: "redirect 303",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 303, hostname: n.example}}]}]",
        )],
        asks: &[("/a", "303 res.location=http://n.example/a")],
    },
    Row {
        name: "redirect 307",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 307, hostname: n.example}}]}]",
        )],
        asks: &[("/a", "307 res.location=http://n.example/a")],
    },
    Row {
        name: "redirect 308",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 308, hostname: n.example}}]}]",
        )],
        asks: &[("/a", "308 res.location=http://n.example/a")],
    },
    Row {
        name: "redirect without a code is 302",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: n.example}}]}]",
        )],
        asks: &[("/a?q=1", "302 res.location=http://n.example/a?q=1")],
    },
    Row {
        name: "redirect of the full path",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /new}}}]}]",
        )],
        asks: &[("/a?q=1", "302 res.location=http://$S.shop/new?q=1")],
    },
    Row {
        name: "redirect of the prefix",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{path: {value: /a}}], filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}}]}]",
        )],
        asks: &[("/a/x", "302 res.location=http://$S.shop/b/x"), ("/a", "302 res.location=http://$S.shop/b")],
    },
    Row {
        name: "redirect of port and host",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: n.example, port: 8443}}]}]",
        )],
        asks: &[("/a", "302 res.location=http://n.example:8443/a")],
    },
    Row {
        name: "redirect of the scheme",
        selects: V1,
        objects: &[("HTTPRoute", "rules: [{filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]}]")],
        asks: &[("/a", "302 res.location=https://$S.shop/a")],
    },
    Row {
        name: "redirect of the scheme with a port",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: RequestRedirect, requestRedirect: {scheme: https, port: 443}}]}]",
        )],
        asks: &[("/a", "302 res.location=https://$S.shop/a")],
    },
    Row {
        name: "redirect keeps the port asked",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /n}}}]}]",
        )],
        asks: &[("/a to=$S.shop:81 host:$S.shop:81", "302 res.location=http://$S.shop:81/n")],
    },
    Row {
        name: "rewrite of the full path",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{path: {value: /a}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /new}}}], $b2}]",
        )],
        asks: &[("/a/b?q=1", "200 v2 path=/new?q=1")],
    },
    Row {
        name: "rewrite of the prefix",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{path: {value: /a}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}}], $b2}]",
        )],
        asks: &[("/a/b?q=1", "200 v2 path=/new/b?q=1"), ("/a", "200 path=/new")],
    },
    Row {
        name: "rewrite of the prefix to the root",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{path: {value: /a}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}], $b2}]",
        )],
        asks: &[("/a/b", "200 path=/b"), ("/a", "200 path=/")],
    },
    Row {
        name: "rewrite of the host",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{path: {value: /}}], filters: [{type: URLRewrite, urlRewrite: {hostname: n.example}}], $b2}]",
        )],
        asks: &[("/", "200 v2 host=n.example")],
    },
    Row {
        name: "mirror",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: one, port: 80}}}], $b2}]",
        )],
        asks: &[
            ("x20 / x-echo-key:$T", "200 v2"),
            ("/ x-echo-delay:300", "200"),
            ("to=one.shop:80 /_count?$T", "200 body.count=20"),
        ],
    },
    Row {
        name: "mirror of a percentage",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: one, port: 80}, percent: 50}}], $b2}]",
        )],
        asks: &[
            ("x400 / x-echo-key:$T", "200 v2"),
            ("/ x-echo-delay:300", "200"),
            ("to=one.shop:80 /_count?$T", "200 body.count>=160"),
        ],
    },
    Row {
        name: "mirror to two",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: one, port: 80}}}, {type: RequestMirror, requestMirror: {backendRef: {name: v3, port: 80}}}], $b2}]",
        )],
        asks: &[
            ("x10 / x-echo-key:$T", "200 v2"),
            ("/ x-echo-delay:300", "200"),
            ("to=one.shop:80 /_count?$T", "200 body.count=10"),
            ("to=v3.shop:80 /_count?$T", "200 body.count=10"),
        ],
    },
    Row {
        name: "timeout of the request",
        selects: V1,
        objects: &[("HTTPRoute", "rules: [{timeouts: {request: 300ms}, $b2}]")],
        asks: &[("/ x-echo-delay:1500", "504 ms>=250 ms<1200"), ("/", "200 v2")],
    },
    Row {
        name: "timeout of the backend",
        selects: V1,
        objects: &[("HTTPRoute", "rules: [{timeouts: {request: 2s, backendRequest: 300ms}, $b2}]")],
        asks: &[("/ x-echo-delay:1500", "504 ms>=250"), ("/", "200 v2")],
    },
    Row {
        name: "timeout of gRPC, the client's or the rule's",
        selects: V1,
        objects: &[("HTTPRoute", "rules: [{timeouts: {request: 900ms}, $g2}]")],
        asks: &[
            ("grpc POST /a.B/C x-echo-delay:1500", "200 grpc=4 ms>=850 ms<1450"),
            ("grpc POST /a.B/C x-echo-delay:1500 grpc-timeout:300m", "200 grpc=4 ms>=250 ms<800"),
            ("grpc POST /a.B/C x-echo-delay:1500 grpc-timeout:1H", "200 grpc=4 ms>=850 ms<1450"),
            ("grpc POST /a.B/C", "200 v2 grpc=12"),
        ],
    },
    Row {
        name: "timeout 0 is none",
        selects: V1,
        objects: &[("HTTPRoute", "rules: [{timeouts: {request: 0s}, $b2}]")],
        asks: &[("/ x-echo-delay:500", "200 v2")],
    },
    Row {
        name: "retry by status",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{retry: {codes: [503], attempts: 2, backoff: 10ms}, backendRefs: [{name: one, port: 80}]}]",
        )],
        asks: &[("/ x-echo-key:$T x-echo-fail:2", "200 body.turn=3")],
    },
    Row {
        name: "retry leaves other statuses",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{retry: {codes: [503], attempts: 2}, backendRefs: [{name: one, port: 80}]}]",
        )],
        asks: &[
            ("/ x-echo-key:$T x-echo-fail:1 x-echo-status:500", "500"),
            ("/ x-echo-key:$T-b x-echo-fail:1", "200 body.turn=2"),
        ],
    },
    Row {
        name: "CORS preflight",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: CORS, cors: {allowOrigins: ['http://a.example'], allowMethods: [GET, PUT], allowHeaders: [x-a], exposeHeaders: [x-b], maxAge: 3600, allowCredentials: true}}], $b2}]",
        )],
        asks: &[(
            "OPTIONS / origin:http://a.example access-control-request-method:PUT",
            "res.x-echo-name=- res.access-control-allow-origin=http://a.example res.access-control-max-age=3600 res.access-control-allow-credentials=true",
        )],
    },
    Row {
        name: "CORS answer",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{filters: [{type: CORS, cors: {allowOrigins: ['http://a.example'], allowMethods: [GET, PUT], allowHeaders: [x-a], exposeHeaders: [x-b], maxAge: 3600, allowCredentials: true}}], $b2}]",
        )],
        asks: &[
            (
                "/ origin:http://a.example",
                "200 v2 res.access-control-allow-origin=http://a.example res.access-control-expose-headers=x-b",
            ),
            ("/ origin:http://b.example", "200 v2 res.access-control-allow-origin=-"),
        ],
    },
    Row {
        name: "named rules",
        selects: V1,
        objects: &[("HTTPRoute", "rules: [{name: a, matches: [{path: {value: /a}}], $b2}, {name: b, $b1}]")],
        asks: &[("/a", "200 v2"), ("/", "200 v1")],
    },
    Row {
        name: "parentRef with a port",
        selects: V1,
        objects: &[("HTTPRoute", "parentRefs: [{group: '', kind: Service, name: $S, port: 81}], rules: [{$b2}]")],
        asks: &[("/ to=$S.shop:81", "200 v2"), ("/", "200 v1")],
    },
    Row {
        name: "parentRefs of two ports, two routes",
        selects: V1,
        objects: &[
            ("HTTPRoute", "parentRefs: [{group: '', kind: Service, name: $S, port: 81}], rules: [{$b2}]"),
            ("HTTPRoute#-b", "parentRefs: [{group: '', kind: Service, name: $S, port: 80}], rules: [{$b3}]"),
        ],
        asks: &[("/ to=$S.shop:81", "200 v2"), ("/", "200 v3")],
    },
    Row {
        name: "backend of another namespace with a ReferenceGrant",
        selects: V1,
        objects: &[
            ("HTTPRoute", "rules: [{backendRefs: [{name: far, namespace: far, port: 80}]}]"),
            ("far/Service#-none", "selector: {version: far}, ports: [{port: 80, targetPort: 8080}]"),
            (
                "far/ReferenceGrant",
                "from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}], to: [{group: '', kind: Service, name: far}]",
            ),
        ],
        asks: &[("/", "200 far")],
    },
    Row {
        name: "backend of another namespace without a ReferenceGrant",
        selects: V1,
        objects: &[
            (
                "HTTPRoute",
                "rules: [{matches: [{path: {value: /a}}], backendRefs: [{name: $S-none, namespace: far, port: 80}]}, {$b2}]",
            ),
            ("far/Service#-none", "selector: {version: far}, ports: [{port: 80, targetPort: 8080}]"),
        ],
        asks: &[("/", "200 v2"), ("/a", "500")],
    },
    Row {
        name: "backend that is not there",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{path: {value: /a}}], backendRefs: [{name: nowhere, port: 80}]}, {$b2}]",
        )],
        asks: &[("/", "200 v2"), ("/a", "500")],
    },
    Row {
        name: "backend that is not there, by its weight",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{backendRefs: [{name: nowhere, port: 80, weight: 50}, {name: v2, port: 80, weight: 50}]}]",
        )],
        asks: &[("x1000 /", "500~50 200~50")],
    },
    Row {
        name: "a rule without backends",
        selects: V1,
        objects: &[("HTTPRoute", "rules: [{matches: [{path: {value: /a}}]}, {$b2}]")],
        asks: &[("/", "200 v2"), ("/a", "500")],
    },
    Row {
        name: "consumer route: for clients of its own namespace alone",
        selects: V1,
        objects: &[
            (
                "guest/HTTPRoute",
                "parentRefs: [{group: '', kind: Service, name: $S, namespace: shop}], rules: [{filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-by, value: guest}]}}], backendRefs: [{name: $S, namespace: shop, port: 80}]}]",
            ),
            (
                "shop/ReferenceGrant",
                "from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: guest}], to: [{group: '', kind: Service, name: $S}]",
            ),
        ],
        asks: &[("@guest/guest /", "200 v1 res.x-by=guest"), ("/", "200 v1 res.x-by=-")],
    },
    Row {
        name: "consumer route goes before the producer's",
        selects: V1,
        objects: &[
            ("HTTPRoute", "rules: [{$b2}]"),
            (
                "guest/HTTPRoute",
                "parentRefs: [{group: '', kind: Service, name: $S, namespace: shop}], rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: n.example}}]}]",
            ),
        ],
        asks: &[("@guest/guest /", "302"), ("/", "200 v2")],
    },
];
