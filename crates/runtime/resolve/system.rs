//! Questions to the name servers that this machine or pod is told of.

use std::{
    fs,
    future::Future,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hickory_resolver::{
    TokioResolver,
    config::{ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::op::ResponseCode,
    system_conf::parse_resolv_conf,
};
use model::workload::Name;

use super::{AT_ONCE, Answer, Nothing};

/// What is read when a resolver is made.
const RESOLV_CONF: &str = "/etc/resolv.conf";
const HOSTS: &str = "/etc/hosts";

/// What tells that a file is another one than before: device, number, length, and when it was changed.
type Stamp = Option<(u64, u64, u64, (i64, i64), (i64, i64))>;

/// Asks as files say; they are read again when they change.
pub(super) struct System {
    resolv_conf: PathBuf,
    made: Mutex<Option<Made>>,
}

struct Made {
    stamps: [Stamp; 2],
    resolver: TokioResolver,
}

impl Default for System {
    fn default() -> Self {
        Self { resolv_conf: RESOLV_CONF.into(), made: Mutex::default() }
    }
}

impl System {
    /// Asks for the addresses of a name.
    pub(super) fn ask(self: Arc<Self>, name: Name) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        Box::pin(async move { ask(&self.resolver()?, &name).await })
    }

    fn resolver(&self) -> Result<TokioResolver, Nothing> {
        let stamps = [stamp(&self.resolv_conf), stamp(Path::new(HOSTS))];
        let made = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made().as_ref().filter(|made| made.stamps == stamps) {
            return Ok(made.resolver.clone());
        }
        let resolver = fs::read(&self.resolv_conf).map_err(NetError::from).and_then(|text| build(&text));
        let resolver = resolver.map_err(|error| format!("no name server: {error}"))?;
        *made() = Some(Made { stamps, resolver: resolver.clone() });
        Ok(resolver)
    }
}

fn stamp(path: &Path) -> Stamp {
    let meta = fs::metadata(path).ok()?;
    let (changed, told) = ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
    Some((meta.dev(), meta.ino(), meta.len(), changed, told))
}

fn build(resolv_conf: &[u8]) -> Result<TokioResolver, NetError> {
    let (config, options) = parse_resolv_conf(resolv_conf)?;
    with(config, options)
}

fn with(config: ResolverConfig, mut options: ResolverOpts) -> Result<TokioResolver, NetError> {
    // Who asks keeps the answers, and asks again when they end.
    options.cache_size = 0;
    // Both kinds of addresses are asked for at once, and by three who share it: names of configuration, new ones of clients, and those of
    // clients that are renewed.
    options.max_active_requests = 6 * AT_ONCE;
    // Not the C library's resolver: in a static binary it would need files that the image does not have.
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options).build()
}

async fn ask(resolver: &TokioResolver, name: &Name) -> Answer {
    // A whole name is not looked for in domains of this pod.
    let whole = if name.contains('.') && !name.ends_with('.') { format!("{name}.") } else { name.to_string() };
    let found = resolver.lookup_ip(whole).await;
    let found = found.map_err(|error| Nothing { life: negative(&error), reason: error.to_string() })?;
    Ok((found.iter().collect(), found.valid_until().saturating_duration_since(Instant::now())))
}

/// Returns for how long there is no such name, if that is what DNS answered (RFC 2308 2, 5).
fn negative(error: &NetError) -> Option<Duration> {
    let NetError::Dns(DnsError::NoRecordsFound(nothing)) = error else { return None };
    // That there is no address of one kind says nothing of the other kind, of which this is not the answer.
    let is_answer = nothing.response_code == ResponseCode::NXDomain;
    nothing.negative_ttl.filter(|_| is_answer).map(|seconds| Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests;
