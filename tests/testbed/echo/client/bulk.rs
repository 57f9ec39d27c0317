//! Many bytes, both ways, with equal checksums on both ends.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};

use super::{ClientError, Report, connect_noted, line, millis};
use crate::wire::{self, Pattern, SEND, Target};

const BUFFER: usize = 256 * 1024;

/// The arguments of `bulk`.
#[derive(Args)]
pub struct BulkArgs {
    /// HOST:PORT
    address: Target,
    /// How many bytes each way
    #[arg(long)]
    bytes: u64,
    /// Which way
    #[arg(long, value_enum, default_value_t = Way::Both)]
    way: Way,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Way {
    /// From here to the server
    Up,
    /// From the server to here
    Down,
    /// First up, then down
    Both,
}

/// Moves the bytes; succeeds if both ends saw the same.
pub async fn run(args: BulkArgs, report: &mut Report) -> Result<bool, ClientError> {
    if args.way != Way::Down {
        let value = up(&args, report).await?;
        report.set("up", value);
    }
    if args.way != Way::Up {
        let value = down(&args, report).await?;
        report.set("down", value);
    }
    Ok(true)
}

async fn up(args: &BulkArgs, report: &mut Report) -> Result<Value, ClientError> {
    let mut stream = connect_noted(&args.address, report).await?;
    let failed = |e| ClientError::Io("sending", e);
    let started = Instant::now();
    let (mut pattern, mut hash, mut buffer) = (Pattern::new(args.bytes), Sha256::new(), vec![0; BUFFER]);
    loop {
        let count = pattern.fill(&mut buffer);
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        stream.write_all(&buffer[..count]).await.map_err(failed)?;
    }
    stream.shutdown().await.map_err(failed)?;
    let answer = line(&mut BufReader::new(stream), "waiting for its checksum").await?;
    let took = started.elapsed();
    let theirs: Value = serde_json::from_str(&answer).map_err(|_| ClientError::Unexpected(answer))?;
    let sum = wire::hex(hash);
    same(&theirs, &json!({ "bytes": args.bytes, "sha256": sum }))?;
    Ok(told(args.bytes, &sum, took))
}

async fn down(args: &BulkArgs, report: &mut Report) -> Result<Value, ClientError> {
    let mut stream = connect_noted(&args.address, report).await?;
    let request = format!("{SEND}{}\n", args.bytes);
    stream.write_all(request.as_bytes()).await.map_err(|e| ClientError::Io("asking", e))?;
    let started = Instant::now();
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; BUFFER]);
    loop {
        let count = stream.read(&mut buffer).await.map_err(|e| ClientError::Io("reading", e))?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        bytes += count as u64;
    }
    let took = started.elapsed();
    // What was asked for is generated again, not kept: the row is known.
    let (mut pattern, mut expected) = (Pattern::new(args.bytes), Sha256::new());
    loop {
        match pattern.fill(&mut buffer) {
            0 => break,
            count => expected.update(&buffer[..count]),
        }
    }
    let sum = wire::hex(hash);
    let known = json!({ "bytes": args.bytes, "sha256": wire::hex(expected) });
    same(&json!({ "bytes": bytes, "sha256": sum }), &known)?;
    Ok(told(bytes, &sum, took))
}

fn same(received: &Value, sent: &Value) -> Result<(), ClientError> {
    if received == sent { Ok(()) } else { Err(ClientError::Unexpected(format!("{received} received, {sent} sent"))) }
}

fn told(bytes: u64, sum: &str, took: Duration) -> Value {
    let mbit = bytes as f64 * 8.0 / 1e6 / took.as_secs_f64();
    json!({ "bytes": bytes, "sha256": sum, "ms": millis(took), "mbit_per_s": mbit.round() })
}
