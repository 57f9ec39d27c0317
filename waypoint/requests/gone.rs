//! Clients of HTTP/1 that give up while they wait for an answer.
//!
//! A client that closes its connection looks like one that has said all and listens: the kernel tells the difference only to who
//! sends something. An interim answer may always be sent (RFC 9110 15.2): who listens passes it over, and who is gone resets.

use std::{convert::Infallible, future::poll_fn, task::Poll, time::Duration};

use hbone::watch::Watch;

use super::guard::Told;

/// What is sent to find out.
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// How often: the first makes the client's kernel say that nobody is there, the second has a proxy between see it that looks only
/// when it sends.
const TIMES: usize = 2;
/// How long from one look to the next, doubled each time, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Waits until nobody hears an answer any more.
pub async fn gone(watch: &Watch, told: &Told) {
    tokio::select! {
        () = poll_fn(|context| watch.poll_cut(context)) => {}
        never = ask(watch, told) => match never {},
    }
}

/// Once the client has said all, has its kernel tell whether it still listens. Who went in order tells by a reset.
async fn ask(watch: &Watch, told: &Told) -> Infallible {
    poll_fn(|context| watch.poll_finished(context)).await;
    let (mut asked, mut pause) = (0, PAUSE.0);
    while asked < TIMES {
        if told.is_unanswered() && poll_fn(|context| Poll::Ready(watch.say(INTERIM, context))).await {
            asked += 1;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
    std::future::pending().await
}
