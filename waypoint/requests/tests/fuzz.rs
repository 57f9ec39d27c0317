//! Whatever anybody sends or answers: nothing panics, and nothing has two meanings.
//!
//! The acceptance runs these for longer.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use model::l7::{filter::Cors, matching::Request as _, text::TextMatch};
use proptest::{prelude::*, sample::select};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::requests::{
    check, cookie,
    cors::{self, Verdict},
    framing::{Fault, Framing},
    guard::Guard,
    headers,
    view::{self, View},
};

/// What a server made of a request: its line, what is wrong with it, and its body if that came whole.
type Made = (String, Option<Fault>, Option<Bytes>);

/// Has a connection served as the waypoint does, without what it decides.
fn served(bytes: &[u8]) -> Vec<Made> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let made = Arc::new(Mutex::new(Vec::new()));
    let told = made.clone();
    runtime.block_on(async move {
        let (mut client, server) = tokio::io::duplex(bytes.len().max(1));
        client.write_all(bytes).await.expect("there is room");
        client.shutdown().await.expect("it ends");
        let guard = Guard::new(server);
        let seen = guard.told();
        let service = service_fn(move |request: Request<Incoming>| {
            let (fault, made) = (seen.take(), made.clone());
            async move {
                let line = format!("{} {} {:?}", request.method(), request.uri(), request.version());
                let body = request.into_body().collect().await.ok().map(|body| body.to_bytes());
                made.lock().expect("whole").push((line, fault, body));
                Ok::<_, Infallible>(http::Response::new(Empty::<Bytes>::new()))
            }
        });
        let connection = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(guard), service);
        let mut answers = Vec::new();
        let (_, _) = tokio::join!(connection, client.read_to_end(&mut answers));
    });
    std::mem::take(&mut *told.lock().expect("whole"))
}

/// Finds where each message ends.
fn messages(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut framing, mut rest, mut all) = (Framing::default(), bytes, Vec::new());
    while !rest.is_empty() && !framing.is_cut() {
        let used = framing.follow(rest).used;
        let (message, after) = rest.split_at(used);
        all.push(message);
        rest = after;
    }
    all
}

/// Requests that are right, nearly right, and wrong, one after the other.
fn wire() -> impl Strategy<Value = Vec<u8>> {
    let line = select(vec!["GET /a", "POST /b", "PUT http://a/c", "CONNECT a:1", "OPTIONS *", "GET"]);
    let version = select(vec!["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", ""]);
    let field = select(vec![
        "host: a",
        "content-length: 3",
        "content-length: 0",
        "Content-Length:5",
        "content-length: +3",
        "content-length: 3, 3",
        "content-length : 3",
        "transfer-encoding: chunked",
        "Transfer-Encoding: CHUNKED",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: x",
        "connection: keep-alive",
        "connection: close",
        "expect: 100-continue",
        "a: b\r\n c",
        "a: \u{1}",
        "",
    ]);
    let end = select(vec!["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n"]);
    let body = select(vec![
        "",
        "",
        "abc",
        "abcde",
        "3\r\nabc\r\n0\r\n\r\n",
        "5;x=\"y\"\r\nabcde\r\n0\r\nt: u\r\n\r\n",
        "3\r\nabc\r\n0\r\n\n",
        "3\nabc\n0\n\n",
        "0\r\n\r\n",
        "0\r\nt: u\n\r\n",
        "ffffffffffffffffff\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "GET /evil HTTP/1.1\r\nhost: evil\r\n\r\n",
    ]);
    let fields = prop::collection::vec((field, end.clone()), 0..4);
    let request = (line, version, end, fields, body).prop_map(|(line, version, end, fields, body)| {
        let fields: String = fields.iter().map(|(field, end)| format!("{field}{end}")).collect();
        format!("{line} {version}{end}{fields}\r\n{body}").into_bytes()
    });
    let noise = prop::collection::vec(any::<u8>(), 0..24);
    prop::collection::vec(prop_oneof![9 => request, 1 => noise], 1..4).prop_map(|all| all.concat())
}

