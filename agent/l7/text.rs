//! Small texts that several APIs share: headers, patterns of values.

use std::net::IpAddr;

use http::{HeaderName, HeaderValue};
use model::{
    l7::{
        filter::{Filter, HeaderChange, Rewrite},
        matching::NamedMatch,
        text::{Pattern, TextMatch},
    },
    policy::Block,
    workload::Name,
};
use source::api::{
    route::{self, HeaderFilter, MatchType},
    virtual_service::StringMatch,
};

/// Reads the name of a header, in lower case.
///
/// # Errors
/// It is none.
pub fn header_name(name: &str) -> Result<Name, String> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no name of a header"))?;
    Ok(parsed.as_str().into())
}

fn pair(name: &str, value: &str) -> Result<(Name, Name), String> {
    let name = header_name(name)?;
    HeaderValue::from_str(value).map_err(|_| format!("header {name}: {value:?} is no value of a header"))?;
    Ok((name, value.into()))
}

/// Changes of headers, as the APIs write them.
#[derive(Clone, Debug, Default)]
pub struct Headers<'a> {
    /// To set.
    pub set: Vec<(&'a str, &'a str)>,
    /// To add.
    pub add: Vec<(&'a str, &'a str)>,
    /// To remove.
    pub remove: Vec<&'a str>,
}

impl<'a> From<&'a HeaderFilter> for Headers<'a> {
    fn from(filter: &'a HeaderFilter) -> Self {
        let pairs = |list: &'a [route::Header]| list.iter().map(|h| (&*h.name, &*h.value)).collect();
        Self {
            set: pairs(&filter.set),
            add: pairs(&filter.add),
            remove: filter.remove.iter().map(String::as_str).collect(),
        }
    }
}

impl Headers<'_> {
    /// Converts changes of answers.
    ///
    /// # Errors
    /// A name or a value is none of a header.
    pub fn change(&self) -> Result<HeaderChange, String> {
        let pairs = |list: &[(&str, &str)]| -> Result<Vec<(Name, Name)>, String> {
            list.iter().map(|(name, value)| pair(name, value)).collect()
        };
        Ok(HeaderChange {
            set: pairs(&self.set)?,
            add: pairs(&self.add)?,
            remove: self.remove.iter().map(|name| header_name(name)).collect::<Result<_, _>>()?,
        })
    }

    /// Converts changes of requests: a new `host` is a new authority, in every version of HTTP.
    ///
    /// # Errors
    /// A name or a value is none of a header.
    pub fn request_filters(mut self) -> Result<Vec<Filter>, String> {
        let is_host = |name: &str| name.eq_ignore_ascii_case("host") || name == ":authority";
        let authority: Option<Name> = self.set.iter().find(|(name, _)| is_host(name)).map(|(_, value)| (*value).into());
        self.set.retain(|(name, _)| !is_host(name));
        let change = self.change()?;
        let changes = (!change.is_empty()).then_some(Filter::RequestHeaders(change));
        let rewrite = authority.map(|a| Filter::Rewrite(Rewrite { authority: Some(a), path: None }));
        Ok(changes.into_iter().chain(rewrite).collect())
    }
}

/// Reads a pattern.
///
/// # Errors
/// It is no regular expression, or too large.
pub fn pattern(text: &str) -> Result<Pattern, String> {
    text.parse::<Pattern>().map_err(|error| error.to_string())
}

/// Converts conditions of Gateway API over headers, or over parameters if `headers` is not set: of several with one name the
/// first counts.
///
/// # Errors
/// A pattern or the name of a header is wrong.
pub fn named(conditions: &[route::NamedMatch], headers: bool) -> Result<Vec<NamedMatch>, String> {
    let mut out: Vec<NamedMatch> = Vec::new();
    for condition in conditions {
        let name = if headers { header_name(&condition.name)? } else { (*condition.name).into() };
        let value = match condition.kind {
            MatchType::Exact => TextMatch::Exact((*condition.value).into()),
            MatchType::RegularExpression => TextMatch::Regex(pattern(&condition.value)?),
        };
        if !out.iter().any(|m| m.name == name) {
            out.push(NamedMatch { name, value });
        }
    }
    Ok(out)
}

/// Converts a condition of Istio over a text; none stands for any text that is there.
///
/// # Errors
/// It has two patterns, or one that is wrong.
pub fn text(condition: &StringMatch) -> Result<TextMatch, String> {
    match (&condition.exact, &condition.prefix, &condition.regex) {
        (None, None, None) => Ok(TextMatch::Present),
        (Some(exact), None, None) => Ok(TextMatch::Exact((**exact).into())),
        // Every text begins so.
        (None, Some(prefix), None) if prefix.is_empty() => Ok(TextMatch::Present),
        (None, Some(prefix), None) => Ok(TextMatch::Prefix((**prefix).into())),
        // No expression, but used as one.
        (None, None, Some(regex)) if regex == "*" => Ok(TextMatch::Present),
        (None, None, Some(regex)) => Ok(TextMatch::Regex(pattern(regex)?)),
        _ => Err("a text has more than one of exact, prefix and regex".to_owned()),
    }
}

/// Reads an address, or a block of them.
#[must_use]
pub fn block(text: &str) -> Option<Block> {
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let address: IpAddr = address.parse().ok()?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(whole), |l| l.parse::<u8>().ok().filter(|l| *l <= whole))?;
    Some(Block { address, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_host_is_a_new_authority() {
        let headers = Headers { set: vec![("X-A", "1"), ("Host", "b")], add: vec![], remove: vec!["X-B"] };
        let filters = headers.request_filters().expect("right");
        let change = HeaderChange { set: vec![("x-a".into(), "1".into())], add: vec![], remove: vec!["x-b".into()] };
        let rewrite = Rewrite { authority: Some("b".into()), path: None };
        assert_eq!(filters, [Filter::RequestHeaders(change), Filter::Rewrite(rewrite)]);
        for (name, value) in [("a b", "1"), ("", "1"), ("a", "1\n2")] {
            assert!(Headers { set: vec![(name, value)], ..Headers::default() }.change().is_err(), "{name:?} {value:?}");
        }
    }

    #[test]
    fn texts_of_istio() {
        let of = |exact: Option<&str>, prefix: Option<&str>, regex: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            text(&StringMatch { exact: owned(exact), prefix: owned(prefix), regex: owned(regex) })
        };
        assert_eq!(of(None, None, None), Ok(TextMatch::Present));
        assert_eq!(of(Some(""), None, None), Ok(TextMatch::Exact("".into())));
        assert_eq!(of(None, Some(""), None), Ok(TextMatch::Present));
        assert_eq!(of(None, Some("a"), None), Ok(TextMatch::Prefix("a".into())));
        assert_eq!(of(None, None, Some("*")), Ok(TextMatch::Present));
        assert!(of(None, None, Some("(")).is_err());
        assert!(of(Some("a"), Some("a"), None).is_err());
    }
}
