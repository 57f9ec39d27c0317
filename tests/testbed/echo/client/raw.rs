//! Bytes as they are: what no client library would send.

use std::{io::Read, time::Duration};

use clap::Args;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use super::{ClientError, Report, connect_noted};
use crate::wire::Target;

/// The most that is read.
const MOST: usize = 1 << 20;

/// The arguments of `raw`.
#[derive(Args)]
pub struct RawArgs {
    /// HOST:PORT
    address: Target,
    /// Say that nothing more comes when all is sent
    #[arg(long)]
    half_close: bool,
    /// Milliseconds to read for, unless the server closes before
    #[arg(long, default_value_t = 2000)]
    read_ms: u64,
}

/// Sends standard input and reads until the server closes or the time is over; tells which.
pub async fn run(args: RawArgs, report: &mut Report) -> Result<bool, ClientError> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|e| ClientError::Io("reading the bytes", e))?;
    let mut stream = connect_noted(&args.address, report).await?;
    // Who is refused in the middle may close before all is sent; what came until then is told.
    let sent = stream.write_all(&bytes).await;
    report.set("sent", sent.is_ok());
    if args.half_close {
        let _ = stream.shutdown().await;
    }
    let deadline = Instant::now() + Duration::from_millis(args.read_ms);
    let mut received = Vec::new();
    let mut end = "open";
    while received.len() < MOST {
        match timeout_at(deadline, stream.read_buf(&mut received)).await {
            Err(_) => break,
            Ok(Ok(0)) => end = "closed",
            Ok(Err(_)) => end = "reset",
            Ok(Ok(_)) => continue,
        }
        break;
    }
    report.set("end", end);
    report.set("received", String::from_utf8_lossy(&received));
    Ok(true)
}
