use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

struct Request;

impl Attributes for Request {
    fn attribute(&self, attribute: &Attribute) -> Option<Value<'_>> {
        let text = |text: &'static str| Some(Value::Text(Cow::Borrowed(text)));
        match attribute {
            Attribute::Request(RequestField::Host) => text("orders:80"),
            Attribute::Request(RequestField::UrlPath) => text("/v1/x"),
            Attribute::Request(RequestField::Method) => text("GET"),
            Attribute::RequestHeader(name) if &**name == "x-a" => text("One"),
            Attribute::Response(ResponseField::Code) => Some(Value::Integer(503)),
            Attribute::Peer(Side::Source, PeerField::Workload) => text("front"),
            Attribute::Peer(Side::Destination, PeerField::Port) => Some(Value::Integer(8080)),
            Attribute::Mtls => Some(Value::Bool(true)),
            _ => None,
        }
    }
}

#[test]
fn expressions_come_to_values() {
    let rows = [
        ("request.host", "orders:80"),
        ("'a' + request.method", "aGET"),
        ("request.headers['X-A']", "One"),
        ("request.headers[':method']", "GET"),
        ("string(destination.port)", "8080"),
        ("response.code >= 400 ? 'bad' : 'good'", "bad"),
        ("response.code < 500 || !has(request.headers.x) && connection.mtls", "true"),
        ("response.code == 503 && request.url_path.startsWith('/v1')", "true"),
        ("response.code > 502.5", "true"),
        ("response.code == '503'", "false"),
        ("response.code in [200, 503]", "true"),
        ("'x-a' in request.headers", "true"),
        ("'x-b' in request.headers", "false"),
        ("request.url_path.matches('^/v[0-9]+/')", "true"),
        ("size(request.method) + -1", "2"),
        ("request.headers['x-a'].lowerAscii().endsWith('ne')", "true"),
        ("source.workload.name == 'front' && destination.port != 80", "true"),
        ("true && true && true && response.code.contains('x') || true", "true"),
        ("request.headers['none'] == 'a' || response.code == 503", "true"),
        ("request.headers['none'] == 'a' && response.code == 200", "false"),
        // What is not there.
        ("request.headers['none']", "-"),
        ("request.headers['none'] == 'a'", "-"),
        ("response.code < 'a'", "-"),
        ("!request.method", "-"),
        ("9223372036854775807 + 1", "-"),
    ];
    for (text, wanted) in rows {
        let expression: Expression = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        let found = expression.value(&Request).map_or("-".to_owned(), |value| value.to_string());
        assert_eq!(found, wanted, "{text}");
        assert_eq!(expression.holds(&Request), wanted == "true", "{text}");
    }
}

#[test]
fn what_is_not_known_is_refused() {
    let deep = format!("{}true{}", "(".repeat(2000), ")".repeat(2000));
    let nots = format!("{}true", "!".repeat(3000));
    let wide = vec!["true"; 300].join(" && ");
    let rows = [
        ("", "cannot be read"),
        ("request.host ==", "cannot be read"),
        ("request.foo", "request.foo is no attribute"),
        ("metadata.filter", "metadata.filter is no attribute"),
        ("request.headers", "request.headers is no attribute"),
        ("request.headers[request.host]", "an index that is no constant text is not supported"),
        ("[1].all(x, x > 0)", "a loop over values is not supported"),
        ("request.host.reverse()", "function reverse is not supported"),
        ("request.host.matches('(')", "no regular expression"),
        ("request.host.matches(request.method)", "a regular expression that is no constant"),
        ("{'a': 1}", "a map or a message"),
        ("null", "null is not supported"),
        (&*deep, "more than"),
        (&*wide, "more than"),
        (&*nots, ""),
    ];
    for (text, wanted) in rows {
        let Err(error) = text.parse::<Expression>() else {
            assert!(wanted.is_empty(), "{text}");
            continue;
        };
        assert!(error.to_string().contains(wanted), "{}: {error}", &text[..text.len().min(40)]);
    }
}

proptest! {
    #[test]
    fn no_text_brings_the_parser_down(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec![
                    "request", ".", "headers", "['x']", "(", ")", "[", "]", "{", "}", "&&", "||", "!", "-", "==", "in", "?", ":", "has",
                    "matches", "'", "\"", "\"\"\"", "\\", "\\u12", "\\x", "0x", "1e", "9999999999999999999", "1u", "b'a'", "r'", "null", ",", "all",
                    "//", "\n", "\0", "@", "`a`", "%",
                ])
                .prop_map(str::to_owned),
                "\\PC{0,4}",
            ],
            0..12,
        )
    ) {
        let _ = pieces.concat().parse::<Expression>();
        let _ = pieces.join(" ").parse::<Expression>();
    }
}
