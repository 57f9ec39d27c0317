//! Spans of time as manifests write them.

use std::{fmt, str::FromStr, time::Duration as Span};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

/// A span as Istio's API writes it, such as `1.5s` or `1h10m`: the syntax of Go's durations, not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub Span);

/// A span as Gateway API writes it (GEP-2257), such as `1h10m`: at most four whole numbers of at most five digits, with
/// the units h, m, s and ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GatewayDuration(pub Span);

/// One unit of a span, and its length in nanoseconds.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Takes the first number and unit off a text.
fn part(text: &str) -> Option<(&str, &'static str, u128, &str)> {
    let (number, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let (unit, rest) = rest.split_at(rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len()));
    let (unit, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some((number, unit, *length, rest))
}

fn go(text: &str) -> Option<Span> {
    if text == "0" {
        return Some(Span::ZERO);
    }
    let (mut rest, mut sum) = (text.strip_prefix('+').unwrap_or(text), 0_u128);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, _, length, further) = part(rest)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok().map(u128::from) };
        // More digits than nanoseconds of an hour have do not count.
        let fraction = &fraction[..fraction.len().min(12)];
        let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
        sum += digits(whole)? * length + digits(fraction)? * length / scale;
        rest = further;
    }
    // Go's durations are nanoseconds in 64 bits with a sign.
    let nanos = i64::try_from(sum).ok()?;
    Some(Span::from_nanos(nanos.unsigned_abs()))
}

fn gateway(text: &str) -> Option<Span> {
    let (mut rest, mut parts) = (text, 0);
    while !rest.is_empty() {
        let (number, unit, _, further) = part(rest)?;
        let digits = (1..=5).contains(&number.len()) && !number.contains('.');
        if !digits || !["h", "m", "s", "ms"].contains(&unit) {
            return None;
        }
        (rest, parts) = (further, parts + 1);
    }
    (1..=4).contains(&parts).then(|| go(text))?
}

impl FromStr for GatewayDuration {
    type Err = NoDuration;

    fn from_str(text: &str) -> Result<Self, NoDuration> {
        gateway(text).map(Self).ok_or(NoDuration)
    }
}

/// Tells that a text is no span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no duration")]
pub struct NoDuration;

struct Read(fn(&str) -> Option<Span>, &'static str);

impl Visitor<'_> for Read {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
        (self.0)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Read(go, "a duration such as 5s, 1.5s or 1h10m")).map(Self)
    }
}

impl<'de> Deserialize<'de> for GatewayDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Read(gateway, "a duration such as 5s, 500ms or 1h10m")).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_their_apis_write_them() {
        let millis = Span::from_millis;
        let cases = [
            ("5s", Some(millis(5_000)), Some(millis(5_000))),
            ("1h10m", Some(millis(4_200_000)), Some(millis(4_200_000))),
            ("500ms", Some(millis(500)), Some(millis(500))),
            ("0s", Some(millis(0)), Some(millis(0))),
            ("0", Some(millis(0)), None),
            ("1.5s", Some(millis(1_500)), None),
            (".5s", Some(millis(500)), None),
            ("1.s", Some(millis(1_000)), None),
            ("3\u{b5}s", Some(Span::from_micros(3)), None),
            ("100000s", Some(millis(100_000_000)), None),
            ("1h1m1s1ms", Some(millis(3_661_001)), Some(millis(3_661_001))),
            ("1h1m1s1ms1s", Some(millis(3_662_001)), None),
            ("0.0000000000000001h", Some(Span::ZERO), None),
            ("", None, None),
            ("5", None, None),
            ("s", None, None),
            (".s", None, None),
            ("-5s", None, None),
            ("5 s", None, None),
            ("1..5s", None, None),
            ("1d", None, None),
            ("9999999999999999999h", None, None),
            ("3000000h", None, None),
        ];
        for (text, istio, gateway_api) in cases {
            assert_eq!(go(text), istio, "{text:?}");
            assert_eq!(gateway(text), gateway_api, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}|[0-9.hmsnu+-]{0,40}") {
            if let Some(span) = gateway(&text) {
                proptest::prop_assert_eq!(go(&text), Some(span));
            }
        }
    }
}
