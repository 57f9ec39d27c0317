//! What became of what operators wrote, told in its status.
//!
//! The mesh posts what each status is to say, whenever it looked at an object, and what it says as read. Only a difference is
//! written. Replicas of the control plane come to the same, so whichever is first spares the others the work; should two differ,
//! as while one version follows another, each waits longer from one of its writes to the next.

mod body;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};
use source::{Kind, kubernetes::resource, object::ObjectKey};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use tracing::{debug, warn};

/// How long changes gather before they are written, at most: a part of it by chance, so that replicas are not all first.
const GATHER: Duration = Duration::from_millis(200);
/// How many are written at once.
const WRITES: usize = 8;
/// First and longest pause between two writes of the same status.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// How often a write is tried that the API refuses or that does not arrive; a change of the object begins anew.
const TRIES: u32 = 5;
/// How long a write may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the status of an object is to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The kind of the object.
    pub kind: Kind,
    /// Its name.
    pub key: ObjectKey,
    /// The version of the API to write it in; empty for the best one.
    pub served: &'static str,
    /// The resource version of the object that was looked at: a later one is left to who looks at that.
    pub version: String,
    /// Who writes, for server-side apply.
    pub writer: &'static str,
    /// What it is to say; times of transition are filled in.
    pub status: Value,
    /// Types of conditions that go when they are not wanted.
    pub owns: &'static [&'static str],
    /// What it says.
    pub observed: Value,
}

impl Wanted {
    /// Tells whether the status says it already.
    #[must_use]
    pub fn is_said(&self) -> bool {
        body::says(&self.observed, &self.status, self.owns)
    }

    fn name(&self) -> Name {
        (self.kind, self.key.clone())
    }
}

type Name = (Kind, ObjectKey);

/// Where statuses wait to be written; the last one posted of an object counts. Copies share it.
#[derive(Clone, Default)]
pub struct Board {
    waiting: Arc<Mutex<BTreeMap<Name, Wanted>>>,
    posted: Arc<Notify>,
}

impl Board {
    /// Posts what statuses are to say.
    pub fn post(&self, statuses: impl IntoIterator<Item = Wanted>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut any = false;
        for wanted in statuses {
            if wanted.is_said() {
                waiting.remove(&wanted.name());
            } else {
                any = true;
                waiting.insert(wanted.name(), wanted);
            }
        }
        if any {
            self.posted.notify_one();
        }
    }

    /// Takes what may be written now, and returns when the next may be.
    fn due(&self, written: &HashMap<Name, Written>, now: Instant) -> (Vec<Wanted>, Option<Instant>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next: Option<Instant> = None;
        let due = waiting.extract_if(.., |name, wanted| {
            let not_before = written.get(name).and_then(|w| w.not_before(wanted)).filter(|at| *at > now);
            next = match (next, not_before) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            not_before.is_none()
        });
        (due.map(|(_, wanted)| wanted).collect(), next)
    }

    /// Puts back what could not be written, unless there is newer news.
    fn put_back(&self, wanted: Wanted) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).entry(wanted.name()).or_insert(wanted);
    }
}

/// When an object's status was written last.
struct Written {
    status: Value,
    version: String,
    at: Instant,
    pause: Duration,
    failures: u32,
}

impl Written {
    /// Returns when this may be written; none for at once.
    fn not_before(&self, wanted: &Wanted) -> Option<Instant> {
        (self.status == wanted.status).then(|| self.at + self.pause)
    }
}

/// What became of a write.
enum Outcome {
    Written,
    /// The object is another by now, or gone: whoever is told of that posts again.
    Passed,
    Failed,
}

/// Writes what is posted, for ever.
pub async fn write(client: Client, board: Board) {
    let mut written: HashMap<Name, Written> = HashMap::new();
    let mut next: Option<Instant> = None;
    loop {
        tokio::select! {
            () = board.posted.notified() => {}
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
        }
        sleep(rand::random_range(GATHER / 10..GATHER)).await;
        let now = Instant::now();
        // Long ago counts as never.
        written.retain(|_, w| now < w.at + 2 * AGAIN.1);
        let (due, later) = board.due(&written, now);
        next = later;
        let outcomes: Vec<(Wanted, Outcome)> = stream::iter(due)
            .map(|wanted| async {
                let outcome = write_one(&client, &wanted).await;
                (wanted, outcome)
            })
            .buffer_unordered(WRITES)
            .collect()
            .await;
        for (wanted, outcome) in outcomes {
            if note(&mut written, &wanted, &outcome) {
                next = Some(next.map_or(Instant::now(), |n| n.min(Instant::now())));
                board.put_back(wanted);
            }
        }
    }
}

/// Takes in what became of a write; tells whether it is to be tried again.
fn note(written: &mut HashMap<Name, Written>, wanted: &Wanted, outcome: &Outcome) -> bool {
    if matches!(outcome, Outcome::Passed) {
        return false;
    }
    let failed = matches!(outcome, Outcome::Failed);
    let before = written.get(&wanted.name()).filter(|w| w.status == wanted.status);
    let pause = before.map_or(AGAIN.0, |w| (w.pause * 2).min(AGAIN.1));
    let same = before.filter(|w| w.version == wanted.version);
    let failures = if failed { same.map_or(1, |w| w.failures + 1) } else { 0 };
    let (status, version) = (wanted.status.clone(), wanted.version.clone());
    written.insert(wanted.name(), Written { status, version, at: Instant::now(), pause, failures });
    failed && failures < TRIES
}

async fn write_one(client: &Client, wanted: &Wanted) -> Outcome {
    let resource = resource(wanted.kind, wanted.served);
    let api = match wanted.key.namespace.as_str() {
        "" => Api::<DynamicObject>::all_with(client.clone(), &resource),
        namespace => Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource),
    };
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).ok().and_then(|t| t.format(&Rfc3339).ok());
    let patch = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": { "name": wanted.key.name, "resourceVersion": wanted.version },
        "status": body::dated(&wanted.status, &wanted.observed, &now.unwrap_or_default()),
    });
    let how = PatchParams::apply(wanted.writer).force();
    let (kind, key) = (wanted.kind, &wanted.key);
    let answer = tokio::time::timeout(PATIENCE, api.patch_status(&key.name, &how, &Patch::Apply(&patch))).await;
    match answer {
        Ok(Ok(_)) => Outcome::Written,
        Ok(Err(kube::Error::Api(refusal))) if matches!(refusal.code, 404 | 409) => {
            debug!(?kind, namespace = key.namespace, name = key.name, "the object changed meanwhile");
            Outcome::Passed
        }
        Ok(Err(error)) => {
            let reason = match error {
                kube::Error::Api(answer) => answer.message.clone(),
                error => error.to_string(),
            };
            warn!(?kind, namespace = key.namespace, name = key.name, reason, "the status cannot be written");
            Outcome::Failed
        }
        Err(_) => {
            warn!(?kind, namespace = key.namespace, name = key.name, "the API takes too long to take a status");
            Outcome::Failed
        }
    }
}
