//! Errors in one line, for logs and for peers: the message and all its causes.

use std::error::Error;

/// Writes an error with its causes, from near to far.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    with_causes(error.to_string(), error)
}

/// Appends the causes of an error to a text that stands for the error itself.
///
/// A cause that ends the text already is passed over: some libraries repeat it in their own message.
#[must_use]
pub fn with_causes(mut text: String, error: &(dyn Error + 'static)) -> String {
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Link(&'static str, #[source] Option<Box<Link>>);

    #[test]
    fn every_cause_is_named_once() {
        let link = |text, cause: Option<Link>| Link(text, cause.map(Box::new));
        let error = link("no answer", Some(link("no connection: refused", Some(link("refused", None)))));
        assert_eq!(chain(&error), "no answer: no connection: refused");
        assert_eq!(with_causes("UNAVAILABLE".to_owned(), &error), "UNAVAILABLE: no connection: refused");
    }
}
