//! What the story says is measured: where the effect is broken from outside while it is told, it fails at that step.

use std::{thread, time::Duration};

use nix::sys::signal::Signal;

use super::{
    lab::{Lab, Process, Sandbox, Stopped, pause, signal, stop_agent},
    story::{Outcome, Story},
    traces::Traces,
};
use crate::accept::{Report, lab::ended, stage};

/// How long a story may take to fail; the longest waits two minutes for the enrolment.
const END: Duration = Duration::from_secs(180);
/// How many stories are told beside each other, and how often.
const CROWD: (usize, usize) = (4, 8);
/// A policy that refuses one that the story lets in.
const TOO_MUCH: &str = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: too-much, namespace: shop}
spec:
  selector: {matchLabels: {app: orders}}
  action: DENY
  rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/frontend]}}]}]
";

/// One thing that is broken, when, and what the story has to say then.
struct Break {
    what: &'static str,
    act: fn(&Sandbox<'_>, &mut Story) -> Result<Option<Stopped>, String>,
    says: &'static [&'static str],
}

const BREAKS: [Break; 14] = [
    Break {
        what: "the server hangs",
        act: |sandbox, story| {
            story.before(3)?;
            Ok(Some(Stopped::new(sandbox.ending_with("--name orders"))))
        },
        says: &["step 3: orders does not answer"],
    },
    Break {
        what: "the connection from before the enrolment is cut",
        act: |sandbox, story| {
            story.before(4)?;
            // The story's child, not the sandbox's: it has only entered the pod's namespaces.
            let own = format!("--sandbox={}", sandbox.name);
            let of_story = |p: &Process| p.line.contains(&own) && p.line.ends_with("app hold orders:80");
            signal(&super::lab::processes().into_iter().filter(of_story).collect::<Vec<_>>(), Signal::SIGKILL);
            Ok(None)
        },
        says: &["step 4: a connection that was open before the enrolment broke"],
    },
    Break {
        what: "the node agents hang: nobody is enrolled",
        act: |sandbox, story| {
            story.before(4)?;
            Ok(Some(Stopped::new(sandbox.role("cni"))))
        },
        says: &["step 4: the namespace cannot be enrolled", "shop/"],
    },
    Break {
        what: "the redirection is taken away after the enrolment",
        act: |sandbox, story| {
            story.before(5)?;
            let stopped = Stopped::new(sandbox.role("cni"));
            for process in sandbox.ending_with("--calls http://orders/") {
                let mut command = stage::command();
                command.args(["at", &process.pid.to_string(), "--", "sh", "-c"]);
                // Whatever the tables are called.
                command.arg("nft list tables | while read -r _ f t; do nft delete table $f $t; done; nft list ruleset");
                let ended = ended(&mut command)?;
                if !ended.ok() || !ended.out.trim().is_empty() {
                    return Err(format!("the rules stay: {}", ended.all()));
                }
            }
            Ok(Some(stopped))
        },
        says: &["step 5: the secret was readable on the wire", "GET /?pay=card-"],
    },
    Break {
        what: "the node proxies hang",
        act: |sandbox, story| {
            story.before(5)?;
            Ok(Some(Stopped::new(sandbox.role("ztunnel"))))
        },
        says: &["step 5: orders does not answer"],
    },
    Break {
        what: "STRICT does not reach the node proxies",
        act: |sandbox, story| {
            // While it waits, so that the change cannot be faster.
            story.before(6)?;
            Ok(Some(stop_agent(sandbox)?))
        },
        says: &["step 6: street/passerby still gets answers 3 s later"],
    },
    Break {
        what: "the policy does not reach the node proxies",
        act: |sandbox, story| {
            // While it waits, so that the change cannot be faster.
            story.before(7)?;
            Ok(Some(stop_agent(sandbox)?))
        },
        says: &["step 7: shop/stock still gets answers 3 s later"],
    },
    Break {
        what: "a policy refuses more than it should",
        act: |sandbox, story| {
            story.before(7)?;
            let applied = sandbox.feed("apply", TOO_MUCH)?;
            if applied.ok() { Ok(None) } else { Err(applied.all()) }
        },
        says: &["step 7: frontend is refused as well"],
    },
    Break {
        what: "nobody makes the waypoint",
        act: |sandbox, story| {
            story.before(8)?;
            Ok(Some(stop_agent(sandbox)?))
        },
        says: &["step 8: there is no waypoint"],
    },
    Break {
        what: "the waypoints hang",
        act: |sandbox, story| {
            story.before(9)?;
            Ok(Some(Stopped::new(sandbox.role("waypoint"))))
        },
        says: &["step 9: http://orders/ is not answered as it should be 3 s later"],
    },
    Break {
        what: "a route does not reach the waypoints",
        act: |sandbox, story| {
            story.before(9)?;
            Ok(Some(stop_agent(sandbox)?))
        },
        says: &["step 9: http://orders/ is not answered as it should be 3 s later"],
    },
    Break {
        what: "a fault does not reach the waypoints",
        act: |sandbox, story| {
            story.before(10)?;
            Ok(Some(stop_agent(sandbox)?))
        },
        says: &["step 10: http://stock/ is not answered 418 3 s later"],
    },
    Break {
        what: "a policy does not reach the waypoints",
        act: |sandbox, story| {
            story.before(11)?;
            Ok(Some(stop_agent(sandbox)?))
        },
        says: &["step 11: http://orders/refunds/1 is not answered 403 3 s later"],
    },
    Break {
        what: "a node proxy hangs before the evidence",
        act: |sandbox, story| {
            story.before(12)?;
            Ok(Some(Stopped::new(sandbox.role("ztunnel").into_iter().take(1).collect())))
        },
        says: &["step 12: the connection is not secured"],
    },
];

