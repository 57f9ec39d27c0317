//! Logging of a role: fields as text or JSON, with a level that can be changed while it runs.

use std::{io, sync::OnceLock};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};

static FILTER: OnceLock<(reload::Handle<EnvFilter, Registry>, String)> = OnceLock::new();

/// Tells what is wrong with logging settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no filter.
    #[error("{0:?} is no log level: want error, warn, info, debug or trace, or scope=level, separated by commas")]
    Level(String),
    /// Logging was set up twice, or not at all.
    #[error("logging is not in a state to be changed")]
    State,
}

/// How many lines wait for a slow reader of the standard output; more are dropped.
const QUEUE: usize = 10_000;

/// Writes what is left when it is dropped.
pub type Flush = WorkerGuard;

/// Sets logging up for a process: `filter` as in `RUST_LOG`, JSON when `LOG_FORMAT=json`. Lines are written by a thread of their
/// own, many at once: who reads the standard output slowly slows no connection down.
///
/// # Errors
/// An invalid filter, or a second call.
pub fn init(filter: &str) -> Result<Flush, Error> {
    let parsed = parse(filter)?;
    let (layer, handle) = reload::Layer::new(parsed);
    let json = std::env::var("LOG_FORMAT").is_ok_and(|f| f == "json");
    let out = io::BufWriter::with_capacity(64 << 10, io::stdout());
    let (writer, flush) = NonBlockingBuilder::default().buffered_lines_limit(QUEUE).lossy(true).finish(out);
    let format = fmt::layer().with_ansi(false).with_writer(writer);
    let registry = tracing_subscriber::registry().with(layer);
    let ready = if json {
        registry.with(format.json().flatten_event(true)).try_init()
    } else {
        registry.with(format).try_init()
    };
    ready.map_err(|_| Error::State)?;
    FILTER.set((handle, filter.to_owned())).map_err(|_| Error::State)?;
    Ok(flush)
}

/// Changes the level; `None` goes back to the one at the start. Returns the level in force.
///
/// # Errors
/// An invalid filter, or logging that was not set up.
pub fn set(filter: Option<&str>) -> Result<String, Error> {
    let (handle, initial) = FILTER.get().ok_or(Error::State)?;
    let parsed = parse(filter.unwrap_or(initial))?;
    handle.reload(parsed).map_err(|_| Error::State)?;
    current()
}

/// Returns the level in force.
///
/// # Errors
/// Logging was not set up.
pub fn current() -> Result<String, Error> {
    let (handle, _) = FILTER.get().ok_or(Error::State)?;
    handle.with_current(ToString::to_string).map_err(|_| Error::State)
}

fn parse(filter: &str) -> Result<EnvFilter, Error> {
    // Istio writes scope:level, tracing scope=level: both are understood.
    let words = filter.split(',').map(|word| match word.rsplit_once(':') {
        Some((scope, level)) if !scope.ends_with(':') && !level.is_empty() => format!("{scope}={level}"),
        _ => word.to_owned(),
    });
    let joined = words.collect::<Vec<_>>().join(",");
    let level = |word: &str| {
        let level = word.rsplit('=').next().unwrap_or(word).trim().to_ascii_lowercase();
        matches!(&*level, "off" | "error" | "warn" | "info" | "debug" | "trace")
    };
    if joined.is_empty() || !joined.split(',').all(level) {
        return Err(Error::Level(filter.to_owned()));
    }
    EnvFilter::try_new(joined).map_err(|_| Error::Level(filter.to_owned()))
}
