//! Connections that may not be silent for long, nor live for long.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// A connection that breaks when it was silent for too long, or lived for too long.
pub struct Timed<S> {
    io: S,
    idle: Option<(Duration, Instant, Pin<Box<Sleep>>)>,
    end: Option<Pin<Box<Sleep>>>,
}

impl<S> Timed<S> {
    /// Bounds a connection; nothing is no bound.
    #[must_use]
    pub fn new(io: S, idle: Option<Duration>, age: Option<Duration>) -> Self {
        let idle = idle.map(|idle| (idle, Instant::now(), Box::pin(sleep(idle))));
        Self { io, idle, end: age.map(|age| Box::pin(sleep(age))) }
    }

    fn moved(&mut self, count: usize) {
        if let Some((_, last, _)) = self.idle.as_mut().filter(|_| count > 0) {
            *last = Instant::now();
        }
    }

    /// Tells whether its time is over. The timer is set again when it fires, not with each byte.
    fn poll_over(&mut self, context: &mut Context<'_>) -> bool {
        if let Some((idle, last, timer)) = &mut self.idle {
            while timer.as_mut().poll(context).is_ready() {
                let until = *last + *idle;
                if until <= Instant::now() {
                    return true;
                }
                timer.as_mut().reset(until);
            }
        }
        self.end.as_mut().is_some_and(|end| end.as_mut().poll(context).is_ready())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.poll_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = into.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, into);
        self.moved(into.filled().len() - before);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.poll_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(context, pieces);
        if let Poll::Ready(Ok(count)) = &written {
            self.moved(*count);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.poll_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.poll_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_ends_what_is_copied_whichever_side_is_at_its_end_or_takes_no_more() {
        let silence = Some(Duration::from_secs(5));
        for (what, closes, floods) in
            [("nobody says anything", false, false), ("one end", true, false), ("a full one", false, true)]
        {
            for turned in [false, true] {
                let ((client, mut ours), (server, mut theirs)) = (tokio::io::duplex(64), tokio::io::duplex(64));
                let ends = if turned { [&mut ours, &mut theirs] } else { [&mut theirs, &mut ours] };
                if closes {
                    ends[0].shutdown().await.unwrap();
                }
                let begun = Instant::now();
                let flood = async {
                    if floods {
                        // It never ends: nobody reads at the other end.
                        let _ = ends[0].write_all(&[0; 100_000]).await;
                    }
                    std::future::pending::<()>().await;
                };
                let (mut one, mut other) = (Timed::new(client, silence, None), Timed::new(server, silence, None));
                let ended = tokio::select! {
                    ended = tokio::io::copy_bidirectional(&mut one, &mut other) => ended,
                    () = flood => unreachable!(),
                };
                let kind = ended.expect_err("it ends").kind();
                assert_eq!((kind, begun.elapsed().as_secs()), (io::ErrorKind::TimedOut, 5), "{what} {turned}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_age_end_it() {
        let seconds = |n| Some(Duration::from_secs(n));
        // With a byte every 4 s, of which 10 come.
        for (idle, age, wanted) in
            [(seconds(5), None, 45), (seconds(3), None, 3), (None, seconds(10), 10), (seconds(5), seconds(20), 20)]
        {
            let (ours, mut theirs) = tokio::io::duplex(64);
            let begun = Instant::now();
            tokio::spawn(async move {
                for _ in 0..10 {
                    sleep(Duration::from_secs(4)).await;
                    let _ = theirs.write_all(b"x").await;
                }
                sleep(Duration::from_secs(1_000)).await;
            });
            let mut timed = Timed::new(ours, idle, age);
            let error = loop {
                match timed.read_u8().await {
                    Ok(_) => {}
                    Err(error) => break error,
                }
            };
            assert_eq!(
                (error.kind(), begun.elapsed().as_secs()),
                (io::ErrorKind::TimedOut, wanted),
                "{idle:?} {age:?}"
            );
        }
    }
}
