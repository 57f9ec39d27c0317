//! What the operator sees: text on the standard output, colour where it is wanted, structured results.

pub mod confirm;
pub mod diff;
pub mod progress;
pub mod table;

use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::{
    args::{Color, Format},
    error::Error,
};

/// The standard output, and how to paint on it.
#[derive(Debug)]
pub struct Screen {
    color: bool,
    /// Whether a person watches the progress, which goes to the standard error.
    pub live: bool,
}

/// A colour with a meaning.
#[derive(Clone, Copy, Debug)]
pub enum Tone {
    /// Wrong.
    Bad,
    /// As it should be.
    Good,
    /// A heading.
    Strong,
    /// To be looked at.
    Warn,
}

impl Screen {
    /// Decides about colour: `auto` means a terminal, and NO_COLOR (no-color.org) unset or empty.
    pub fn new(color: Color) -> Self {
        let wanted = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        };
        Self { color: wanted, live: std::io::stderr().is_terminal() }
    }

    /// Writes one line.
    pub fn line(&self, text: impl AsRef<str>) -> Result<(), Error> {
        self.text(&format!("{}\n", text.as_ref()))
    }

    /// Writes one line of what was done, or is about to be: a command that changes something does not stop half-way because
    /// nobody reads on.
    pub fn say(&self, text: impl AsRef<str>) {
        let _ = self.line(text);
    }

    /// Writes text as it is.
    pub fn text(&self, text: &str) -> Result<(), Error> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// Writes a result as JSON or YAML; a table is the caller's to draw.
    pub fn data<T: Serialize>(&self, format: Format, value: &T) -> Result<(), Error> {
        match format {
            Format::Yaml => {
                let text = serde_yaml::to_string(value)
                    .map_err(|error| Error::internal("cannot write YAML").caused_by(&error))?;
                self.text(&text)
            }
            Format::Json | Format::Table => {
                // Four spaces, as istioctl indents.
                let mut text = Vec::new();
                let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
                let mut serializer = serde_json::Serializer::with_formatter(&mut text, indent);
                value
                    .serialize(&mut serializer)
                    .map_err(|error| Error::internal("cannot write JSON").caused_by(&error))?;
                self.line(String::from_utf8_lossy(&text))
            }
        }
    }

    /// Ends a command whose exit code is an answer: it stays one where nobody reads the output to its end.
    pub fn answered(&self, shown: Result<(), Error>, code: u8) -> Result<u8, Error> {
        match shown {
            Err(error) if !error.is_broken_pipe() => Err(error),
            _ => Ok(code),
        }
    }

    /// Returns the text in a colour, if there is colour.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Bad => "31",
            Tone::Good => "32",
            Tone::Strong => "1",
            Tone::Warn => "33",
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Returns the mark for a check that held or failed.
    pub fn mark(&self, good: bool) -> String {
        if good { self.paint(Tone::Good, "✔") } else { self.paint(Tone::Bad, "✘") }
    }
}
