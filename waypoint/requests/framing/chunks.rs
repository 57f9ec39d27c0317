//! Bodies in chunks (RFC 9112 7.1).

/// Whether a body has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// More comes.
    Open,
    /// It is whole.
    Whole,
    /// It is none: the byte after those that are of it may not be there.
    Broken,
}

/// A body under way: what comes next.
#[derive(Debug, Default)]
enum Next {
    /// The first digit of a size.
    #[default]
    Start,
    /// Further digits, or the end of the size.
    Size(u64),
    /// Blanks before an extension.
    Blanks(u64),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// The beginning of a trailer, or the last line.
    Trailer,
    TrailerLine,
    TrailerLf,
    LastLf,
}

/// A body under way.
#[derive(Debug, Default)]
pub struct Chunks(Next);

impl Chunks {
    /// Follows bytes to the end of the body; returns how many are of it.
    pub fn follow(&mut self, bytes: &[u8]) -> (usize, End) {
        let mut used = 0;
        while let Some(byte) = bytes.get(used) {
            // Data and lines are not looked at byte by byte.
            match &mut self.0 {
                Next::Data(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - used);
                    *left -= count as u64;
                    used += count;
                    if *left == 0 {
                        self.0 = Next::DataCr;
                    }
                    continue;
                }
                Next::LastLf if *byte == b'\n' => return (used + 1, End::Whole),
                _ => {}
            }
            match self.step(*byte) {
                Some(next) => self.0 = next,
                None => return (used, End::Broken),
            }
            used += 1;
        }
        (used, End::Open)
    }

    /// Returns what comes after a byte; none if it may not be there.
    fn step(&self, byte: u8) -> Option<Next> {
        Some(match (&self.0, byte) {
            (Next::Start, _) => Next::Size(digit(byte)?),
            (Next::Size(size), b'\r') => Next::SizeLf(*size),
            (Next::Size(size), b';') => Next::Extension(*size),
            // Only an extension has blanks before it (RFC 9112 7.1.1).
            (Next::Size(size) | Next::Blanks(size), b' ' | b'\t') => Next::Blanks(*size),
            (Next::Blanks(size), b';') => Next::Extension(*size),
            (Next::Size(size), _) => Next::Size(size.checked_mul(16)? | digit(byte)?),
            (Next::Extension(size), b'\r') => Next::SizeLf(*size),
            (Next::Extension(_) | Next::TrailerLine, b'\n' | 0) => return None,
            (Next::Extension(size), _) => Next::Extension(*size),
            (Next::SizeLf(0), b'\n') => Next::Trailer,
            (Next::SizeLf(size), b'\n') => Next::Data(*size),
            (Next::DataCr, b'\r') => Next::DataLf,
            (Next::DataLf, b'\n') => Next::Start,
            (Next::Trailer, b'\r') => Next::LastLf,
            (Next::Trailer, b'\n' | 0) => return None,
            (Next::Trailer, _) => Next::TrailerLine,
            (Next::TrailerLine, b'\r') => Next::TrailerLf,
            (Next::TrailerLine, _) => Next::TrailerLine,
            (Next::TrailerLf, b'\n') => Next::Trailer,
            _ => return None,
        })
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}
