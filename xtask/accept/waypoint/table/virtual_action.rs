//! What a VirtualService can do with requests.

use super::{Row, V1};

/// Its rows.
pub const ROWS: &[Row] = &[
    Row {
        name: "weights 80 to 20",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{route: [{destination: {host: v1}, weight: 80}, {destination: {host: v2}, weight: 20}]}]",
        )],
        asks: &[("x1000 /", "200 v1~80 v2~20")],
    },
    Row {
        name: "weights 1 to 1 to 2",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{route: [{destination: {host: v1}, weight: 25}, {destination: {host: v2}, weight: 25}, {destination: {host: v3}, weight: 50}]}]",
        )],
        asks: &[("x1000 /", "200 v1~25 v2~25 v3~50")],
    },
    Row {
        name: "weight 0 gets nothing",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{route: [{destination: {host: v1}, weight: 0}, {destination: {host: v2}, weight: 100}]}]",
        )],
        asks: &[("x200 /", "200 v2")],
    },
    Row {
        name: "destination port",
        selects: V1,
        objects: &[("VirtualService", "http: [{route: [{destination: {host: v2, port: {number: 81}}}]}]")],
        asks: &[("/", "200 v2")],
    },
    Row {
        name: "redirect uri and authority",
        selects: V1,
        objects: &[("VirtualService", "http: [{redirect: {uri: /new, authority: n.example}}]")],
        asks: &[("/old", "301 res.location=http://n.example/new")],
    },
    Row {
        name: "redirect code and scheme",
        selects: V1,
        objects: &[("VirtualService", "http: [{redirect: {scheme: https, redirectCode: 307}}]")],
        asks: &[("/old?q=1", "307 res.location=https://$S.shop/old?q=1")],
    },
    Row {
        name: "redirect port",
        selects: V1,
        objects: &[("VirtualService", "http: [{redirect: {authority: n.example, port: 8443}}]")],
        asks: &[("/a", "301 res.location=http://n.example:8443/a")],
    },
    Row {
        name: "redirect uri keeps no query of its own",
        selects: V1,
        objects: &[("VirtualService", "http: [{redirect: {uri: /new}}]")],
        asks: &[("/old?q=1", "301 res.location=http://$S.shop/new?q=1")],
    },
    Row {
        name: "directResponse status and body",
        selects: V1,
        objects: &[("VirtualService", "http: [{directResponse: {status: 418, body: {string: teapot}}}]")],
        asks: &[("/", "418 body=teapot")],
    },
    Row {
        name: "directResponse body of bytes",
        selects: V1,
        objects: &[("VirtualService", "http: [{directResponse: {status: 200, body: {bytes: aGVsbG8=}}}]")],
        asks: &[("/", "200 body=hello")],
    },
    Row {
        name: "directResponse with response headers",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{directResponse: {status: 503}, headers: {response: {set: {x-new: a}}}}]",
        )],
        asks: &[("/", "503 res.x-new=a")],
    },
    Row {
        name: "rewrite uri of a prefix match",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{uri: {prefix: /a}}], rewrite: {uri: /new}, $v2}]")],
        asks: &[("/a/b?q=1", "200 v2 path=/new/b?q=1"), ("/a", "200 path=/new")],
    },
    Row {
        name: "rewrite uri of an exact match",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{uri: {exact: /a}}], rewrite: {uri: /new}, $v2}, {$v1}]")],
        asks: &[("/a", "200 v2 path=/new")],
    },
    Row {
        name: "rewrite uri prefix to the root",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{uri: {prefix: /a/}}], rewrite: {uri: /}, $v2}]")],
        asks: &[("/a/b", "200 path=/b")],
    },
    Row {
        name: "rewrite by regex",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{rewrite: {uriRegexRewrite: {match: \"^/user/([0-9]+)(.*)$\", rewrite: '/u\\2/\\1'}}, $v2}]",
        )],
        asks: &[("/user/42/x?q=1", "200 path=/u/x/42?q=1"), ("/other", "200 path=/other")],
    },
    Row {
        name: "rewrite authority",
        selects: V1,
        objects: &[("VirtualService", "http: [{rewrite: {authority: n.example}, $v2}]")],
        asks: &[("/", "200 v2 host=n.example")],
    },
    Row {
        name: "rewrite uri and authority",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{match: [{uri: {prefix: /a}}], rewrite: {uri: /b, authority: n.example}, $v2}]",
        )],
        asks: &[("/a/x", "200 host=n.example path=/b/x")],
    },
    Row {
        name: "timeout",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{uri: {prefix: /slow}}], timeout: 300ms, $v2}, {$v1}]")],
        asks: &[("/slow x-echo-delay:1500", "504 ms>=250 ms<1200"), ("/slow", "200"), ("/ x-echo-delay:600", "200")],
    },
    Row {
        name: "timeout of a rule that answers in time",
        selects: V1,
        objects: &[("VirtualService", "http: [{timeout: 2s, $v2}]")],
        asks: &[("/ x-echo-delay:300", "200 v2 ms>=300")],
    },
    Row {
        name: "retries on 5xx",
        selects: V1,
        objects: &[("VirtualService", "http: [{retries: {attempts: 3, retryOn: 5xx}, $one}]")],
        asks: &[("/ x-echo-key:$T x-echo-fail:2", "200 body.turn=3")],
    },
    Row {
        name: "retries give up",
        selects: V1,
        objects: &[("VirtualService", "http: [{retries: {attempts: 2, retryOn: 5xx}, $one}]")],
        asks: &[("/ x-echo-key:$T x-echo-fail:9", "503"), ("to=one.shop:80 /_count?$T", "200 body.count=3")],
    },
    Row {
        name: "retries on gateway-error leave 500",
        selects: V1,
        objects: &[("VirtualService", "http: [{retries: {attempts: 3, retryOn: gateway-error}, $one}]")],
        asks: &[
            ("/ x-echo-key:$T-a x-echo-fail:1", "200 body.turn=2"),
            ("/ x-echo-key:$T-b x-echo-fail:1 x-echo-status:500", "500"),
        ],
    },
    Row {
        name: "retries on a listed status",
        selects: V1,
        objects: &[("VirtualService", "http: [{retries: {attempts: 2, retryOn: '429'}, $one}]")],
        asks: &[("/ x-echo-key:$T x-echo-fail:1 x-echo-status:429", "200 body.turn=2")],
    },
    Row {
        name: "retries on reset",
        selects: V1,
        objects: &[("VirtualService", "http: [{retries: {attempts: 2, retryOn: reset}, $one}]")],
        asks: &[("/ x-echo-key:$T x-echo-break:1", "200 body.turn=2")],
    },
    Row {
        name: "retries attempts 0",
        selects: V1,
        objects: &[("VirtualService", "http: [{retries: {attempts: 0}, $one}]")],
        asks: &[("/ x-echo-key:$T x-echo-fail:1", "503"), ("to=one.shop:80 /_count?$T", "200 body.count=1")],
    },
    Row {
        name: "retries perTryTimeout",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{retries: {attempts: 2, perTryTimeout: 200ms, retryOn: '5xx,reset'}, $one}]",
        )],
        asks: &[
            ("/ x-echo-key:$T x-echo-delay:1500", "504 ms>=550 ms<1400"),
            ("to=one.shop:80 /_count?$T", "200 body.count=3"),
        ],
    },
    Row {
        name: "no retry of 503 where nothing is said",
        selects: V1,
        objects: &[("VirtualService", "http: [{$one}]")],
        asks: &[("/ x-echo-key:$T x-echo-fail:1", "503")],
    },
    Row {
        name: "fault delay of all",
        selects: V1,
        objects: &[("VirtualService", "http: [{fault: {delay: {fixedDelay: 400ms, percentage: {value: 100}}}, $v2}]")],
        asks: &[("/", "200 v2 ms>=400 ms<1500")],
    },
    Row {
        name: "fault delay of half",
        selects: V1,
        objects: &[("VirtualService", "http: [{fault: {delay: {fixedDelay: 200ms, percentage: {value: 50}}}, $v2}]")],
        asks: &[("x1000 parallel=50 /", "200 v2 slow~50")],
    },
    Row {
        name: "fault delay by header",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{match: [{headers: {x-a: {exact: one}}}], fault: {delay: {fixedDelay: 400ms, percentage: {value: 100}}}, $v2}, {$v1}]",
        )],
        asks: &[("/ x-a:one", "200 v2 ms>=400"), ("/", "200 v1 ms<400")],
    },
    Row {
        name: "fault abort of all",
        selects: V1,
        objects: &[("VirtualService", "http: [{fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, $v2}]")],
        asks: &[("/", "418")],
    },
    Row {
        name: "fault abort of a third",
        selects: V1,
        objects: &[("VirtualService", "http: [{fault: {abort: {httpStatus: 503, percentage: {value: 30}}}, $v2}]")],
        asks: &[("x1000 /", "503~30 200~70")],
    },
    Row {
        name: "fault abort by header",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{match: [{headers: {x-a: {exact: one}}}], fault: {abort: {httpStatus: 400, percentage: {value: 100}}}, $v2}, {$v1}]",
        )],
        asks: &[("/ x-a:one", "400"), ("/", "200 v1")],
    },
    Row {
        name: "fault abort with a gRPC status",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}, $v2}]",
        )],
        asks: &[("grpc POST /a.B/C", "200 grpc=14")],
    },
    Row {
        name: "fault delay and abort",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{fault: {delay: {fixedDelay: 300ms, percentage: {value: 100}}, abort: {httpStatus: 418, percentage: {value: 100}}}, $v2}]",
        )],
        asks: &[("/", "418 ms>=300")],
    },
    Row {
        name: "mirror",
        selects: V1,
        objects: &[("VirtualService", "http: [{mirror: {host: one}, $v2}]")],
        asks: &[
            ("x20 / x-echo-key:$T", "200 v2"),
            ("/ x-echo-delay:300", "200"),
            ("to=one.shop:80 /_count?$T", "200 body.count=20"),
        ],
    },
    Row {
        name: "mirrorPercentage",
        selects: V1,
        objects: &[("VirtualService", "http: [{mirror: {host: one}, mirrorPercentage: {value: 50}, $v2}]")],
        asks: &[
            ("x400 / x-echo-key:$T", "200 v2"),
            ("/ x-echo-delay:300", "200"),
            ("to=one.shop:80 /_count?$T", "200 body.count>=160"),
        ],
    },
    Row {
        name: "mirrors to two",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{mirrors: [{destination: {host: one}}, {destination: {host: v3}}], $v2}]",
        )],
        asks: &[
            ("x10 / x-echo-key:$T", "200 v2"),
            ("/ x-echo-delay:300", "200"),
            ("to=one.shop:80 /_count?$T", "200 body.count=10"),
            ("to=v3.shop:80 /_count?$T", "200 body.count=10"),
        ],
    },
    Row {
        name: "a mirror that is away disturbs nobody",
        selects: V1,
        objects: &[("VirtualService", "http: [{mirror: {host: nowhere}, $v2}]")],
        asks: &[("x20 /", "200 v2")],
    },
    Row {
        name: "cors preflight",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{corsPolicy: {allowOrigins: [{exact: 'http://a.example'}], allowMethods: [GET, PUT], allowHeaders: [x-a], exposeHeaders: [x-b], maxAge: 1h, allowCredentials: true}, $v2}]",
        )],
        asks: &[(
            "OPTIONS / origin:http://a.example access-control-request-method:PUT",
            "res.x-echo-name=- res.access-control-allow-origin=http://a.example res.access-control-allow-methods=GET,PUT res.access-control-allow-headers=x-a res.access-control-max-age=3600 res.access-control-allow-credentials=true",
        )],
    },
    Row {
        name: "cors answer",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{corsPolicy: {allowOrigins: [{exact: 'http://a.example'}], allowMethods: [GET, PUT], allowHeaders: [x-a], exposeHeaders: [x-b], maxAge: 1h, allowCredentials: true}, $v2}]",
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
        name: "cors origin by regex",
        selects: V1,
        objects: &[("VirtualService", "http: [{corsPolicy: {allowOrigins: [{regex: 'http://.*[.]example'}]}, $v2}]")],
        asks: &[
            ("/ origin:http://z.example", "200 res.access-control-allow-origin=http://z.example"),
            ("/ origin:http://z.other", "200 res.access-control-allow-origin=-"),
        ],
    },
    Row {
        name: "headers of the request",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{headers: {request: {set: {x-set: s}, add: {x-add: b}, remove: [x-gone]}}, $v2}]",
        )],
        asks: &[("/ x-set:old x-add:a x-gone:1", "200 req.x-set=s req.x-add=a,_b req.x-gone=-")],
    },
    Row {
        name: "headers of the answer",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{headers: {response: {set: {x-set: s}, add: {x-add: b}, remove: [x-gone]}}, $v2}]",
        )],
        asks: &[(
            "/ x-echo-add:x-set=old x-echo-add:x-gone=1 x-echo-add:x-add=a",
            "200 res.x-set=s res.x-add=a,_b res.x-gone=-",
        )],
    },
    Row {
        name: "headers of one destination",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{route: [{destination: {host: v2}, headers: {request: {set: {x-set: s}}, response: {set: {x-new: n}}}}]}]",
        )],
        asks: &[("/", "200 v2 req.x-set=s res.x-new=n")],
    },
    Row {
        name: "header host of the request",
        selects: V1,
        objects: &[("VirtualService", "http: [{headers: {request: {set: {host: n.example}}}, $v2}]")],
        asks: &[("/", "200 v2 host=n.example")],
    },
    Row {
        name: "delegate",
        selects: V1,
        objects: &[
            (
                "VirtualService",
                "http: [{match: [{uri: {prefix: /a}}], delegate: {name: $S-part, namespace: shop}}, {$v1}]",
            ),
            ("VirtualService#-part", "hosts: [], http: [{match: [{uri: {prefix: /a/x}}], $v2}, {$v3}]"),
        ],
        asks: &[("/a/x", "200 v2"), ("/a/y", "200 v3"), ("/b", "200 v1")],
    },
    Row {
        name: "exportTo its own namespace",
        selects: V1,
        objects: &[("VirtualService", "exportTo: ['.'], http: [{$v2}]")],
        asks: &[("/", "200 v2")],
    },
    Row {
        name: "exportTo another namespace only",
        selects: V1,
        objects: &[("VirtualService", "exportTo: [guest], http: [{$v2}]")],
        asks: &[("@guest/guest /", "200 v2"), ("/", "200 v1")],
    },
    Row {
        name: "two of one host are merged",
        selects: V1,
        objects: &[
            ("VirtualService", "http: [{match: [{uri: {prefix: /a}}], $v2}]"),
            ("VirtualService#-b", "http: [{match: [{uri: {prefix: /b}}], $v3}]"),
        ],
        asks: &[("/a", "200 v2"), ("/b", "200 v3")],
    },
    Row {
        name: "a short host name",
        selects: V1,
        objects: &[("VirtualService", "hosts: [$S], http: [{$v2}]")],
        asks: &[("/", "200 v2")],
    },
    Row {
        name: "gRPC by path",
        selects: V1,
        objects: &[("VirtualService", "http: [{match: [{uri: {exact: /a.B/C}}], $v2}, {$v1}]")],
        asks: &[("grpc POST /a.B/C", "200 v2"), ("grpc POST /a.B/D", "200 v1")],
    },
    Row {
        name: "destination that is not there",
        selects: V1,
        objects: &[(
            "VirtualService",
            "http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: nowhere}}]}, {$v3}]",
        )],
        asks: &[("/b", "200 v3"), ("/a", "500")],
    },
];
