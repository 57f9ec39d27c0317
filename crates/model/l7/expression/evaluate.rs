//! What an expression comes to.

use std::{borrow::Cow, cmp::Ordering, fmt};

use super::{Attribute, Expression, Function, Node, Order, Search};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'v> {
    /// A text.
    Text(Cow<'v, str>),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Double(f64),
    /// Yes or no.
    Bool(bool),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Double(number) => number.fmt(f),
            Self::Bool(value) => value.fmt(f),
        }
    }
}

/// An attribute that is not there, or values that do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing;

/// What is asked for attributes.
pub trait Attributes {
    /// Returns an attribute; none if it is not there.
    fn attribute(&self, attribute: &Attribute) -> Option<Value<'_>>;
}

type Found<'v> = Result<Value<'v>, Missing>;

impl Expression {
    /// Returns what it comes to.
    ///
    /// # Errors
    /// An attribute that is asked for is not there.
    pub fn value<'v>(&'v self, request: &'v dyn Attributes) -> Result<Value<'v>, Missing> {
        value(&self.tree, request)
    }

    /// Tells whether it holds; what cannot be told does not (as Envoy's filter of access logs has it).
    #[must_use]
    pub fn holds(&self, request: &dyn Attributes) -> bool {
        self.value(request) == Ok(Value::Bool(true))
    }
}

fn value<'v>(node: &'v Node, request: &'v dyn Attributes) -> Found<'v> {
    match node {
        Node::Text(text) => Ok(Value::Text(Cow::Borrowed(text))),
        Node::Integer(number) => Ok(Value::Integer(*number)),
        Node::Double(number) => Ok(Value::Double(*number)),
        Node::Bool(value) => Ok(Value::Bool(*value)),
        Node::Attribute(attribute) => request.attribute(attribute).ok_or(Missing),
        Node::Has(attribute) => Ok(Value::Bool(request.attribute(attribute).is_some())),
        Node::Not(node) => Ok(Value::Bool(!truth(node, request)?)),
        Node::And(a, b) => joined(truth(a, request), || truth(b, request), false),
        Node::Or(a, b) => joined(truth(a, request), || truth(b, request), true),
        Node::Choose(three) => {
            let [asked, yes, no] = &**three;
            value(if truth(asked, request)? { yes } else { no }, request)
        }
        Node::Compare(order, a, b) => compare(*order, &value(a, request)?, &value(b, request)?),
        Node::Among(one, all) => {
            let one = value(one, request)?;
            let found = all.iter().any(|other| value(other, request).is_ok_and(|other| same(&one, &other)));
            Ok(Value::Bool(found))
        }
        Node::Add(a, b) => match (value(a, request)?, value(b, request)?) {
            (Value::Text(a), Value::Text(b)) => Ok(Value::Text(a + b)),
            (Value::Integer(a), Value::Integer(b)) => a.checked_add(b).map(Value::Integer).ok_or(Missing),
            _ => Err(Missing),
        },
        Node::Call(function, of) => call(*function, value(of, request)?),
        Node::Search(search, text, what) => {
            let (text, what) = (text_of(text, request)?, text_of(what, request)?);
            Ok(Value::Bool(match search {
                Search::Prefix => text.starts_with(&*what),
                Search::Suffix => text.ends_with(&*what),
                Search::Contains => text.contains(&*what),
            }))
        }
        Node::Matches(text, regex) => Ok(Value::Bool(regex.is_match(&text_of(text, request)?))),
    }
}

fn truth(node: &Node, request: &dyn Attributes) -> Result<bool, Missing> {
    match value(node, request)? {
        Value::Bool(value) => Ok(value),
        _ => Err(Missing),
    }
}

/// Joins two: what decides alone, decides, even where the other cannot be told (CEL, Logical Operators).
fn joined<'v>(a: Result<bool, Missing>, b: impl FnOnce() -> Result<bool, Missing>, decides: bool) -> Found<'v> {
    if a == Ok(decides) {
        return Ok(Value::Bool(decides));
    }
    let b = b()?;
    if b == decides { Ok(Value::Bool(b)) } else { a.map(Value::Bool) }
}

fn text_of<'v>(node: &'v Node, request: &'v dyn Attributes) -> Result<Cow<'v, str>, Missing> {
    match value(node, request)? {
        Value::Text(text) => Ok(text),
        _ => Err(Missing),
    }
}

fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    ordering(a, b).map_or(a == b, Ordering::is_eq)
}

fn ordering(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Integer(a), Value::Integer(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Integer(a), Value::Double(b)) => (*a as f64).partial_cmp(b),
        (Value::Double(a), Value::Integer(b)) => a.partial_cmp(&(*b as f64)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        _ => None,
    }
}

fn compare<'v>(order: Order, a: &Value<'_>, b: &Value<'_>) -> Found<'v> {
    let found = match order {
        Order::Same => return Ok(Value::Bool(same(a, b))),
        Order::Other => return Ok(Value::Bool(!same(a, b))),
        _ => ordering(a, b).ok_or(Missing)?,
    };
    Ok(Value::Bool(match order {
        Order::Less => found.is_lt(),
        Order::LessOrSame => found.is_le(),
        Order::More => found.is_gt(),
        Order::MoreOrSame | Order::Same | Order::Other => found.is_ge(),
    }))
}

fn call(function: Function, of: Value<'_>) -> Found<'_> {
    match (function, of) {
        (Function::Size, Value::Text(text)) => {
            i64::try_from(text.chars().count()).map(Value::Integer).map_err(|_| Missing)
        }
        (Function::Text, of) => Ok(Value::Text(Cow::Owned(of.to_string()))),
        (Function::Integer, Value::Text(text)) => text.parse().map(Value::Integer).map_err(|_| Missing),
        (Function::Integer, Value::Integer(number)) => Ok(Value::Integer(number)),
        (Function::Lower, Value::Text(text)) => Ok(Value::Text(Cow::Owned(text.to_ascii_lowercase()))),
        _ => Err(Missing),
    }
}
