//! The client that sees changes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

use crate::{
    http1,
    wire::{Connection, Target},
};

/// How often it looks.
const EVERY: Duration = Duration::from_millis(1);
/// How long a stream may be silent.
const SILENT: Duration = Duration::from_secs(2);

/// What is looked at.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// The header
    #[arg(long)]
    header: String,
    /// How many streams are open meanwhile
    #[arg(long, default_value_t = 20)]
    streams: usize,
    /// How long it looks
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
}

/// Prints a line for each new value of the header with the time in nanoseconds, and one for each stream or request that breaks.
pub async fn run(args: Args) -> Result<(), String> {
    let way = args.target.way(1).await?;
    let host = args.target.host();
    for _ in 0..args.streams {
        let (connection, request) = (way.connection().await?, http1::request(&host, "/drip", &[], false));
        tokio::spawn(async move {
            if let Err(error) = hold(connection, &request).await {
                println!("{}", json!({ "broken": error }));
            }
        });
    }
    let mut client = http1::Client::new(way.connection().await?);
    let request = http1::request(&host, "/1k", &[], false);
    let mut seen = None;
    let end = Instant::now() + Duration::from_secs_f64(args.seconds);
    while Instant::now() < end {
        let asked = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        match client.ask(&request).await {
            Ok(head) => {
                let value = http1::header(&head, &args.header).map(str::to_owned);
                if value != seen {
                    println!("{}", json!({ "value": value, "at": asked.as_nanos() as u64 }));
                    seen = value;
                }
            }
            Err(error) => {
                println!("{}", json!({ "broken": error }));
                client = http1::Client::new(way.connection().await?);
            }
        }
        sleep(EVERY).await;
    }
    Ok(())
}

/// Reads an answer without end; returns when it ends all the same.
async fn hold(mut connection: Connection, request: &[u8]) -> Result<(), String> {
    connection.write_all(request).await.map_err(|e| e.to_string())?;
    let mut buffer = vec![0; 4 << 10];
    loop {
        let read = tokio::time::timeout(SILENT, connection.read(&mut buffer)).await;
        match read {
            Ok(Ok(1..)) => {}
            Ok(Ok(0)) => return Err("a stream ended".to_owned()),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("a stream fell silent".to_owned()),
        }
    }
}