pub fn check(lab: &Lab, report: &mut Report) -> Result<(), String> {
    let before = Traces::take();
    // One of them waits for minutes, so all are told beside each other, a few at a time: sandboxes know nothing of others.
    let outcomes: Vec<Result<Outcome, String>> = thread::scope(|scope| {
        let mut outcomes = Vec::new();
        for (group, some) in BREAKS.chunks(3).enumerate() {
            let begun: Vec<_> = some
                .iter()
                .enumerate()
                .map(|(n, broken)| scope.spawn(move || broken.tell(&lab.sandbox(&format!("claim-{group}-{n}")))))
                .collect();
            let ended = begun.into_iter().map(|t| t.join().unwrap_or_else(|_| Err("the driver panicked".to_owned())));
            outcomes.extend(ended.collect::<Vec<_>>());
        }
        outcomes
    });
    for (broken, outcome) in BREAKS.iter().zip(outcomes) {
        let (said, good) = match outcome {
            Ok(outcome) => {
                let good = outcome.code == 1 && broken.says.iter().all(|word| outcome.error.contains(word));
                (format!("exit {}: {}", outcome.code, outcome.error.trim()), good)
            }
            Err(error) => (error, false),
        };
        report.row(broken.what, said, format!("exit 1: {}", broken.says.join(" ... ")), good);
    }
    // The same driver with nothing broken: else all of the above could be the driver's doing.
    let whole = Story::begin(&lab.sandbox("claim-none"))?.end(END)?;
    report.row("nothing is broken", format!("exit {} {}", whole.code, whole.error.trim()), "exit 0", whole.code == 0);
    crowded(lab, report);
    let sandbox = lab.sandbox("claim-slow");
    let mut slow = Story::begin(&sandbox)?;
    // As a person reads it, longer than the application's own period of asking.
    let read = (2..=12).try_for_each(|step| {
        let waits = slow.before(step);
        pause(2500);
        waits
    });
    let whole = slow.end(END)?;
    report.row(
        "nothing is broken, and it is read slowly",
        format!("exit {} {} {}", whole.code, whole.error.trim(), read.err().unwrap_or_default()),
        "exit 0",
        whole.code == 0,
    );
    let left = before.left_after(Duration::from_secs(5));
    report.row("left behind by stories that failed", left.join(", "), "nothing", left.is_empty());
    Ok(())
}

/// Many stories beside each other: what holds only when nothing is late fails here.
fn crowded(lab: &Lab, report: &mut Report) {
    let faults: Vec<String> = thread::scope(|scope| {
        let tell = |n: usize| {
            let sandbox = lab.sandbox(&format!("crowd-{n}"));
            (0..CROWD.1)
                .filter_map(|_| match sandbox.run(&["sandbox", "demo"]) {
                    Ok(told) if told.ok() => None,
                    Ok(told) => Some(told.err.lines().next().unwrap_or_default().to_owned()),
                    Err(error) => Some(error),
                })
                .collect::<Vec<String>>()
        };
        let begun: Vec<_> = (0..CROWD.0).map(|n| scope.spawn(move || tell(n))).collect();
        begun.into_iter().flat_map(|t| t.join().unwrap_or_else(|_| vec!["the driver panicked".to_owned()])).collect()
    });
    report.row(
        format!("nothing is broken, {} stories, {} at a time", CROWD.0 * CROWD.1, CROWD.0),
        format!("{} failed {}", faults.len(), faults.join("; ")),
        "0 failed",
        faults.is_empty(),
    );
}

impl Break {
    fn tell(&self, sandbox: &Sandbox<'_>) -> Result<Outcome, String> {
        let mut story = Story::begin(sandbox)?;
        let stopped = (self.act)(sandbox, &mut story);
        // Also where nothing could be broken: the story must not outlive this, and its end tells why.
        let outcome = story.end(END)?;
        match stopped {
            Ok(_) => Ok(outcome),
            Err(error) => Err(format!("{error}; exit {}: {}", outcome.code, outcome.error.trim())),
        }
    }
}
