//! RateLimit, which is the mesh's own: neither Istio nor Gateway API has a word for it.

use std::{
    fmt,
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

use crate::api::{
    Resource, authorization::Rule, backend_policy::TargetWithSection, duration::GatewayDuration, route::PolicyStatus,
};

/// The group of what is the mesh's own.
pub const GROUP: &str = "policy.ambient.io";
/// The longest time that a limit is about.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How many requests may come.
pub type RateLimit = Resource<RateLimitSpec, PolicyStatus>;

/// Its specification.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitSpec {
    pub target_refs: Vec<TargetWithSection>,
    #[serde(default)]
    pub local: Vec<Local>,
    pub global: Option<Global>,
    #[serde(default)]
    pub headers: Headers,
    #[serde(default)]
    pub rate_limited_as_resource_exhausted: bool,
    #[serde(default)]
    pub dry_run: bool,
}

/// Which answers say what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Headers {
    #[default]
    OnLimit,
    Always,
    Never,
}

/// A limit that a waypoint keeps itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Local {
    #[serde(default, rename = "match")]
    pub matches: Vec<Rule>,
    #[serde(default)]
    pub key: Vec<String>,
    pub requests: NonZeroU32,
    pub per: Per,
    pub burst: Option<NonZeroU32>,
}

/// In what time: a word, or a span as Gateway API writes it; not 0, and at most a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Per(pub Duration);

impl<'de> Deserialize<'de> for Per {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Per;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("second, minute, hour, day or a duration such as 10s, more than 0 and at most a day")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Per, E> {
                let span = match text {
                    "second" => Some(Duration::from_secs(1)),
                    "minute" => Some(Duration::from_secs(60)),
                    "hour" => Some(Duration::from_secs(3600)),
                    "day" => Some(LONGEST),
                    text => text.parse::<GatewayDuration>().ok().map(|span| span.0),
                };
                let span = span.filter(|span| !span.is_zero() && *span <= LONGEST);
                span.map(Per).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// A server that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Global {
    pub service: String,
    pub port: NonZeroU16,
    pub domain: String,
    pub fail_open: Option<bool>,
    pub timeout: Option<GatewayDuration>,
    pub descriptors: Vec<Descriptor>,
}

/// What it is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default, rename = "match")]
    pub matches: Vec<Rule>,
    pub entries: Vec<Entry>,
    pub limit: Option<Override>,
}

/// A pair.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub key: String,
    pub from: Option<String>,
    pub value: Option<String>,
}

/// A limit in place of the server's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Override {
    pub requests: u32,
    pub unit: Unit,
}

/// A time that servers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Year,
}
