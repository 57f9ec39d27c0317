//! The cookies of a request (RFC 6265 5.4), which need not be text.

use http::{HeaderMap, HeaderValue, header::COOKIE};

/// Returns the names and values of all.
pub fn all(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.get_all(COOKIE).iter().flat_map(split).filter_map(pair)
}

/// Returns the value of the first one of a name, if it is text.
#[must_use]
pub fn find<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let (_, value) = all(headers).find(|(found, _)| *found == name.as_bytes())?;
    std::str::from_utf8(value).ok()
}

/// Splits a header into its cookies.
pub fn split(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b';')
}

/// Returns the name and value of a cookie, without quotes around it.
#[must_use]
pub fn pair(cookie: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = cookie.split_at(cookie.iter().position(|byte| *byte == b'=')?);
    let value = value[1..].trim_ascii();
    let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    Some((name.trim_ascii(), bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; b=\"2\"; cc=3"));
        headers.append(COOKIE, HeaderValue::from_static("c=4;b=5"));
        for (name, value) in [("a", Some("1")), ("b", Some("2")), ("c", Some("4")), ("d", None), ("", None)] {
            assert_eq!(find(&headers, name), value, "{name}");
        }
    }
}
