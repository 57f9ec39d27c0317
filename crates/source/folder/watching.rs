//! A watch: events of a kind, one JSON text a line, for as long as the reader keeps up.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, stream};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::folder::{
    kinds::Kind,
    refusal::Refusal,
    select::Selector,
    store::{Entry, Event, Subscription, render},
};

/// How long a watch lasts if nothing else is asked for, and the longest.
const LASTS: Duration = Duration::from_secs(1800);
const LONGEST: Duration = Duration::from_secs(3600);
/// How often a reader without news is told the count. Readers give up after 30 s of silence.
const BOOKMARK_EVERY: Duration = Duration::from_secs(25);

/// What the client sees of objects.
#[derive(Clone, Debug)]
pub struct View {
    /// The kind.
    pub kind: &'static Kind,
    /// The version of the kind.
    pub version: String,
    /// The namespace; none for all.
    pub namespace: Option<String>,
    /// Which objects are meant.
    pub selector: Selector,
    /// Whether only their metadata is told.
    pub metadata_only: bool,
}

impl View {
    /// Returns an object as the client wants it.
    #[must_use]
    pub fn show(&self, entry: &Entry) -> Value {
        self.show_at(entry, entry.version)
    }

    fn show_at(&self, entry: &Entry, count: u64) -> Value {
        let object = &entry.stored.object;
        if self.metadata_only {
            let slim = json!({"metadata": object["metadata"]});
            let mut slim = render(&slim, count, self.kind, self.kind.versions[0]);
            slim["kind"] = "PartialObjectMetadata".into();
            slim["apiVersion"] = "meta.k8s.io/v1".into();
            return slim;
        }
        render(object, count, self.kind, &self.version)
    }

    /// Tells whether an object is meant.
    #[must_use]
    pub fn meant(&self, entry: &Entry) -> bool {
        self.selector.matches(&entry.stored.object)
    }

    /// Returns the line for an event; none if it is about objects that are not meant.
    fn line(&self, event: &Event) -> Option<Bytes> {
        if event.key.kind != self.kind || self.namespace.as_ref().is_some_and(|n| *n != event.key.namespace) {
            return None;
        }
        let was = event.old.as_deref().filter(|e| self.meant(e));
        let is = event.new.as_deref().filter(|e| self.meant(e));
        Some(match (was, is) {
            (None, None) => return None,
            (None, Some(new)) => line("ADDED", self.show(new)),
            (Some(_), Some(new)) => line("MODIFIED", self.show(new)),
            // As it was when it was last meant, with the count of now.
            (Some(old), None) => line("DELETED", self.show_at(old, event.version)),
        })
    }

    fn bookmark(&self, version: u64, first: bool) -> Bytes {
        let (kind, api_version) = match self.metadata_only {
            true => ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned()),
            false => (self.kind.name, self.kind.api_version(&self.version)),
        };
        let mut object =
            json!({"kind": kind, "apiVersion": api_version, "metadata": {"resourceVersion": version.to_string()}});
        if first {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        line("BOOKMARK", object)
    }
}

/// How a watch is to go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Course {
    /// Whether bookmarks are wanted.
    pub bookmarks: bool,
    /// Whether the end of what is there at the beginning is to be marked.
    pub marks_start: bool,
    /// How long it lasts.
    pub lasts: Option<Duration>,
}

fn line(what: &str, object: Value) -> Bytes {
    let mut text = json!({"type": what, "object": object}).to_string();
    text.push('\n');
    text.into()
}

/// Returns the only line of a watch that cannot begin.
#[must_use]
pub fn refused(refusal: &Refusal) -> Bytes {
    line("ERROR", refusal.status())
}

struct State {
    view: View,
    course: Course,
    waiting: VecDeque<Bytes>,
    events: tokio::sync::mpsc::Receiver<Arc<Event>>,
    version: u64,
    ends: Instant,
}

/// Returns the lines of a watch.
pub fn lines(view: View, course: Course, from: Subscription) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let present = from.present.iter().filter(|e| view.meant(e)).map(|e| line("ADDED", view.show(e)));
    let mut waiting: VecDeque<Bytes> = present.chain(from.past.iter().filter_map(|e| view.line(e))).collect();
    if course.marks_start {
        waiting.push_back(view.bookmark(from.version, true));
    }
    let ends = Instant::now() + course.lasts.unwrap_or(LASTS).min(LONGEST);
    let state = State { view, course, waiting, events: from.events, version: from.version, ends };
    stream::unfold(state, async |mut state| {
        let next = state.next().await?;
        Some((Ok(next), state))
    })
}

impl State {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(line) = self.waiting.pop_front() {
            return Some(line);
        }
        let mut bookmark = Instant::now() + BOOKMARK_EVERY;
        loop {
            tokio::select! {
                event = self.events.recv() => {
                    let event = event?;
                    self.version = event.version;
                    if let Some(line) = self.view.line(&event) {
                        return Some(line);
                    }
                }
                () = sleep_until(bookmark) => {
                    if self.course.bookmarks {
                        return Some(self.view.bookmark(self.version, false));
                    }
                    bookmark = Instant::now() + BOOKMARK_EVERY;
                }
                () = sleep_until(self.ends) => return None,
            }
        }
    }
}
