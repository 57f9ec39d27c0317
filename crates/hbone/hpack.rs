//! Header compression, the reading side (RFC 7541). The tables are kept as the peer says, within a bound; Huffman coding is a
//! library's.

use std::collections::VecDeque;

use httlib_huffman::DecoderSpeed;

/// The largest table that a peer may have us keep, bytes: what everybody begins with (RFC 9113 6.5.2).
pub const TABLE: usize = 4096;
/// What a field counts beside its bytes (RFC 7541 4.1).
pub const FIELD: usize = 32;

/// Compression that cannot be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// A name and a value.
pub type Field = (Vec<u8>, Vec<u8>);

/// What is remembered from one head to the next.
#[derive(Debug)]
pub struct Decoder {
    table: VecDeque<Field>,
    size: usize,
    limit: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { table: VecDeque::new(), size: 0, limit: TABLE }
    }
}

impl Decoder {
    /// Takes the next field off a head; none if it was a change of the table alone.
    ///
    /// # Errors
    /// Bytes that are no such field.
    pub fn field(&mut self, rest: &mut &[u8]) -> Result<Option<Field>, Broken> {
        let first = *rest.first().ok_or(Broken)?;
        // RFC 7541 6: the first bits tell what it is.
        if first & 0x80 != 0 {
            let index = integer(rest, 7)?;
            return self.known(index).map(Some);
        }
        if first & 0xe0 == 0x20 {
            let limit = integer(rest, 5)?;
            if limit > TABLE {
                return Err(Broken);
            }
            self.limit = limit;
            self.shrink(limit);
            return Ok(None);
        }
        let keep = first & 0xc0 == 0x40;
        let name = match integer(rest, if keep { 6 } else { 4 })? {
            0 => string(rest)?,
            index => self.known(index)?.0,
        };
        let field = (name, string(rest)?);
        if keep {
            self.remember(field.clone());
        }
        Ok(Some(field))
    }

    fn known(&self, index: usize) -> Result<Field, Broken> {
        let index = index.checked_sub(1).ok_or(Broken)?;
        match STATIC.get(index) {
            Some((name, value)) => Ok((name.as_bytes().to_vec(), value.as_bytes().to_vec())),
            None => self.table.get(index - STATIC.len()).cloned().ok_or(Broken),
        }
    }

    fn remember(&mut self, field: Field) {
        let size = field.0.len() + field.1.len() + FIELD;
        // RFC 7541 4.4: one that is larger than the table empties it.
        self.shrink(self.limit.saturating_sub(size));
        if size <= self.limit {
            self.size += size;
            self.table.push_front(field);
        }
    }

    fn shrink(&mut self, limit: usize) {
        while self.size > limit
            && let Some((name, value)) = self.table.pop_back()
        {
            self.size -= name.len() + value.len() + FIELD;
        }
    }
}

/// Reads an integer with a prefix of so many bits (RFC 7541 5.1).
fn integer(rest: &mut &[u8], prefix: u32) -> Result<usize, Broken> {
    let mask = (1_usize << prefix) - 1;
    let mut value = usize::from(next(rest)?) & mask;
    if value < mask {
        return Ok(value);
    }
    // Three bytes more are two million: nothing here is as long.
    for shift in [0, 7, 14] {
        let byte = next(rest)?;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Broken)
}

/// Reads a string (RFC 7541 5.2).
fn string(rest: &mut &[u8]) -> Result<Vec<u8>, Broken> {
    let huffman = rest.first().ok_or(Broken)? & 0x80 != 0;
    let length = integer(rest, 7)?;
    let (bytes, after) = rest.split_at_checked(length).ok_or(Broken)?;
    *rest = after;
    if !huffman {
        return Ok(bytes.to_vec());
    }
    let mut text = Vec::with_capacity(length * 8 / 5);
    httlib_huffman::decode(bytes, &mut text, DecoderSpeed::FourBits).map_err(|_| Broken)?;
    Ok(text)
}

fn next(rest: &mut &[u8]) -> Result<u8, Broken> {
    let (first, after) = rest.split_first().ok_or(Broken)?;
    *rest = after;
    Ok(*first)
}

/// RFC 7541 appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(decoder: &mut Decoder, bytes: &[u8]) -> Result<Vec<(String, String)>, Broken> {
        let (mut rest, mut fields) = (bytes, Vec::new());
        while !rest.is_empty() {
            if let Some((name, value)) = decoder.field(&mut rest)? {
                let text = |bytes| String::from_utf8(bytes).expect("text");
                fields.push((text(name), text(value)));
            }
        }
        Ok(fields)
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
        digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
    }

    /// The three requests of RFC 7541 appendix C.4: Huffman coding, and a table that goes on from one to the next.
    #[test]
    fn the_examples_of_the_specification_are_read() {
        let mut decoder = Decoder::default();
        let base = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
        let mut cached = base.to_vec();
        cached.push(("cache-control", "no-cache"));
        let custom = [
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            (":authority", "www.example.com"),
            ("custom-key", "custom-value"),
        ];
        for (hex, wanted) in [
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", base.as_slice()),
            ("8286 84be 5886 a8eb 1064 9cbf", &cached),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", &custom),
        ] {
            let read = read(&mut decoder, &bytes(hex)).expect("decompresses");
            let read: Vec<(&str, &str)> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(read, wanted);
        }
        assert_eq!(decoder.size, 164);
    }

    #[test]
    fn the_table_stays_within_its_bound() {
        let mut decoder = Decoder::default();
        for length in 0..200_u8 {
            let mut field = vec![0x40, 1, b'a', 100];
            field.extend([length; 100]);
            decoder.field(&mut field.as_slice()).expect("a field");
            assert!(decoder.size <= TABLE);
        }
        assert!(decoder.field(&mut bytes("3f e2 1f").as_slice()).is_err(), "a table of 4097 bytes");
        assert_eq!(decoder.field(&mut [0x20].as_slice()), Ok(None));
        assert_eq!((decoder.size, decoder.table.len()), (0, 0));
    }

    #[test]
    fn what_is_cut_short_or_out_of_bounds_is_an_error() {
        for hex in ["", "80", "be", "ff ff ff ff ff", "40", "40 01", "40 01 61 05 61", "7f", "00 7f ff ff ff ff"] {
            assert_eq!(Decoder::default().field(&mut bytes(hex).as_slice()), Err(Broken), "{hex}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_bytes_make_it_panic(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..4)) {
            let mut decoder = Decoder::default();
            for block in blocks {
                let mut rest = block.as_slice();
                while !rest.is_empty() && decoder.field(&mut rest).is_ok() {}
            }
        }
    }
}
