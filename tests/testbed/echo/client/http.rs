//! HTTP/1.1 and HTTP/2 requests, over one connection or a new one for each.

use std::{
    collections::BTreeMap,
    str::FromStr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Args;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, Uri,
    header::HOST,
    uri::{Authority, Scheme},
};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{ClientError, Report, connect, json_or_text, millis, note_ends};
use crate::wire::Target;

/// How much of an answer's body is kept for the report.
const BODY: usize = 64 * 1024;

/// The arguments of `http`.
#[derive(Args)]
pub struct HttpArgs {
    /// http://HOST[:PORT]/PATH
    url: Uri,
    /// Speak HTTP/2 without asking (prior knowledge)
    #[arg(long)]
    http2: bool,
    /// Requests, one after the other
    #[arg(long, default_value_t = 1)]
    count: u32,
    /// Open a new connection for each request
    #[arg(long)]
    new_connection: bool,
    /// NAME: VALUE; a Host replaces that of the address
    #[arg(long, value_name = "HEADER")]
    header: Vec<Header>,
    /// The method
    #[arg(long, default_value = "GET")]
    method: Method,
    /// The body
    #[arg(long, default_value = "")]
    data: String,
    /// The status that each answer must have, instead of any 2xx
    #[arg(long, value_name = "STATUS")]
    expect: Option<u16>,
}

#[derive(Clone)]
struct Header(HeaderName, HeaderValue);

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').ok_or_else(|| format!("{text:?} is not NAME: VALUE"))?;
        let name = name.trim().parse().map_err(|_| format!("{name:?} is not a header name"))?;
        let value = value.trim().parse().map_err(|_| format!("{value:?} is not a header value"))?;
        Ok(Self(name, value))
    }
}

/// One connection, ready for requests.
pub enum Sender {
    /// HTTP/1.1
    One(http1::SendRequest<Full<Bytes>>),
    /// HTTP/2
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    /// Connects and does what the protocol begins with.
    pub async fn open(target: &Target, http2: bool, report: &mut Report) -> Result<Self, ClientError> {
        let stream = connect(target).await?;
        note_ends(&stream, report)?;
        let failed = |e| ClientError::Http("opening HTTP", e);
        let io = TokioIo::new(stream);
        // The connection's own task ends with it, and its error is that of the request in hand.
        if http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.map_err(failed)?;
            tokio::spawn(connection);
            Ok(Self::Two(sender))
        } else {
            let (sender, connection) = http1::handshake(io).await.map_err(failed)?;
            tokio::spawn(connection);
            Ok(Self::One(sender))
        }
    }

    /// Whether a further request can be sent.
    pub async fn is_open(&mut self) -> bool {
        match self {
            Self::One(sender) => sender.ready().await.is_ok(),
            Self::Two(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Sends a request and returns the answer's head.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        let answer = match self {
            Self::One(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => Err(error),
            },
            Self::Two(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => Err(error),
            },
        };
        answer.map_err(|e| ClientError::Http("the request", e))
    }
}

/// Sends the requests and checks each status.
pub async fn run(args: HttpArgs, report: &mut Report) -> Result<bool, ClientError> {
    let usage = |what: &str| ClientError::Usage(what.to_owned());
    if args.url.scheme() != Some(&Scheme::HTTP) {
        return Err(usage("the URL must start with http://"));
    }
    let host = args.url.host().ok_or_else(|| usage("the URL has no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let target = Target { host, port: args.url.port_u16().unwrap_or(80) };
    let mut sender = None;
    let mut statuses: BTreeMap<u16, u32> = BTreeMap::new();
    let mut servers: BTreeMap<String, u32> = BTreeMap::new();
    let mut slowest = Duration::ZERO;
    let mut good = 0;
    for done in 0..args.count {
        report.set("count", done);
        if sender.is_none() || args.new_connection {
            sender = Some(Sender::open(&target, args.http2, report).await?);
        }
        let Some(sender) = &mut sender else { continue };
        let started = Instant::now();
        let answer = sender.send(request(&args)?).await?;
        let status = answer.status();
        report.set("status", status.as_u16());
        report.set("version", format!("{:?}", answer.version()));
        let headers = answer.headers().iter();
        let headers = headers.map(|(k, v)| (k.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()));
        report.set("headers", headers.collect::<BTreeMap<_, _>>());
        let body = answer.into_body().collect().await.map_err(|e| ClientError::Http("the answer's body", e))?;
        slowest = slowest.max(started.elapsed());
        let body = body.to_bytes();
        let shown = json_or_text(&String::from_utf8_lossy(&body[..body.len().min(BODY)]));
        if let Some(name) = shown["name"].as_str() {
            *servers.entry(name.to_owned()).or_default() += 1;
        }
        report.set("body", shown);
        report.set("body_bytes", body.len());
        *statuses.entry(status.as_u16()).or_default() += 1;
        good += u32::from(args.expect.map_or(status.is_success(), |expected| status == expected));
        report.set("statuses", &statuses);
        report.set("servers", &servers);
        report.set("slowest_ms", millis(slowest));
    }
    report.set("count", args.count);
    if good == args.count {
        return Ok(true);
    }
    Err(ClientError::Unexpected(format!("{} of {} answers have another status", args.count - good, args.count)))
}

/// HTTP/1.1 sends the path and a Host header, HTTP/2 the whole URI.
fn request(args: &HttpArgs) -> Result<Request<Full<Bytes>>, ClientError> {
    let usage = |e: http::Error| ClientError::Usage(e.to_string());
    let mut authority = args.url.authority().cloned().ok_or_else(|| ClientError::Usage("no host".to_owned()))?;
    if let Some(Header(_, host)) = args.header.iter().find(|Header(name, _)| name == HOST) {
        authority = Authority::try_from(host.as_bytes()).map_err(|e| usage(e.into()))?;
    }
    let path = args.url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder().method(args.method.clone());
    request = if args.http2 {
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path).build();
        request.uri(uri.map_err(usage)?)
    } else {
        request.uri(path).header(HOST, authority.as_str())
    };
    for Header(name, value) in args.header.iter().filter(|Header(name, _)| name != HOST) {
        request = request.header(name, value);
    }
    request.body(Full::from(args.data.clone())).map_err(usage)
}
