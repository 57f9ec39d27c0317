//! Patterns for texts.

use std::{fmt, str::FromStr, sync::Arc};

use regex::Regex;
use regex_syntax::hir::literal::Extractor;
use serde::{Deserialize, Serialize};

use crate::workload::Name;

/// How large a compiled pattern may be, bytes: one from a manifest must not take the proxy's memory.
const MAX_SIZE: usize = 1 << 20;

/// A regular expression that has to match the whole text, in RE2's syntax; matched in linear time.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: Name,
    whole: Regex,
    // For rewriting, where a part of the text is enough.
    part: Regex,
    beginning: Arc<[u8]>,
}

/// Tells why a text is no pattern.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text:?} is no regular expression: {reason}")]
pub struct InvalidPattern {
    text: String,
    reason: String,
}

impl Pattern {
    /// Tells whether the whole text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }

    /// Replaces every match in a text; `\1` in the replacement stands for the first group, as in RE2.
    #[must_use]
    pub fn replace(&self, text: &str, replacement: &str) -> String {
        let with = |captures: &regex::Captures<'_>| {
            let mut out = String::with_capacity(replacement.len());
            let mut rest = replacement.chars();
            while let Some(character) = rest.next() {
                match (character, (character == '\\').then(|| rest.next()).flatten()) {
                    ('\\', Some(digit)) if digit.is_ascii_digit() => {
                        let group = digit as usize - '0' as usize;
                        out.push_str(captures.get(group).map_or("", |m| m.as_str()));
                    }
                    ('\\', Some(other)) => out.push(other),
                    _ => out.push(character),
                }
            }
            out
        };
        self.part.replace_all(text, with).into_owned()
    }

    /// Returns what every text begins with that matches; a letter may be cut.
    #[must_use]
    pub fn beginning(&self) -> &[u8] {
        &self.beginning
    }

    /// Returns the expression.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let build = |pattern: &str| regex::RegexBuilder::new(pattern).size_limit(MAX_SIZE).build();
        // The first on its own: an unbalanced parenthesis must not become balanced by what is put around it.
        let built = build(text).and_then(|part| Ok((part, build(&format!("^(?:{text})$"))?)));
        let (part, whole) = built.map_err(|error| InvalidPattern {
            text: text.to_owned(),
            reason: error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        })?;
        let beginning = beginning(whole.as_str()).into();
        Ok(Self { text: text.into(), whole, part, beginning })
    }
}

/// Returns what every match of an expression begins with, as far as that can be told.
fn beginning(whole: &str) -> Vec<u8> {
    let parsed = regex_syntax::parse(whole).ok();
    let beginnings = parsed.map(|parsed| Extractor::new().extract(&parsed));
    beginnings.and_then(|all| all.longest_common_prefix().map(<[u8]>::to_vec)).unwrap_or_default()
}

impl TryFrom<String> for Pattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        (*pattern.text).to_owned()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.text)
    }
}

/// A pattern for a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TextMatch {
    /// Equal to.
    Exact(Name),
    /// Begins with.
    Prefix(Name),
    /// Ends with.
    Suffix(Name),
    /// Matches as a whole.
    Regex(Pattern),
    /// Any text that is there at all, the empty one too.
    Present,
}

impl TextMatch {
    /// Tells whether a text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => text == &**exact,
            Self::Prefix(prefix) => text.starts_with(&**prefix),
            Self::Suffix(suffix) => text.ends_with(&**suffix),
            Self::Regex(pattern) => pattern.matches(text),
            Self::Present => true,
        }
    }

    /// Tells whether a text matches that may differ in the case of ASCII letters; patterns say themselves what they ignore.
    #[must_use]
    pub fn matches_ignoring_case(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        match self {
            Self::Exact(exact) => text.eq_ignore_ascii_case(exact),
            Self::Prefix(p) => bytes.len() >= p.len() && bytes[..p.len()].eq_ignore_ascii_case(p.as_bytes()),
            Self::Suffix(s) => {
                bytes.len() >= s.len() && bytes[bytes.len() - s.len()..].eq_ignore_ascii_case(s.as_bytes())
            }
            Self::Regex(_) | Self::Present => self.matches(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_text_and_a_bad_one_says_why() {
        let pattern: Pattern = "a|b+".parse().expect("valid");
        assert!(pattern.matches("a") && pattern.matches("bb") && !pattern.matches("ab") && !pattern.matches("xa"));
        for bad in ["(", "a)(b", "[", "(?<=x)", "(?:a{1000}){1000}"] {
            let error = bad.parse::<Pattern>().expect_err(bad);
            assert!(error.to_string().starts_with(&format!("{bad:?} is no regular expression: ")), "{error}");
        }
        let json = serde_json::to_string(&pattern).expect("serialises");
        assert_eq!(serde_json::from_str::<Pattern>(&json).expect("parses"), pattern);
        assert!(serde_json::from_str::<Pattern>("\"(\"").is_err());
    }

    #[test]
    fn groups_are_replaced_as_re2_does() {
        let pattern: Pattern = "^/v(\\d+)/(.*)$".parse().expect("valid");
        assert_eq!(pattern.replace("/v1/users", r"/api/\2/\1$1"), "/api/users/1$1");
        assert_eq!(pattern.replace("/x", r"/\1"), "/x");
        assert_eq!(pattern.replace("/v1/a", r"\\\9"), r"\");
    }

    #[test]
    fn what_all_matches_begin_with_is_known() {
        let rows = [
            ("/api/v[0-9]+/x", "/api/v"),
            ("^/a/.*$", "/a/"),
            ("/a/(b|bc)d", "/a/b"),
            ("/a|/b", "/"),
            ("/ab?", "/a"),
            ("(?i)/ab", "/"),
            ("/a\\.b.*", "/a.b"),
            (".*", ""),
            ("|/a", ""),
            ("a{0}b", "b"),
            ("[^/]+/b", ""),
        ];
        for (pattern, wanted) in rows {
            let pattern: Pattern = pattern.parse().expect("valid");
            assert_eq!(pattern.beginning(), wanted.as_bytes(), "{pattern:?}");
        }
    }

    #[test]
    fn texts_match() {
        let cases = [
            (TextMatch::Exact("Abc".into()), "Abc", true, true),
            (TextMatch::Exact("Abc".into()), "abc", false, true),
            (TextMatch::Prefix("Ab".into()), "abc", false, true),
            (TextMatch::Prefix("abcd".into()), "abc", false, false),
            (TextMatch::Suffix("BC".into()), "abc", false, true),
            (TextMatch::Present, "", true, true),
        ];
        for (pattern, text, exact, ignoring) in cases {
            assert_eq!(pattern.matches(text), exact, "{pattern:?} {text}");
            assert_eq!(pattern.matches_ignoring_case(text), ignoring, "{pattern:?} {text}");
        }
    }
}
