//! What is wrong with a file, told so that an operator finds the place.

use std::fmt;

/// One thing that is wrong with a manifest, or with a file of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The object, such as `AuthorizationPolicy shop/deny`, as far as it is known.
    pub object: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What would be right, if that can be said in a few words.
    pub expected: Option<String>,
}

impl Problem {
    /// Makes one about a whole file.
    #[must_use]
    pub fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), message: message.into(), ..Self::default() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if let Some(object) = &self.object {
            write!(f, ": {object}")?;
        }
        write!(f, ": {}", self.message)?;
        self.expected.as_ref().map_or(Ok(()), |e| write!(f, ": want {e}"))
    }
}
