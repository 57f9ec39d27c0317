//! Which requests the rules of an HTTPRoute can mean.

use super::{Row, V1};

/// Its rows.
pub const ROWS: &[Row] = &[
    Row {
        name: "path exact",
        selects: V1,
        objects: &[("HTTPRoute", "rules: [{matches: [{path: {type: Exact, value: /a}}], $b2}, {$b1}]")],
        asks: &[("/a", "200 v2"), ("/a/", "200 v1")],
    },
    Row {
        name: "path prefix by segments",
        selects: V1,
        objects: &[("HTTPRoute", "rules: [{matches: [{path: {type: PathPrefix, value: /a}}], $b2}, {$b1}]")],
        asks: &[("/a", "200 v2"), ("/a/b", "200 v2"), ("/ab", "200 v1")],
    },
    Row {
        name: "path prefix with a slash at its end",
        selects: V1,
        objects: &[("HTTPRoute", "rules: [{matches: [{path: {type: PathPrefix, value: /a/}}], $b2}, {$b1}]")],
        asks: &[("/a/b", "200 v2"), ("/a", "200 v2"), ("/ab", "200 v1")],
    },
    Row {
        name: "path regex",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{path: {type: RegularExpression, value: \"/[a-c]+\"}}], $b2}, {$b1}]",
        )],
        asks: &[("/abc", "200 v2"), ("/abd", "200 v1")],
    },
    Row {
        name: "header exact",
        selects: V1,
        objects: &[("HTTPRoute", "rules: [{matches: [{headers: [{name: X-A, value: one}]}], $b2}, {$b1}]")],
        asks: &[("/ x-a:one", "200 v2"), ("/ x-a:two", "200 v1")],
    },
    Row {
        name: "header regex",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{headers: [{type: RegularExpression, name: x-a, value: \"o.e\"}]}], $b2}, {$b1}]",
        )],
        asks: &[("/ x-a:ore", "200 v2"), ("/ x-a:two", "200 v1")],
    },
    Row {
        name: "two headers",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{headers: [{name: x-a, value: one}, {name: x-b, value: two}]}], $b2}, {$b1}]",
        )],
        asks: &[("/ x-a:one x-b:two", "200 v2"), ("/ x-a:one", "200 v1")],
    },
    Row {
        name: "query parameter exact",
        selects: V1,
        objects: &[("HTTPRoute", "rules: [{matches: [{queryParams: [{name: q, value: one}]}], $b2}, {$b1}]")],
        asks: &[("/?q=one", "200 v2"), ("/?q=two", "200 v1")],
    },
    Row {
        name: "query parameter regex",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{queryParams: [{type: RegularExpression, name: q, value: \"[0-9]+\"}]}], $b2}, {$b1}]",
        )],
        asks: &[("/?q=12", "200 v2"), ("/?q=x", "200 v1")],
    },
    Row {
        name: "method",
        selects: V1,
        objects: &[("HTTPRoute", "rules: [{matches: [{method: POST}], $b2}, {$b1}]")],
        asks: &[("POST /", "200 v2"), ("GET /", "200 v1")],
    },
    Row {
        name: "any of several matches",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{path: {value: /a}}, {headers: [{name: x-a, value: one}]}], $b2}, {$b1}]",
        )],
        asks: &[("/a", "200 v2"), ("/ x-a:one", "200 v2"), ("/", "200 v1")],
    },
    Row {
        name: "no rule matches",
        selects: V1,
        objects: &[("HTTPRoute", "rules: [{matches: [{path: {type: Exact, value: /a}}], $b2}]")],
        asks: &[("/a", "200 v2"), ("/b", "404")],
    },
    Row {
        name: "precedence: exact before prefix",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{path: {type: PathPrefix, value: /a}}], $b1}, {matches: [{path: {type: Exact, value: /a}}], $b2}]",
        )],
        asks: &[("/a", "200 v2"), ("/a/x", "200 v1")],
    },
    Row {
        name: "precedence: the longer prefix",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{path: {type: PathPrefix, value: /a}}], $b1}, {matches: [{path: {type: PathPrefix, value: /a/b}}], $b2}]",
        )],
        asks: &[("/a/b/c", "200 v2"), ("/a/c", "200 v1")],
    },
    Row {
        name: "precedence: method",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{path: {value: /a}}], $b1}, {matches: [{path: {value: /a}, method: POST}], $b2}]",
        )],
        asks: &[("POST /a", "200 v2"), ("GET /a", "200 v1")],
    },
    Row {
        name: "precedence: more headers",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{headers: [{name: x-a, value: one}]}], $b1}, {matches: [{headers: [{name: x-a, value: one}, {name: x-b, value: two}]}], $b2}]",
        )],
        asks: &[("/ x-a:one x-b:two", "200 v2"), ("/ x-a:one", "200 v1")],
    },
    Row {
        name: "precedence: more query parameters",
        selects: V1,
        objects: &[(
            "HTTPRoute",
            "rules: [{matches: [{queryParams: [{name: a, value: x}]}], $b1}, {matches: [{queryParams: [{name: a, value: x}, {name: b, value: y}]}], $b2}]",
        )],
        asks: &[("/?a=x&b=y", "200 v2"), ("/?a=x", "200 v1")],
    },
    Row {
        name: "precedence over two routes",
        selects: V1,
        objects: &[
            ("HTTPRoute", "rules: [{matches: [{path: {value: /a}}], $b1}]"),
            ("HTTPRoute#-b", "rules: [{matches: [{path: {value: /a/b}}], $b2}]"),
        ],
        asks: &[("/a/b", "200 v2"), ("/a/c", "200 v1")],
    },
];
