//! Small programs for a sandbox's manifests: a server that tells who asked, and clients. A fresh machine has neither a web
//! server nor curl, and this program is in every pod.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Uri};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{
    Request, Response, body::Bytes, client::conn::http1 as client, server::conn::http1 as server, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{error::Error, sandbox::impostor};

/// How long a server goes on after SIGTERM, and how long what is open then may take to end.
const LINGER: Duration = Duration::from_millis(300);
const LAST: Duration = Duration::from_millis(500);
/// How long one exchange may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Small programs for manifests
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples, as `command` of a container:
  [ambient, sandbox, app, serve, --name, orders, --port, \"8080\"]
  [ambient, sandbox, app, get, \"http://orders.shop:8080/\"]")]
pub struct Args {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    /// Serve HTTP: every answer tells the server's name and the client's address and headers
    Serve(Serve),
    /// Ask once, and print the answer; exit code 1 when there is none
    Get(Get),
    /// Keep a connection busy until standard input ends; exit code 1 when it breaks
    Hold(Hold),
    /// Try to be a peer of the mesh with a certificate that nobody vouches for; exit code 0 when it is refused
    Impostor(Impostor),
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// Name to answer with
    #[arg(long)]
    name: String,
    /// Port to listen on
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Another service to ask for each request, whose answer is part of this one's
    #[arg(long, value_name = "URL")]
    calls: Option<Uri>,
}

#[derive(Debug, clap::Args)]
struct Get {
    /// What to ask for
    url: Uri,
    /// Header as NAME:VALUE; may be repeated
    #[arg(long, short = 'H', value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Debug, clap::Args)]
struct Hold {
    /// Host and port of an `app serve`
    address: String,
}

#[derive(Debug, clap::Args)]
struct Impostor {
    /// Address of a pod of the mesh
    address: std::net::IpAddr,
    /// Identity to pretend
    #[arg(long = "as", value_name = "SPIFFE_ID")]
    identity: String,
    /// Root certificate of the mesh, as PEM
    #[arg(long, value_name = "PEM")]
    root: String,
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("want NAME:VALUE")?;
    Ok((name.trim().parse().map_err(|e| format!("{e}"))?, value.trim().parse().map_err(|e| format!("{e}"))?))
}

/// Runs the program.
pub async fn run(args: Args) -> Result<u8, Error> {
    match args.part {
        Part::Serve(args) => serve(args).await,
        Part::Get(args) => {
            let (status, body) = ask(&args.url, &args.header).await.map_err(Error::user)?;
            println!("{body}");
            if (200..400).contains(&status) { Ok(0) } else { Err(Error::user(format!("answered {status}"))) }
        }
        Part::Hold(args) => hold(&args.address).await.map_err(Error::user),
        Part::Impostor(args) => impostor::run(args.address, &args.identity, &args.root).await,
    }
}

async fn serve(args: Serve) -> Result<u8, Error> {
    let failed = |e: std::io::Error| Error::user(format!("cannot listen on port {}", args.port)).caused_by(&e);
    let listener = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], args.port))).await.map_err(failed)?;
    let args = Arc::new(args);
    let stop = async {
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok()?;
        term.recv().await
    };
    // Clients learn a moment later that this server is to go; who comes meanwhile is served.
    let stop = async {
        stop.await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::pin!(stop);
    let mut open = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        open.spawn(connection(stream, peer, args.clone()));
    }
    drop(listener);
    let _ = timeout(LAST, async { while open.join_next().await.is_some() {} }).await;
    Ok(0)
}

async fn connection(mut stream: TcpStream, peer: SocketAddr, args: Arc<Serve>) {
    let mut first = [0; 1];
    // A NUL begins no request: it is the other program here, which wants its bytes back.
    if matches!(stream.peek(&mut first).await, Ok(1)) && first[0] == 0 {
        let mut bytes = [0; 256];
        while let Ok(read @ 1..) = stream.read(&mut bytes).await {
            if stream.write_all(&bytes[..read]).await.is_err() {
                break;
            }
        }
        return;
    }
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let args = args.clone();
        async move { Ok::<_, Infallible>(answer(&request, peer, &args).await) }
    });
    let mut server = server::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(LIMIT);
    // How a connection ends is the client's affair.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer<B>(request: &Request<B>, peer: SocketAddr, args: &Serve) -> Response<Full<Bytes>> {
    let headers: serde_json::Map<String, serde_json::Value> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    let mut body = json!({
        "server": args.name,
        "client": peer.ip(),
        "method": request.method().as_str(),
        "path": request.uri().path_and_query().map(ToString::to_string),
        "headers": headers,
    });
    if let Some(url) = &args.calls {
        body["behind"] = match ask(url, &[]).await {
            Ok((status, text)) => {
                json!({ "status": status, "body": serde_json::from_str(&text).unwrap_or(json!(text)) })
            }
            Err(reason) => json!({ "error": reason }),
        };
    }
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn ask(url: &Uri, headers: &[(HeaderName, HeaderValue)]) -> Result<(u16, String), String> {
    let exchange = async {
        let host = url.host().ok_or("the URL names no host")?;
        if url.scheme_str().is_some_and(|s| s != "http") {
            return Err("want http://".to_owned());
        }
        let stream = TcpStream::connect((host, url.port_u16().unwrap_or(80))).await.map_err(|e| e.to_string())?;
        let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        let driver = tokio::spawn(connection);
        let path = url.path_and_query().map_or("/", |p| p.as_str());
        let mut request = Request::get(path).header("host", url.authority().map_or(host, |a| a.as_str()));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
        let response = sender.send_request(request).await.map_err(|e| runtime::error::chain(&e))?;
        let status = response.status().as_u16();
        let body = http_body_util::Limited::new(response.into_body(), 1 << 20).collect().await;
        let body = body.map_err(|e| e.to_string())?.to_bytes();
        driver.abort();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    timeout(LIMIT, exchange).await.unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())))
}

/// Keeps a connection busy until standard input ends; says how many bytes came back.
async fn hold(address: &str) -> Result<u8, String> {
    let mut stream = timeout(LIMIT, TcpStream::connect(address))
        .await
        .map_err(|_| "no connection".to_owned())?
        .map_err(|e| e.to_string())?;
    let (ended, mut end) = tokio::sync::oneshot::channel();
    // A thread: reads of standard input cannot be given up.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = ended.send(());
    });
    let mut count = 0_u64;
    loop {
        let mut byte = [0; 1];
        stream.write_all(&byte).await.map_err(|e| format!("broke after {count} bytes: {e}"))?;
        let read = timeout(LIMIT, stream.read_exact(&mut byte)).await;
        read.map_err(|_| format!("silent after {count} bytes"))?
            .map_err(|e| format!("broke after {count} bytes: {e}"))?;
        if count == 0 {
            println!("open");
        }
        count += 1;
        tokio::select! {
            _ = &mut end => { println!("{count} bytes came back"); return Ok(0); }
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
}
