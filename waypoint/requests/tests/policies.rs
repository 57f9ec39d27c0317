//! What policies do to requests.

use std::{
    cell::RefCell,
    io::{self, Write},
};

use model::l7::{
    Resource, Target,
    authorization::{Action, Authorization, Custom, Rule},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::bench::{Bench, key};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn policy(action: Action, dry_run: bool) -> Resource {
    Resource::Authorization(Authorization {
        namespace: "shop".into(),
        name: "p".into(),
        targets: vec![Target::Service(key("web"))],
        action,
        rules: vec![Rule::default()],
        dry_run,
    })
}

fn opa() -> Action {
    Action::Custom(Box::new(Custom { provider: "opa".into(), ask: None }))
}

#[tokio::test]
async fn what_a_provider_was_to_be_asked_about_does_not_pass_unasked() {
    for (action, dry_run, wanted) in [
        (opa(), false, "403"),
        (opa(), true, "200"),
        (Action::Audit, false, "200"),
        (Action::Deny, false, "403"),
        (Action::Deny, true, "200"),
    ] {
        let bench = Bench::new();
        let _heard = bench.peer("web", [127, 0, 3, 1], OK).await;
        bench.told(policy(action.clone(), dry_run));
        let answer = bench.say("GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {wanted}")), "{action:?} {dry_run}: {answer}");
    }
}

#[tokio::test]
async fn a_connection_that_is_passed_on_does_not_pass_unasked_either() {
    for (action, wanted) in [(opa(), ""), (Action::Audit, OK)] {
        let bench = Bench::new();
        let _heard = bench.peer("web", [127, 0, 3, 41], OK).await;
        bench.told(policy(action.clone(), false));
        let (mut ours, theirs) = tokio::io::duplex(1024);
        let served = tokio::spawn(crate::stream::serve(bench.inbound(), theirs, None));
        // A connection that is refused is closed at once.
        let _ = ours.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
        let _ = ours.shutdown().await;
        let mut answer = String::new();
        ours.read_to_string(&mut answer).await.expect("text");
        assert_eq!(answer, wanted, "{action:?}");
        served.await.expect("no panic");
    }
}

thread_local! {
    /// The log of this thread, which is that of one test.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Where lines of the log are kept.
struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_is_audited_is_noted_in_the_access_log() {
    // For all threads: whether a line is wanted at all is asked once, by the first thread that comes to it.
    tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init();
    for (dry_run, wanted) in [(false, "audits=\"shop/p\""), (true, "audits=\"shop/p (dry run)\"")] {
        let bench = Bench::new();
        let _heard = bench.peer("web", [127, 0, 3, 42], OK).await;
        bench.told(policy(Action::Audit, dry_run));
        bench.say("GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
        let written = String::from_utf8(LOG.take()).expect("text");
        let lines: Vec<&str> = written.lines().filter(|line| line.contains("request complete")).collect();
        assert!(lines.len() == 1 && lines[0].contains(wanted), "{lines:?}");
    }
}
