//! HTTP/1.1, as little of it as a benchmark needs: whole requests without bodies, answers with a length.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::wire::Connection;

/// The largest head of an answer.
const MAX_HEAD: usize = 16 << 10;
/// How much is read at once.
const READ: usize = 64 << 10;

/// A client's end of a connection.
pub struct Client {
    connection: Connection,
    buffer: Vec<u8>,
    filled: usize,
}

impl Client {
    /// Makes one.
    pub fn new(connection: Connection) -> Self {
        Self { connection, buffer: vec![0; READ], filled: 0 }
    }

    /// Sends a request and reads the answer to its end; returns its head.
    pub async fn ask(&mut self, request: &[u8]) -> Result<String, String> {
        self.connection.write_all(request).await.map_err(|e| e.to_string())?;
        let end = loop {
            if let Some(end) = find(&self.buffer[..self.filled]) {
                break end;
            }
            if self.filled >= MAX_HEAD {
                return Err("a head without end".to_owned());
            }
            self.read().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        if !head.starts_with("HTTP/1.1 200") {
            return Err(head.lines().next().unwrap_or_default().to_owned());
        }
        let length = header(&head, "content-length").and_then(|value| value.parse().ok());
        let length: usize = length.ok_or("an answer without a length")?;
        let mut left = length - length.min(self.filled - end);
        self.filled = 0;
        while left > 0 {
            let count = self.read().await?;
            left = left.checked_sub(count).ok_or("more than the answer's length")?;
            self.filled = 0;
        }
        Ok(head)
    }

    /// Waits until the server closes, as a client does that asked for it.
    pub async fn finish(mut self) {
        while self.read().await.is_ok() {
            self.filled = 0;
        }
    }

    async fn read(&mut self) -> Result<usize, String> {
        let count = self.connection.read(&mut self.buffer[self.filled..]).await.map_err(|e| e.to_string())?;
        if count == 0 {
            return Err("the connection ended".to_owned());
        }
        self.filled += count;
        Ok(count)
    }
}

/// Returns where the head ends.
pub fn find(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Returns the value of a header.
pub fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Writes a request.
pub fn request(host: &str, path: &str, headers: &[(String, String)], last: bool) -> Vec<u8> {
    let mut text = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: bench\r\naccept: */*\r\n");
    headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
    if last {
        text += "connection: close\r\n";
    }
    (text + "\r\n").into_bytes()
}
