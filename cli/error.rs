//! What a command can fail with: a kind that decides the exit code, the chain of causes, and a hint for the operator.

use std::{fmt, io::Write};

/// Exit code of a question to which no answer could be found: 0 to 2 are answers.
pub const INCONCLUSIVE: u8 = 3;

/// Says whose fault it was; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The reader of our output has gone away: no error.
    BrokenPipe,
    /// The evidence that was asked for could not be gathered: the codes below speak of what was found.
    Inconclusive,
    /// A fault of ours.
    Internal,
    /// Ctrl-C.
    Interrupted,
    /// Wrong arguments.
    Usage,
    /// The cluster, a file, or what was asked for.
    User,
}

/// Failure of a command, as it is shown.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Error {
    /// Returns a failure that the operator or the cluster is the reason for.
    pub fn user(message: impl Into<String>) -> Self {
        Self { kind: Kind::User, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// Returns a failure for arguments that make no sense together.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, ..Self::user(message) }
    }

    /// Returns a failure that only a fault in this program explains.
    pub fn internal(message: impl Into<String>) -> Self {
        Self { kind: Kind::Internal, ..Self::user(message) }
    }

    /// Returns the failure of a command that was interrupted.
    pub fn interrupted() -> Self {
        Self { kind: Kind::Interrupted, ..Self::user("interrupted") }
    }

    /// Turns failures into ones that no verdict is mistaken for; see `verify`.
    #[must_use]
    pub fn without_verdict(mut self) -> Self {
        if matches!(self.kind, Kind::Usage | Kind::User) {
            self.kind = Kind::Inconclusive;
        }
        self
    }

    /// Adds what caused it, and what caused that.
    #[must_use]
    pub fn caused_by(mut self, cause: &(dyn std::error::Error + 'static)) -> Self {
        self.causes.extend(chain(cause));
        self
    }

    /// Adds one cause that exists only as text.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds what the operator can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the code that the process exits with.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::BrokenPipe => 0,
            Kind::User => 1,
            Kind::Usage => 2,
            Kind::Inconclusive => INCONCLUSIVE,
            // As shells count a process that SIGINT ended.
            Kind::Interrupted => 130,
            Kind::Internal => 255,
        }
    }

    /// Returns whether the reader of our output has gone away.
    pub fn is_broken_pipe(&self) -> bool {
        self.kind == Kind::BrokenPipe
    }

    /// Prints it to the standard error, if there still is one.
    pub fn print(&self) {
        if !self.is_broken_pipe() {
            // Not `eprint`, which panics where nobody reads.
            let _ = write!(std::io::stderr(), "{self}");
        }
    }

    /// Returns what caused it, from near to far.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// Returns it in one line, to stand among others.
    pub fn one_line(&self) -> String {
        let causes = self.causes.iter().map(|cause| cause.replace('\n', "; "));
        std::iter::once(self.message.clone()).chain(causes).collect::<Vec<_>>().join(": ")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        for cause in &self.causes {
            writeln!(f, "  caused by: {}", cause.replace('\n', "\n    "))?;
        }
        match &self.hint {
            Some(hint) => writeln!(f, "hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    /// Writing to the screen is the only input or output whose failure needs no more words.
    fn from(error: std::io::Error) -> Self {
        let kind = if error.kind() == std::io::ErrorKind::BrokenPipe { Kind::BrokenPipe } else { Kind::User };
        Self { kind, ..Self::user("cannot write the output").caused_by(&error) }
    }
}

/// Returns the causes from near to far, without those that only repeat the next one: many libraries print their source
/// in their own message as well.
fn chain(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        all.push(error.to_string());
        next = error.source();
    }
    let mut kept: Vec<String> = Vec::new();
    for (index, text) in all.iter().enumerate() {
        let repeats = all.get(index + 1).is_some_and(|source| text.contains(source.as_str()));
        if !repeats && kept.last() != Some(text) {
            kept.push(text.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_message_causes_and_hint() {
        let error = Error::user("cannot list pods").because("forbidden").hint("ask for the right");
        assert_eq!(error.to_string(), "error: cannot list pods\n  caused by: forbidden\nhint: ask for the right\n");
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn a_failure_never_looks_like_a_verdict() {
        for (error, code) in [(Error::user("a"), 3), (Error::usage("a"), 3), (Error::internal("a"), 255)] {
            assert_eq!(error.without_verdict().exit_code(), code);
        }
    }

    #[test]
    fn one_line_holds_the_causes_and_no_hint() {
        let error = Error::user("cannot list pods").because("forbidden\nby all").hint("ask");
        assert_eq!(error.one_line(), "cannot list pods: forbidden; by all");
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let error = Error::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(error.exit_code(), 0);
    }
}
