//! Makes paths comparable before anything looks at them.
//!
//! Policies, rules and the backend have to see one and the same path: what comes out here is what is matched, and what is sent
//! on. So a path that two readers could take for two things is made one of them, or refused.

use std::borrow::Cow;

use super::Normalization;

/// Tells why a path is not taken: 400 (RFC 9110 15.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not rooted.
    #[error("the path does not begin with a slash")]
    Relative,
    /// It has a character that no path may have, written out: a control character, or what begins a fragment.
    #[error("the path has the character {0:?}")]
    Character(char),
    /// It has an escaped NUL, where some readers end a text.
    #[error("the path has an escaped NUL")]
    Nul,
    /// It has a `%` without two hexadecimal digits (RFC 3986 2.1): after readers that are lenient the rest could be an escape.
    #[error("the path has an escape that is cut short, at byte {0}")]
    Escape(usize),
}

/// Makes a path comparable; without the query. What is already so is borrowed.
///
/// In this order, as Istio documents it: `%2F` and `%5C` become slashes if that is asked for; escapes of letters, digits and
/// `-._~` are undone (RFC 3986 6.2.2.2), `\` becomes `/`, and what should be escaped is (RFC 3986 2); dot segments are resolved
/// (RFC 3986 6.2.2.3); slashes are merged if that is asked for. Escapes are undone once: `%252e` stays.
///
/// # Errors
/// The path is not rooted or has a control character; or, unless it is to stay as it came, an escape that is none or NUL.
pub fn normalize(path: &str, how: Normalization) -> Result<Cow<'_, str>, Refused> {
    match path {
        // The whole server (RFC 9112 3.2.4).
        "*" => return Ok(path.into()),
        // An empty path is that of the root (RFC 9110 4.2.3).
        "" => return Ok("/".into()),
        _ => {}
    }
    if let Some(byte) = path.bytes().find(|byte| byte.is_ascii_control() || *byte == b'#') {
        return Err(Refused::Character(byte.into()));
    }
    let rooted = path.starts_with('/') || how > Normalization::None && path.starts_with('\\');
    if !rooted {
        return Err(Refused::Relative);
    }
    if how == Normalization::None || is_normal(path, how) {
        return Ok(path.into());
    }
    let mut normal = resolve(&unescape(path, how == Normalization::DecodeAndMergeSlashes)?);
    if how >= Normalization::MergeSlashes {
        normal = merge(&normal);
    }
    // Escapes that stay make it look at a path whole, and most often nothing comes of it.
    Ok(if normal == path { path.into() } else { normal.into() })
}

/// Tells at a glance whether nothing has to be done: true for most paths, and for none of the others.
fn is_normal(path: &str, how: Normalization) -> bool {
    let mut last = 0;
    let mut plain = |byte: u8| {
        let pair = last == b'/' && (byte == b'.' || byte == b'/' && how >= Normalization::MergeSlashes);
        last = byte;
        !pair && byte != b'%' && byte != b'\\' && !wants_escape(byte)
    };
    path.bytes().all(&mut plain)
}

/// Undoes escapes that need not be, and makes those that should.
fn unescape(path: &str, slashes: bool) -> Result<String, Refused> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path.bytes().enumerate();
    while let Some((at, byte)) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|(_, digit)| char::from(digit).to_digit(16));
            let code = digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
            match code.ok_or(Refused::Escape(at))? {
                0 => return Err(Refused::Nul),
                b'/' | b'\\' if slashes => out.push('/'),
                code if is_unreserved(code) => out.push(char::from(code)),
                // As it was written, in small letters or large.
                _ => out.push_str(&path[at..at + 3]),
            }
        } else if byte == b'\\' {
            out.push('/');
        } else if wants_escape(byte) {
            out.push('%');
            out.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
        } else {
            out.push(char::from(byte));
        }
    }
    Ok(out)
}

/// Tells whether a character means the same escaped and not (RFC 3986 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Tells whether a character has no place in a path but as an escape; brackets are let through, as everybody does.
fn wants_escape(byte: u8) -> bool {
    !byte.is_ascii() || matches!(byte, b' ' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// Resolves dot segments; nothing is above the root.
fn resolve(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    out.truncate(out.rfind('/').unwrap_or(0));
                }
                // What stood for a folder stays one.
                if segments.peek().is_none() {
                    out.push('/');
                }
            }
            _ => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    out
}

fn merge(path: &str) -> String {
    let mut last = ' ';
    let keep = |character: &char| {
        let again = *character == '/' && last == '/';
        last = *character;
        !again
    };
    path.chars().filter(keep).collect()
}

#[cfg(test)]
#[path = "path/tests.rs"]
mod tests;
