//! HTTP/2 and gRPC, over a connection of either kind.

use bytes::{BufMut, Bytes, BytesMut};
use h2::{RecvStream, client::SendRequest};
use http::{HeaderMap, Method, Request};

use crate::wire::Connection;

/// The flow-control windows of a stream and of a connection, bytes.
pub const WINDOWS: (u32, u32) = (1 << 20, 16 << 20);

/// A client's end of a connection, which many requests share.
pub struct Client(SendRequest<Bytes>);

impl Client {
    /// Begins a connection.
    pub async fn start(connection: Connection) -> Result<Self, String> {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOWS.0).initial_connection_window_size(WINDOWS.1);
        let (sender, driver) = builder.handshake(connection).await.map_err(|e| e.to_string())?;
        // It ends with the process, or with the connection.
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                eprintln!("a connection ended: {error}");
            }
        });
        Ok(Self(sender))
    }

    /// Returns another sender on the same connection.
    pub fn another(&self) -> Sender {
        Sender(self.0.clone())
    }
}

/// Sends one request at a time.
pub struct Sender(SendRequest<Bytes>);

impl Sender {
    /// Sends a request and reads the answer to its end.
    pub async fn ask(&mut self, request: &Request<Option<Bytes>>) -> Result<(), String> {
        let wrong = |error: h2::Error| error.to_string();
        let mut sender = self.0.clone().ready().await.map_err(wrong)?;
        let mut head = Request::new(());
        *head.method_mut() = request.method().clone();
        *head.uri_mut() = request.uri().clone();
        *head.headers_mut() = request.headers().clone();
        let body = request.body();
        let (answer, mut stream) = sender.send_request(head, body.is_none()).map_err(wrong)?;
        if let Some(body) = body {
            stream.send_data(body.clone(), true).map_err(wrong)?;
        }
        let answer = answer.await.map_err(wrong)?;
        if answer.status() != 200 {
            return Err(answer.status().to_string());
        }
        let trailers = whole(answer.into_body()).await?;
        if body.is_some() && trailers.as_ref().and_then(|t| t.get("grpc-status")).is_none_or(|status| status != "0") {
            return Err("no grpc-status 0".to_owned());
        }
        Ok(())
    }
}

/// Reads a body to its end, and its trailers.
pub async fn whole(mut body: RecvStream) -> Result<Option<HeaderMap>, String> {
    while let Some(data) = body.data().await {
        let data = data.map_err(|e| e.to_string())?;
        body.flow_control().release_capacity(data.len()).map_err(|e| e.to_string())?;
    }
    body.trailers().await.map_err(|e| e.to_string())
}

/// Makes a request; of gRPC with a message of so many bytes.
pub fn request(
    host: &str,
    path: &str,
    headers: &[(String, String)],
    message: Option<usize>,
) -> Result<Request<Option<Bytes>>, String> {
    let method = if message.is_some() { Method::POST } else { Method::GET };
    let mut request =
        Request::builder().method(method).uri(format!("http://{host}{path}")).header("user-agent", "bench");
    if message.is_some() {
        request = request.header("content-type", "application/grpc").header("te", "trailers");
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(message.map(framed)).map_err(|e| e.to_string())
}

/// Frames a message as gRPC does: not compressed, its length, its bytes.
pub fn framed(length: usize) -> Bytes {
    let mut bytes = BytesMut::with_capacity(5 + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    bytes.put_bytes(b'x', length);
    bytes.freeze()
}
