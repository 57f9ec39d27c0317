//! Test server and test client in one static binary: what tests start and execute inside pods.
//!
//! A client command prints one line of JSON and exits 0 if what was asked was achieved, 1 if not, 2 if it was asked
//! wrongly. `how` in that line is the kind of a failure in one word, `error` says the rest.

mod client;
mod serve;
mod wire;

use std::{process, time::Duration};

use clap::{Args, Parser, Subcommand};
use client::{batch, bulk, download, grpc, http, parallel, raw, stream, talk, tcp, udp, upload, websocket};
use wire::Target;

/// Test server and test client
#[derive(Parser)]
#[command(name = "echo", version)]
struct Cli {
    /// Seconds that a client command may take; for stream and talk, that one exchange may take
    #[arg(long, global = true, default_value = "10", value_parser = seconds)]
    timeout: Duration,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM; prints the open ports as one line of JSON
    Serve(serve::ServeArgs),
    /// Ask an HTTP server
    Http(http::HttpArgs),
    /// Ask a gRPC server for its health (grpc.health.v1)
    Grpc(grpc::GrpcArgs),
    /// Send a text over TCP and expect it back
    Tcp(tcp::TcpArgs),
    /// Read what the server says first, then send a text
    First(tcp::FirstArgs),
    /// Send datagrams and expect them back
    Udp(udp::UdpArgs),
    /// Move many bytes and compare checksums
    Bulk(bulk::BulkArgs),
    /// Open many connections, then exchange on each of them
    Parallel(parallel::ParallelArgs),
    /// Hold streams and open new connections beside them, until the time is over, SIGTERM, SIGINT or a line "stop"
    Stream(stream::StreamArgs),
    /// Succeed if no byte comes back: refused, reset or closed
    Refused(RefusedArgs),
    /// Look a name up with the system's resolver
    Resolve(ResolveArgs),
    /// Send many HTTP requests, which an array of JSON on standard input describes
    Batch,
    /// Send standard input as it is, and tell what comes back
    Raw(raw::RawArgs),
    /// Send a large body by HTTP/1.1 and compare checksums
    Upload(upload::UploadArgs),
    /// Read a large answer by HTTP and compare checksums
    Download(download::DownloadArgs),
    /// Send messages of gRPC on one stream, each after the answer to the last
    Talk(talk::TalkArgs),
    /// Go over to another protocol on a stream of HTTP/2, and exchange messages by it
    Websocket(websocket::WebsocketArgs),
}

#[derive(Args)]
struct RefusedArgs {
    /// HOST:PORT
    address: Target,
}

#[derive(Args)]
struct ResolveArgs {
    /// The name
    name: String,
}

#[tokio::main]
async fn main() {
    let cli = Cli::parse();
    wire::raise_file_limit();
    let limit = cli.timeout;
    let ok = match cli.command {
        Command::Serve(args) => serve::run(args).await,
        Command::Http(args) => client::report("http", limit, async |r| http::run(args, r).await).await,
        Command::Grpc(args) => client::report("grpc", limit, async |r| grpc::run(args, r).await).await,
        Command::Tcp(args) => client::report("tcp", limit, async |r| tcp::run(args, r).await).await,
        Command::First(args) => client::report("first", limit, async |r| tcp::first(args, r).await).await,
        Command::Udp(args) => client::report("udp", limit, async |r| udp::run(args, r).await).await,
        Command::Bulk(args) => client::report("bulk", limit, async |r| bulk::run(args, r).await).await,
        Command::Parallel(args) => client::report("parallel", limit, async |r| parallel::run(args, r).await).await,
        // Its limit is that of one exchange: the whole lasts as long as it was asked to.
        Command::Stream(args) => {
            client::report("stream", Duration::MAX, async |r| stream::run(args, limit, r).await).await
        }
        Command::Refused(args) => {
            client::report("refused", limit, async |r| tcp::refused(&args.address, r).await).await
        }
        // Each of its requests has a limit.
        Command::Batch => client::report("batch", Duration::MAX, batch::run).await,
        Command::Raw(args) => client::report("raw", limit, async |r| raw::run(args, r).await).await,
        Command::Upload(args) => client::report("upload", limit, async |r| upload::run(args, r).await).await,
        Command::Download(args) => client::report("download", limit, async |r| download::run(args, r).await).await,
        // Its limit is that of one exchange, too.
        Command::Talk(args) => client::report("talk", Duration::MAX, async |r| talk::run(args, limit, r).await).await,
        Command::Websocket(args) => client::report("websocket", limit, async |r| websocket::run(args, r).await).await,
        Command::Resolve(args) => {
            client::report("resolve", limit, async |r| client::resolve_name(&args.name, r).await).await
        }
    };
    // Not a return: the runtime would wait for a name lookup or a read of stdin that hangs.
    process::exit(i32::from(!ok));
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}