fn some_headers() -> impl Strategy<Value = HeaderMap> {
    let name = select(vec![
        "connection",
        "te",
        "upgrade",
        "host",
        "cookie",
        "origin",
        "x-a",
        "keep-alive",
        "transfer-encoding",
        "content-length",
        "access-control-request-method",
        "access-control-request-headers",
        "vary",
        "proxy-authorization",
        "trailer",
        "x-forwarded-client-cert",
    ]);
    let value = prop_oneof![
        select(vec![
            "close",
            "upgrade, x-a",
            "te, host, x-a",
            "trailers",
            "gzip;q=1, Trailers ;q=0",
            "a=b; c=\"d\"",
            "*",
            ","
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec((name, value), 0..10).prop_map(|all| {
        let pair = |(name, value): (&'static str, Vec<u8>)| {
            Some((HeaderName::from_static(name), HeaderValue::from_bytes(&value).ok()?))
        };
        all.into_iter().filter_map(pair).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The parser behind takes every message for what it is by itself: where it ends is no matter of what stands beside it.
    #[test]
    fn bytes_have_one_reading(bytes in wire()) {
        let (all, apart) = (served(&bytes), messages(&bytes));
        prop_assert!(all.len() <= apart.len(), "{all:?} of {}", apart.len());
        for (number, (made, message)) in all.iter().zip(&apart).enumerate() {
            let alone = served(message);
            prop_assert_eq!(alone.first(), Some(made), "of number {} in {:?}", number, String::from_utf8_lossy(&bytes));
            prop_assert!(made.1.is_none() || number + 1 == all.len(), "nothing comes behind what is refused");
        }
    }

    #[test]
    fn headers_of_a_connection_end_there(original in some_headers()) {
        let named = original.get_all(header::CONNECTION).iter().filter_map(|v| v.to_str().ok());
        let named: Vec<HeaderName> = named.flat_map(|v| v.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
        let mut left = original.clone();
        headers::end_to_end(&mut left);
        for name in ["connection", "keep-alive", "upgrade", "transfer-encoding", "proxy-authorization"] {
            prop_assert!(!left.contains_key(name), "{name}");
        }
        for name in named.iter().filter(|name| !matches!(**name, header::TE | header::HOST)) {
            prop_assert!(!left.contains_key(name), "{name}");
        }
        prop_assert!(left.get_all(header::TE).iter().all(|value| value == "trailers"));
        let mut again = left.clone();
        headers::end_to_end(&mut again);
        prop_assert_eq!(&again, &left, "a second time changes nothing");
        let mut trailers = original;
        headers::of_trailers(&mut trailers);
        prop_assert!(["connection", "host", "content-length", "x-forwarded-client-cert"].iter().all(|n| !trailers.contains_key(*n)));
    }

    #[test]
    fn no_request_is_a_surprise(
        method in "[!-~]{1,8}", target in "[ -~]{0,40}", host in prop::option::of("[ -~]{0,20}"), mut fields in some_headers(),
    ) {
        let Ok(request) = Request::builder().method(&*method).uri(&*target).body(()) else { return Ok(()) };
        let (mut parts, ()) = request.into_parts();
        fields.remove(header::HOST);
        fields.extend(host.and_then(|host| Some((header::HOST, HeaderValue::from_str(&host).ok()?))));
        parts.headers = fields;
        headers::drop_named(&mut parts.headers);
        let checked = check::check(&parts);
        prop_assert!(checked.is_err() || parts.method != Method::CONNECT);
        let Ok(authority) = view::authority(&parts) else { return Ok(()) };
        // What passes is a host and perhaps a port to everybody.
        let parsed: http::uri::Authority = authority.parse().expect("checked");
        prop_assert!(!authority.contains('@') && !parsed.host().is_empty());
        let view = View::new(&parts, &authority);
        for name in ["host", "cookie", "x-a", "origin"] {
            view.header(name, &mut |value| value.len() > 3);
        }
        view.query("a", &mut |value| value.is_empty());
    }

    #[test]
    fn cookies_are_found_or_not(fields in some_headers(), name in "[a-d]{0,2}") {
        let all: Vec<(&[u8], &[u8])> = cookie::all(&fields).collect();
        let first = all.iter().find(|(found, _)| *found == name.as_bytes());
        let text = first.and_then(|(_, value)| std::str::from_utf8(value).ok());
        prop_assert_eq!(cookie::find(&fields, &name), text);
    }

    /// Only an origin that a rule names is told that it may read, and it alone.
    #[test]
    fn no_other_origin_is_granted(fields in some_headers(), allowed in "[a-z]{1,5}", credentials: bool, expose in "[a-z*]{0,3}") {
        let rule = Cors {
            allow_origins: vec![TextMatch::Exact(allowed.as_str().into())],
            allow_methods: vec!["*".into()],
            allow_headers: vec!["*".into()],
            expose_headers: vec![expose.as_str().into()],
            allow_credentials: credentials,
            ..Cors::default()
        };
        let granted = match cors::judge(&rule, &Method::OPTIONS, &fields) {
            Verdict::Preflight(all) => all.into_iter().collect(),
            Verdict::Pass(grant) => {
                let mut answer = HeaderMap::new();
                grant.apply(&mut answer);
                answer
            }
        };
        let origins: Vec<&HeaderValue> = granted.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter().collect();
        prop_assert!(origins.iter().all(|origin| *origin == &allowed), "{origins:?}");
        prop_assert!(origins.len() <= 1 && granted.contains_key(header::VARY) || origins.is_empty());
    }
}
