//! TCP: a text and its echo, half-close, server-speaks-first, and the proof that nothing answers.

use clap::Args;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{ClientError, Report, connect_noted, json_or_text, line};
use crate::wire::{HOLD, Target, WHO};

/// How much of an answer is read when looking for an expected text.
const ANSWER: usize = 64 * 1024;

/// What is sent, and what must come back.
#[derive(Args)]
struct Exchange {
    /// What to send; \r, \n, \t and \\ are understood. Several are sent one after the other, each after the answer
    #[arg(long, default_value = r"hello\n", value_parser = unescape)]
    send: Vec<String>,
    /// For servers that are no echo: the end of the answer, one for each text sent
    #[arg(long, value_name = "TEXT", value_parser = unescape)]
    expect: Vec<String>,
}

/// The arguments of `tcp`.
#[derive(Args)]
pub struct TcpArgs {
    /// HOST:PORT
    address: Target,
    #[command(flatten)]
    exchange: Exchange,
    /// Ask who serves first (our own server only)
    #[arg(long)]
    who: bool,
    /// End sending at once; the whole answer must come after that (our own server holds it back)
    #[arg(long)]
    half_close: bool,
}

/// The arguments of `first`.
#[derive(Args)]
pub struct FirstArgs {
    /// HOST:PORT
    address: Target,
    #[command(flatten)]
    exchange: Exchange,
    /// End when the first line is read
    #[arg(long)]
    banner_only: bool,
}

/// Sends a text and checks the answer.
pub async fn run(args: TcpArgs, report: &mut Report) -> Result<bool, ClientError> {
    let mut stream = BufReader::new(connect_noted(&args.address, report).await?);
    if args.who {
        send(&mut stream, WHO).await?;
        report.set("server", json_or_text(&line(&mut stream, "waiting for its greeting").await?));
    }
    if !args.half_close {
        return exchange(&mut stream, &args.exchange, report).await;
    }
    let sent = args.exchange.send.concat();
    send(&mut stream, &format!("{HOLD}{sent}")).await?;
    stream.shutdown().await.map_err(|e| ClientError::Io("half-closing", e))?;
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.map_err(|e| ClientError::Io("reading after the half-close", e))?;
    let received = String::from_utf8_lossy(&received).into_owned();
    report.set("received", &received);
    if received != sent {
        return Err(ClientError::Unexpected(format!("{received:?} after the half-close")));
    }
    report.set("half_closed", true);
    Ok(true)
}

/// Reads the server's first line, then exchanges a text.
pub async fn first(args: FirstArgs, report: &mut Report) -> Result<bool, ClientError> {
    let mut stream = BufReader::new(connect_noted(&args.address, report).await?);
    report.set("banner", json_or_text(&line(&mut stream, "waiting for its first line").await?));
    if args.banner_only {
        return Ok(true);
    }
    exchange(&mut stream, &args.exchange, report).await
}

/// Succeeds if the connection ends before one byte comes back, whoever ends it.
pub async fn refused(target: &Target, report: &mut Report) -> Result<bool, ClientError> {
    let failed = match answered(target, report).await {
        Ok(count) => return Err(ClientError::Unexpected(format!("{count} bytes came back"))),
        Err(error) => error,
    };
    // A time-out or a missing route proves nothing: the same is seen when the network is broken.
    if !matches!(failed.how(), "refused" | "reset" | "closed") {
        return Err(failed);
    }
    report.set("how", failed.how());
    report.set("refusal", failed.chain());
    Ok(true)
}

async fn answered(target: &Target, report: &mut Report) -> Result<usize, ClientError> {
    let mut stream = BufReader::new(connect_noted(target, report).await?);
    send(&mut stream, "is anybody there\n").await?;
    let count = stream.read(&mut [0; 1024]).await.map_err(|e| ClientError::Io("reading", e))?;
    if count == 0 { Err(ClientError::Closed("waiting for an answer")) } else { Ok(count) }
}

async fn exchange(
    stream: &mut BufReader<TcpStream>,
    exchange: &Exchange,
    report: &mut Report,
) -> Result<bool, ClientError> {
    let Exchange { send: texts, expect } = exchange;
    if !expect.is_empty() && expect.len() != texts.len() {
        return Err(ClientError::Usage("--expect must be given once for each --send".to_owned()));
    }
    for (number, text) in texts.iter().enumerate() {
        send(stream, text).await?;
        answer(stream, text, expect.get(number).map(String::as_str), report).await?;
    }
    Ok(true)
}

/// Reads until the expected text is there, or as much as was sent.
async fn answer(
    stream: &mut BufReader<TcpStream>,
    sent: &str,
    expected: Option<&str>,
    report: &mut Report,
) -> Result<(), ClientError> {
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        // Noted as it grows: a time-out shows what came so far.
        report.set("received", &text);
        let (right, wrong) = match expected {
            Some(expected) => (text.contains(expected), received.len() > ANSWER),
            None => (text == sent, received.len() >= sent.len()),
        };
        if right {
            return Ok(());
        }
        if wrong {
            return Err(ClientError::Unexpected(format!("{text:?} came back")));
        }
        if stream.read_buf(&mut received).await.map_err(|e| ClientError::Io("reading", e))? == 0 {
            return Err(ClientError::Closed("answering"));
        }
    }
}

async fn send(stream: &mut BufReader<TcpStream>, text: &str) -> Result<(), ClientError> {
    stream.write_all(text.as_bytes()).await.map_err(|e| ClientError::Io("sending", e))
}

/// A command executed in a pod passes no shell that could write a line feed.
fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next() {
                Some('r') => '\r',
                Some('n') => '\n',
                Some('t') => '\t',
                Some('\\') => '\\',
                other => return Err(format!("\\{} is not known", other.map(String::from).unwrap_or_default())),
            },
            letter => letter,
        });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escapes() {
        assert_eq!(unescape(r"PING\r\n"), Ok("PING\r\n".to_owned()));
        assert_eq!(unescape(r"a\\n"), Ok(r"a\n".to_owned()));
        assert!(unescape(r"a\x").is_err());
        assert!(unescape(r"a\").is_err());
    }
}
