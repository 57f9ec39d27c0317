//! Settings of a role, from environment variables.

use std::{str::FromStr, time::Duration};

/// Tells which variable is wrong, and how.
#[derive(Debug, thiserror::Error)]
#[error("environment variable {name} has the invalid value {value:?}: want {wanted}")]
pub struct Invalid {
    name: &'static str,
    value: String,
    wanted: &'static str,
}

impl Invalid {
    /// Makes one of a variable, what it holds, and what it should hold.
    #[must_use]
    pub fn new(name: &'static str, value: String, wanted: &'static str) -> Self {
        Self { name, value, wanted }
    }
}

/// Returns a variable's text, or the default where it is unset or empty.
#[must_use]
pub fn text(name: &str, default: &str) -> String {
    std::env::var(name).ok().filter(|v| !v.is_empty()).unwrap_or_else(|| default.to_owned())
}

/// Returns a variable's number.
///
/// # Errors
/// A text that is no such number.
pub fn number<N: FromStr>(name: &'static str, default: N) -> Result<N, Invalid> {
    match std::env::var(name).ok().filter(|v| !v.is_empty()) {
        None => Ok(default),
        Some(value) => value.parse().map_err(|_| Invalid { name, value, wanted: "a whole number in range" }),
    }
}

/// Reads a duration as Go writes them, in one unit: `24h`, `90m`, `3600s`.
///
/// # Errors
/// A text that is none, or no time at all.
pub fn lifetime(name: &'static str, default: Duration) -> Result<Duration, Invalid> {
    let Some(value) = std::env::var(name).ok().filter(|v| !v.is_empty()) else { return Ok(default) };
    let digits = value.trim_end_matches(char::is_alphabetic);
    let factor = match &value[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => 0,
    };
    match digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).filter(|seconds| *seconds > 0) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err(Invalid { name, value, wanted: "a number and a unit, such as 24h, 90m or 3600s" }),
    }
}

/// Returns how long streams may go on after a stop, of the seconds that the whole process has for it.
///
/// # Errors
/// A text that is no number.
pub fn grace(name: &'static str, default: u64) -> Result<Duration, Invalid> {
    let seconds = number(name, default)?;
    // A few seconds are left for the process to end by itself.
    Ok(Duration::from_secs(if seconds > 10 { seconds - 5 } else { seconds.saturating_sub(1).max(1) }))
}
