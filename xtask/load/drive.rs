//! The client that measures.

use std::time::Duration;

use clap::ValueEnum;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    http1, http2,
    pace::{Outcome, Pace},
    wire::{Target, Way},
};

/// The message of a request of gRPC, bytes.
const MESSAGE: usize = 64;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Spoken {
    Http1,
    Http2,
    Grpc,
}

/// What is new for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Each {
    Request,
    Connection,
    Tunnel,
}

/// How requests are sent.
#[derive(clap::Args, Clone)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// What is spoken
    #[arg(long, value_enum, default_value = "http1")]
    spoken: Spoken,
    /// What is new for each request
    #[arg(long, value_enum, default_value = "request")]
    each: Each,
    /// How many connections
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// How many requests at once on each connection of HTTP/2
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// How many tunnels they share
    #[arg(long, default_value_t = 1)]
    tunnels: usize,
    /// Requests per second of all together; without it as many as are answered
    #[arg(long)]
    rate: Option<f64>,
    /// How long
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// What is asked for
    #[arg(long, default_value = "/1k")]
    path: String,
    /// A header, as NAME=VALUE
    #[arg(long = "header", value_parser = pair)]
    headers: Vec<(String, String)>,
}

/// Reads NAME=VALUE.
pub fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("want NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Sends requests, and prints what came of them.
pub async fn run(args: Args) -> Result<(), String> {
    let way = args.target.way(args.tunnels).await?;
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(args.seconds);
    let mut tasks = JoinSet::new();
    for index in 0..args.connections {
        let (args, way) = (args.clone(), way.clone());
        tasks.spawn(async move {
            let mut outcome = Outcome::default();
            let done = match args.spoken {
                Spoken::Http1 => one(&args, &way, index, end, &mut outcome).await,
                Spoken::Http2 | Spoken::Grpc => many(&args, &way, index, end, &mut outcome).await,
            };
            if let Err(error) = done {
                outcome.fail(error);
            }
            outcome
        });
    }
    let mut all = Outcome::default();
    while let Some(outcome) = tasks.join_next().await {
        all.join(outcome.map_err(|e| e.to_string())?);
    }
    println!("{}", all.report(begun.elapsed()));
    Ok(())
}

/// Sends on one connection of HTTP/1.1, or each request on a new one.
async fn one(args: &Args, way: &Way, index: usize, end: Instant, outcome: &mut Outcome) -> Result<(), String> {
    let last = args.each != Each::Request;
    let request = http1::request(&args.target.host(), &args.path, &args.headers, last);
    let mut pace = Pace::new(args.rate, index, args.connections, end);
    let mut kept = None;
    while let Some(from) = pace.next().await {
        let mut tunnel = None;
        let mut client = match (kept.take(), args.each) {
            (Some(client), _) => client,
            (None, Each::Tunnel) => {
                let (fresh, connection) = way.fresh().await?;
                tunnel = fresh;
                http1::Client::new(connection)
            }
            (None, _) => http1::Client::new(way.connection().await?),
        };
        client.ask(&request).await?;
        outcome.took.push(from.elapsed());
        if last {
            client.finish().await;
        } else {
            kept = Some(client);
        }
        drop(tunnel);
    }
    Ok(())
}

/// Sends on one connection of HTTP/2, several at once.
async fn many(args: &Args, way: &Way, index: usize, end: Instant, outcome: &mut Outcome) -> Result<(), String> {
    let message = (args.spoken == Spoken::Grpc).then_some(MESSAGE);
    let client = http2::Client::start(way.connection().await?).await?;
    let mut tasks = JoinSet::new();
    for stream in 0..args.streams {
        let request = http2::request(&args.target.host(), &args.path, &args.headers, message)?;
        let mut sender = client.another();
        let place = index * args.streams + stream;
        let mut pace = Pace::new(args.rate, place, args.connections * args.streams, end);
        tasks.spawn(async move {
            let mut outcome = Outcome::default();
            while let Some(from) = pace.next().await {
                match sender.ask(&request).await {
                    Ok(()) => outcome.took.push(from.elapsed()),
                    Err(error) => {
                        outcome.fail(error);
                        break;
                    }
                }
            }
            outcome
        });
    }
    while let Some(done) = tasks.join_next().await {
        outcome.join(done.map_err(|e| e.to_string())?);
    }
    Ok(())
}
