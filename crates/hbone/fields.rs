//! The heads of streams: CONNECT and its answer, compressed by HPACK (RFC 7541).

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{
    frame::{Violation, code},
    hpack::{Decoder, FIELD},
};

/// How long a head may be, uncompressed and with 32 bytes for each field (RFC 9113 6.5.2).
pub const MAX_LIST: usize = 16 << 10;
/// How many fields a head may have.
const MAX_FIELDS: usize = 128;

/// The head of a stream as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// `:method`.
    pub method: Option<String>,
    /// `:authority`.
    pub authority: Option<String>,
    /// `:status`.
    pub status: Option<StatusCode>,
    /// Whether `:scheme`, `:path` or another pseudo field is there.
    pub other_pseudo: bool,
    /// The other fields.
    pub headers: HeaderMap,
}

/// Reads heads; keeps what the compression remembers from one to the next.
#[derive(Default)]
pub struct Reader(Decoder);

impl Reader {
    /// Reads a head. The outer error ends the connection, the inner one the stream: a head that is well compressed and makes no
    /// sense.
    ///
    /// # Errors
    /// Compression that cannot be undone, or a head that is too long.
    pub fn read(&mut self, block: &[u8]) -> Result<Result<Fields, &'static str>, Violation> {
        let too_long = Violation { code: code::ENHANCE_YOUR_CALM, reason: "a head that is too long" };
        let broken = Violation { code: code::COMPRESSION_ERROR, reason: "a head that cannot be decompressed" };
        let mut rest = block;
        let (mut size, mut count) = (0, 0);
        let mut fields = Ok(Fields::default());
        while !rest.is_empty() {
            // One by one: a few bytes may stand for very many.
            let field = self.0.field(&mut rest).map_err(|_| broken)?;
            count += 1;
            size += field.as_ref().map_or(0, |(name, value)| name.len() + value.len() + FIELD);
            if size > MAX_LIST || count > MAX_FIELDS {
                return Err(too_long);
            }
            if let Some((name, value)) = field {
                fields = fields.and_then(|mut fields| fields.add(&name, &value).map(|()| fields));
            }
        }
        Ok(fields)
    }
}

impl Fields {
    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        let text = || std::str::from_utf8(value).map(str::to_owned).map_err(|_| "a pseudo field that is no text");
        let once = |there: bool| if there { Err("a pseudo field twice") } else { Ok(()) };
        if name.starts_with(b":") && !self.headers.is_empty() {
            return Err("a pseudo field behind the others"); // RFC 9113 8.3
        }
        match name {
            b":method" => {
                once(self.method.is_some())?;
                self.method = Some(text()?);
            }
            b":authority" => {
                once(self.authority.is_some())?;
                self.authority = Some(text()?);
            }
            b":status" => {
                once(self.status.is_some())?;
                self.status = Some(StatusCode::from_bytes(value).map_err(|_| "a status that is none")?);
            }
            [b':', ..] => self.other_pseudo = true,
            _ => {
                // RFC 9113 8.2.1: names are in lower case.
                let name = HeaderName::from_lowercase(name).map_err(|_| "a field name that is none")?;
                self.headers.append(name, HeaderValue::from_bytes(value).map_err(|_| "a field value that is none")?);
            }
        }
        Ok(())
    }
}

/// Writes the head of a CONNECT (RFC 9113 8.5). Nothing is indexed, so the peer has nothing to remember.
#[must_use]
pub fn connect(authority: &str, headers: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    // RFC 7541 appendix A: 2 is `:method: GET`, 1 `:authority`.
    literal(&mut out, Name::Indexed(2), b"CONNECT");
    literal(&mut out, Name::Indexed(1), authority.as_bytes());
    rest(&mut out, headers);
    out
}

/// Writes the head of an answer.
#[must_use]
pub fn response(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    // RFC 7541 appendix A: 8 is `:status: 200`.
    if status == StatusCode::OK {
        out.push(0x80 | 8);
    } else {
        literal(&mut out, Name::Indexed(8), status.as_str().as_bytes());
    }
    rest(&mut out, headers);
    out
}

fn rest(out: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        literal(out, Name::Text(name.as_str()), value.as_bytes());
    }
}

enum Name<'n> {
    Indexed(u8),
    Text(&'n str),
}

/// Writes a field without indexing and without Huffman coding (RFC 7541 6.2.2).
fn literal(out: &mut Vec<u8>, name: Name<'_>, value: &[u8]) {
    match name {
        Name::Indexed(index) => out.push(index),
        Name::Text(name) => {
            out.push(0);
            string(out, name.as_bytes());
        }
    }
    string(out, value);
}

/// Writes a string with its length as an integer with a prefix of seven bits (RFC 7541 5.1 and 5.2).
fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut length = bytes.len();
    if length < 127 {
        out.push(length as u8);
    } else {
        out.push(127);
        length -= 127;
        while length >= 128 {
            out.push((length % 128) as u8 | 0x80);
            length /= 128;
        }
        out.push(length as u8);
    }
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut headers = HeaderMap::new();
        headers.insert("baggage", HeaderValue::from_str(&"k=v,".repeat(200)).expect("valid"));
        headers.insert("traceparent", HeaderValue::from_static("00-1-2-00"));
        let mut reader = Reader::default();
        let read = reader.read(&connect("10.0.0.1:80", &headers)).expect("decompresses").expect("makes sense");
        assert_eq!((read.method.as_deref(), read.authority.as_deref()), (Some("CONNECT"), Some("10.0.0.1:80")));
        assert_eq!(read.headers, headers);
        for status in [StatusCode::OK, StatusCode::UNAUTHORIZED] {
            let read = reader.read(&response(status, &HeaderMap::new())).expect("decompresses").expect("makes sense");
            assert_eq!(read.status, Some(status));
        }
    }

    #[test]
    fn a_few_bytes_that_stand_for_many_are_refused() {
        let mut bomb = Vec::new();
        // A field of 4000 bytes into the table (RFC 7541 6.2.1), then a thousand times the same by its index.
        bomb.push(0x40);
        string(&mut bomb, b"x");
        string(&mut bomb, &[b'a'; 4000]);
        bomb.extend([0x80 | 62; 1000]);
        assert_eq!(Reader::default().read(&bomb).expect_err("too long").code, code::ENHANCE_YOUR_CALM);
    }

    #[test]
    fn heads_that_make_no_sense_end_the_stream_alone() {
        let field = |fields: &[(&str, &str)]| {
            let mut block = Vec::new();
            fields.iter().for_each(|(name, value)| literal(&mut block, Name::Text(name), value.as_bytes()));
            Reader::default().read(&block).expect("decompresses")
        };
        assert!(field(&[(":method", "CONNECT"), (":method", "GET")]).is_err());
        assert!(field(&[("a", "b"), (":method", "CONNECT")]).is_err());
        assert!(field(&[("Upper", "case")]).is_err());
        assert!(field(&[("a", "b\r\nc: d")]).is_err());
        assert!(field(&[(":status", "abc")]).is_err());
        assert!(field(&[(":method", "CONNECT"), (":path", "/")]).is_ok_and(|f| f.other_pseudo));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_bytes_make_it_panic(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..4)) {
            let mut reader = Reader::default();
            for block in blocks {
                let _ = reader.read(&block);
            }
        }
    }
}
