//! Expressions over requests: the part of CEL that telemetry uses.
//!
//! A text is parsed once, where it enters; what waypoints evaluate is a small tree without loops, of bounded size, whose
//! regular expressions are compiled. Attributes are Envoy's, and of workloads those that the mesh itself knows.

mod evaluate;
mod read;

use std::{fmt, str::FromStr, sync::Arc};

use regex::Regex;
use serde::{Deserialize, Serialize};

pub use self::evaluate::{Attributes, Missing, Value};
use crate::workload::Name;

/// The longest text of an expression, bytes.
const MAX_TEXT: usize = 4096;
/// The most nodes of an expression.
const MAX_NODES: usize = 256;
/// How deep an expression may be nested.
const MAX_DEPTH: u16 = 32;
/// The largest regular expression, bytes once compiled.
const MAX_REGEX: usize = 1 << 20;

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Too long.
    #[error("the expression has more than {MAX_TEXT} bytes, or more than {MAX_NODES} parts")]
    TooLarge,
    /// Not CEL.
    #[error("the expression cannot be read: {0}")]
    Syntax(String),
    /// Something that requests do not have.
    #[error("{0} is no attribute of a request that is known here")]
    Attribute(String),
    /// CEL that is not evaluated here.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A regular expression that is none.
    #[error("{0:?} is no regular expression, or too large")]
    Regex(String),
}

/// An expression that can be evaluated. It travels as its text.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    text: Name,
    tree: Arc<Node>,
}

impl FromStr for Expression {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { text: text.into(), tree: Arc::new(read::tree(text)?) })
    }
}

impl TryFrom<String> for Expression {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> Self {
        expression.text.to_string()
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

/// Something that an expression may ask of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are those of the attributes
pub enum Attribute {
    Request(RequestField),
    RequestHeader(Name),
    Response(ResponseField),
    ResponseHeader(Name),
    /// `source`, or `destination`.
    Peer(Side, PeerField),
    /// `upstream.address`
    UpstreamAddress,
    /// `xds.route_name`, `route_name`
    RouteName,
    /// `connection.mtls`
    Mtls,
}

/// Fields of `request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are those of the attributes
pub enum RequestField {
    Host,
    Method,
    Scheme,
    Path,
    UrlPath,
    Query,
    Id,
    Protocol,
    Size,
    Duration,
}

/// Fields of `response`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are those of the attributes
pub enum ResponseField {
    Code,
    CodeDetails,
    Flags,
    GrpcStatus,
    Size,
}

/// Which side of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // they are the two
pub enum Side {
    Source,
    Destination,
}

/// Fields of `source` and `destination`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are those of the attributes
pub enum PeerField {
    Address,
    Port,
    Principal,
    Workload,
    Namespace,
    App,
    Version,
    CanonicalService,
    CanonicalRevision,
    Cluster,
    Service,
    ServiceName,
    ServiceNamespace,
}

/// A part of an expression.
#[derive(Debug)]
enum Node {
    Text(Name),
    Integer(i64),
    Double(f64),
    Bool(bool),
    Attribute(Attribute),
    Has(Attribute),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Choose(Box<[Node; 3]>),
    Compare(Order, Box<Node>, Box<Node>),
    Among(Box<Node>, Vec<Node>),
    Add(Box<Node>, Box<Node>),
    Call(Function, Box<Node>),
    Search(Search, Box<Node>, Box<Node>),
    Matches(Box<Node>, Regex),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Same,
    Other,
    Less,
    LessOrSame,
    More,
    MoreOrSame,
}

/// What is made of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Size,
    Text,
    Integer,
    Lower,
}

/// How a text is looked for in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    Prefix,
    Suffix,
    Contains,
}

#[cfg(test)]
mod tests;
