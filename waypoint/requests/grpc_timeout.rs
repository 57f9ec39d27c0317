//! How long a client of gRPC waits: the header `grpc-timeout` (gRPC over HTTP/2, Requests).

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

const NAME: HeaderName = HeaderName::from_static("grpc-timeout");
/// The largest value: it has at most eight digits.
const MOST: u128 = 99_999_999;

/// Returns how long a client waits; nothing if it does not say so, or in a form that means nothing. Zero is no positive number, and
/// so means nothing either (as Envoy has it).
#[must_use]
pub fn read(headers: &HeaderMap) -> Option<Duration> {
    let mut values = headers.get_all(NAME).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let (unit, digits) = value.as_bytes().split_last()?;
    if !(1..=8).contains(&digits.len()) {
        return None;
    }
    let count = digits.iter().try_fold(0_u64, |count, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        Some(count * 10 + u64::from(digit))
    })?;
    let limit = match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    };
    Some(limit).filter(|limit| !limit.is_zero())
}

/// Says how long an endpoint has, in the finest unit that holds it. It is never told more, nor that it has for ever.
pub fn write(headers: &mut HeaderMap, left: Duration) {
    let units = [
        (left.as_millis().max(1), 'm'),
        (u128::from(left.as_secs()), 'S'),
        (u128::from(left.as_secs() / 60), 'M'),
        (u128::from(left.as_secs() / 3600), 'H'),
    ];
    let (count, unit) = units.into_iter().find(|(count, _)| *count <= MOST).unwrap_or((MOST, 'H'));
    // Digits and a letter are always a value.
    if let Ok(value) = HeaderValue::from_str(&format!("{count}{unit}")) {
        headers.insert(NAME, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(values: &[&[u8]]) -> HeaderMap {
        values.iter().map(|value| (NAME, HeaderValue::from_bytes(value).expect("a value"))).collect()
    }

    #[test]
    fn a_client_says_how_long_it_waits() {
        for (value, wanted) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("250m", Duration::from_millis(250)),
            ("00000250m", Duration::from_millis(250)),
            ("4u", Duration::from_micros(4)),
            ("5n", Duration::from_nanos(5)),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
        ] {
            assert_eq!(read(&said(&[value.as_bytes()])), Some(wanted), "{value}");
        }
    }

    #[test]
    fn what_means_nothing_is_no_limit() {
        let all: [&[u8]; 15] = [
            b"",
            b"S",
            b"1",
            b"0S",
            b"00000000n",
            b"-1S",
            b"+1S",
            b"1.5S",
            b" 1S",
            b"1s",
            b"1S ",
            b"1 S",
            b"100000000S",
            b"\xff1S",
            b"1\xff",
        ];
        for value in all {
            assert_eq!(read(&said(&[value])), None, "{}", value.escape_ascii());
        }
        assert_eq!(read(&said(&[])), None);
        assert_eq!(read(&said(&[b"1S", b"1S"])), None, "which of them counts?");
    }

    #[test]
    fn an_endpoint_is_told_what_is_left() {
        for (left, wanted) in [
            (Duration::ZERO, "1m"),
            (Duration::from_micros(1999), "1m"),
            (Duration::from_millis(99_999_999), "99999999m"),
            (Duration::from_millis(100_000_000), "100000S"),
            (Duration::from_secs(99_999_999 + 1), "1666666M"),
            (Duration::from_secs(99_999_999 * 3600), "99999999H"),
            (Duration::MAX, "99999999H"),
        ] {
            let mut headers = said(&[b"1S", b"2S"]);
            write(&mut headers, left);
            assert_eq!(headers.get_all(NAME).iter().collect::<Vec<_>>(), [wanted], "{left:?}");
        }
    }
}
