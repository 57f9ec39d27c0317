//! Where in an object something is, and what is wrong there.

use std::fmt;

/// One step down into an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the field of this name.
    Key(String),
    /// To the item of this number, from 0.
    Item(usize),
}

/// A field of an object, such as `spec.ports[0].name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldPath(pub Vec<Step>);

impl FieldPath {
    /// Makes one of names.
    #[must_use]
    pub fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|n| Step::Key((*n).to_owned())).collect())
    }

    /// Returns the path of a field below.
    #[must_use]
    pub fn key(&self, name: &str) -> Self {
        self.then(Step::Key(name.to_owned()))
    }

    /// Returns the path of an item below.
    #[must_use]
    pub fn item(&self, number: usize) -> Self {
        self.then(Step::Item(number))
    }

    /// Returns the path one step further down.
    #[must_use]
    pub fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Item(number) => write!(f, "[{number}]")?,
                Step::Key(name) => {
                    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
                    match (plain, at) {
                        (false, _) => write!(f, "[{name:?}]")?,
                        (true, 0) => f.write_str(name)?,
                        (true, _) => write!(f, ".{name}")?,
                    }
                }
            }
        }
        Ok(())
    }
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The field.
    pub path: FieldPath,
    /// What is wrong.
    pub message: String,
    /// What would be right, if that can be said in a few words.
    pub expected: Option<String>,
    /// Whether the field's name is wrong and not its value.
    pub about_name: bool,
    /// Whether the type does not know the field: the API drops such fields, a manifest is refused.
    pub unknown: bool,
}

impl Finding {
    /// Makes one about a value.
    #[must_use]
    pub fn new(path: FieldPath, message: impl Into<String>) -> Self {
        Self { path, message: message.into(), expected: None, about_name: false, unknown: false }
    }

    /// Adds what would be right.
    #[must_use]
    pub fn want(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Makes one about a field that has to be there.
    #[must_use]
    pub fn missing(path: FieldPath) -> Self {
        Self { about_name: true, ..Self::new(path, "required field is missing") }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.0.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        self.expected.as_ref().map_or(Ok(()), |e| write!(f, ": want {e}"))
    }
}

/// Returns the word of a list that is most like the one given, if one is.
#[must_use]
pub fn likely<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|k| (strsim::damerau_levenshtein(&word.to_lowercase(), &k.to_lowercase()), k));
    scored.filter(|(far, k)| *far <= 1.max(k.len() / 3)).min_by_key(|(far, _)| *far).map(|(_, k)| k)
}
