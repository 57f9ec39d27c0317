//! The requests that pods have under way, as they say themselves.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{body::Body, client::conn::http1};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};
use source::labels;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{net::TcpStream, time::timeout};
use tracing::debug;

use super::{METRIC, Scale};

/// Where waypoints have their metrics.
const PORT: u16 = 15020;
const PATH: &str = "/stats/prometheus";
/// How long a pod may take to answer, and how large the answer may be.
const PATIENCE: Duration = Duration::from_secs(2);
const LARGEST: usize = 64 << 20;
/// How much of a line is looked at.
const LINE: usize = 256;
/// How many are asked at once, and the most that one question is about.
const AT_ONCE: usize = 32;
const MOST: u32 = 1000;
/// How long the API server may take to list the pods.
const LISTED: Duration = Duration::from_secs(10);

/// What a pod has under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// The pod.
    pub pod: String,
    /// How many requests.
    pub requests: u64,
    /// When it said so (RFC 3339).
    pub time: String,
}

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pods.
    #[error("the pods cannot be listed")]
    Pods(#[from] kube::Error),
    /// The pods, in time.
    #[error("the pods were not listed within {LISTED:?}")]
    Slow,
}

#[derive(Debug, thiserror::Error)]
enum Silent {
    #[error("no connection")]
    Connect(#[from] std::io::Error),
    #[error("no answer")]
    Http(#[from] hyper::Error),
    #[error("no request")]
    Request(#[from] http::Error),
    #[error("it answers {0}")]
    Status(StatusCode),
    #[error("its answer cannot be read, or is larger than {LARGEST} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("it does not tell {METRIC}")]
    Missing,
    #[error("no answer within {PATIENCE:?}")]
    Slow,
}

/// Asks pods of waypoints. Who does not answer is not in the list: autoscalers know what to make of that.
///
/// # Errors
/// The pods cannot be listed.
pub async fn of(scale: &Scale, namespace: &str, name: Option<&str>, selector: &str) -> Result<Vec<Load>, Error> {
    let pods: Api<Pod> = Api::namespaced(scale.client.clone(), namespace);
    // No others: whoever may ask for metrics may not have this ask whatever pod he likes.
    let managed = format!("{}={}", labels::MANAGED, crate::deploy::MANAGED_BY);
    let selector = if selector.is_empty() { managed } else { format!("{selector},{managed}") };
    let mut params = ListParams::default().labels(&selector).limit(MOST);
    if let Some(name) = name {
        params = params.fields(&format!("metadata.name={name}"));
    }
    let listed = timeout(LISTED, pods.list(&params)).await.map_err(|_| Error::Slow)??;
    let loads = stream::iter(listed.items)
        .map(|pod| async move {
            let address = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
            match timeout(PATIENCE, ask(address)).await.unwrap_or(Err(Silent::Slow)) {
                Ok(requests) => {
                    let time = OffsetDateTime::now_utc().format(&Rfc3339).ok()?;
                    Some(Load { pod: pod.name_any(), requests, time })
                }
                Err(error) => {
                    debug!(pod = pod.name_any(), error = runtime::error::chain(&error), "its load is unknown");
                    None
                }
            }
        })
        .buffer_unordered(AT_ONCE);
    Ok(loads.filter_map(|load| async { load }).collect().await)
}

async fn ask(address: IpAddr) -> Result<u64, Silent> {
    let stream = TcpStream::connect((address, PORT)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(PATH).header(HOST, "waypoint").body(Empty::<Bytes>::new())?;
    let asked = async {
        let answer = sender.send_request(request).await?;
        if answer.status() != StatusCode::OK {
            return Err(Silent::Status(answer.status()));
        }
        look(Limited::new(answer.into_body(), LARGEST)).await
    };
    // Together: the connection moves what the request waits for, and ends with it.
    tokio::pin!(asked);
    tokio::select! {
        found = &mut asked => found,
        ended = connection => { ended?; asked.await }
    }
}

/// Reads a page of metrics (OpenMetrics 1.0, text format) as far as the metric, and keeps no more of it than a line: what a pod
/// answers is its own choice.
async fn look<B>(mut page: B) -> Result<u64, Silent>
where
    B: Body<Data = Bytes, Error = Box<dyn std::error::Error + Send + Sync>> + Unpin,
{
    let mut line: Vec<u8> = Vec::new();
    while let Some(frame) = page.frame().await {
        let Ok(data) = frame.map_err(Silent::Body)?.into_data() else { continue };
        for (at, piece) in data.split(|byte| *byte == b'\n').enumerate() {
            // Another piece begins another line.
            if at > 0 {
                if let Some(count) = find(&line) {
                    return Ok(count);
                }
                line.clear();
            }
            line.extend_from_slice(&piece[..piece.len().min(LINE - line.len().min(LINE))]);
        }
    }
    find(&line).ok_or(Silent::Missing)
}

/// Reads the metric from its line. It is a gauge without labels.
fn find(line: &[u8]) -> Option<u64> {
    let value = std::str::from_utf8(line).ok()?.strip_prefix(METRIC)?.strip_prefix(' ')?;
    value.split(' ').next()?.parse::<i64>().ok().map(|count| count.max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    #[tokio::test]
    async fn the_metric_is_found() {
        let rows = [
            ("# TYPE ambient_requests_in_flight gauge\nambient_requests_in_flight 12\n# EOF\n", Some(12)),
            ("ambient_requests_in_flight -1 1700000000\n", Some(0)),
            ("ambient_requests_in_flight{a=\"b\"} 12\n", None),
            ("ambient_requests_in_flight_total 12\n", None),
            ("ambient_requests_in_flight x\n", None),
            ("ambient_requests_in_flight 7", Some(7)),
            ("", None),
        ];
        for (page, wanted) in rows {
            let page = format!("{}\n{page}", "x".repeat(10 * LINE));
            for size in [1, 7, page.len()] {
                let pieces: Vec<_> =
                    page.as_bytes().chunks(size).map(|c| Ok(Frame::data(Bytes::copy_from_slice(c)))).collect();
                let found = look(StreamBody::new(stream::iter(pieces))).await.ok();
                assert_eq!(found, wanted, "{page} by {size}");
            }
        }
    }
}
