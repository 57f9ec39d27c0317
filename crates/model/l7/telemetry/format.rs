//! What a line of an access log says: Envoy's format strings.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::workload::Name;

/// The longest format, bytes.
const MAX_TEXT: usize = 16 << 10;

/// Why a text is no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFormat {
    /// Too long.
    #[error("the format has more than {MAX_TEXT} bytes")]
    TooLong,
    /// No end of a command.
    #[error("a command of the format has no end: {0:?}")]
    NoEnd(String),
    /// A command that is not known.
    #[error("command {0} of the format is not supported")]
    Unknown(String),
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// A text.
    Text(Line),
    /// An object of JSON.
    Json(BTreeMap<Name, Piece>),
}

impl Default for Format {
    fn default() -> Self {
        Self::Json(BTreeMap::new())
    }
}

/// A value of such an object. It travels as the JSON that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Value")]
pub enum Piece {
    /// A text with commands.
    Line(Line),
    /// More values, by name.
    Object(BTreeMap<Name, Self>),
    /// More values, in order.
    List(Vec<Self>),
    /// A number, a truth value or nothing: as it is.
    Plain(Value),
}

impl TryFrom<Value> for Piece {
    type Error = InvalidFormat;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        Ok(match value {
            Value::String(text) => Self::Line(text.parse()?),
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| Ok((name.into(), value.try_into()?)));
                Self::Object(fields.collect::<Result<_, Self::Error>>()?)
            }
            Value::Array(values) => Self::List(values.into_iter().map(Self::try_from).collect::<Result<_, _>>()?),
            plain => Self::Plain(plain),
        })
    }
}

/// A text with commands in it. It travels as its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Line {
    text: Name,
    parts: Vec<Part>,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    Literal(Name),
    /// What a command says of the request, at most so many characters of it.
    Operator(Operator, Option<usize>),
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// When the request began, in this form; none for ISO 8601 with milliseconds.
    StartTime(Option<Name>),
    /// A header of the request, or else of a second name.
    RequestHeader(Name, Option<Name>),
    /// A header of the answer, or else of a second name.
    ResponseHeader(Name, Option<Name>),
    /// Something else.
    Field(Field),
}

/// What a command without arguments says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are those of the commands
pub enum Field {
    ResponseCode,
    ResponseCodeDetails,
    ResponseFlags,
    GrpcStatus,
    BytesSent,
    BytesReceived,
    Duration,
    UpstreamHost,
    UpstreamCluster,
    Protocol,
    DownstreamRemoteAddress,
    DownstreamRemoteAddressWithoutPort,
    DownstreamLocalAddress,
    DownstreamLocalAddressWithoutPort,
    DownstreamPeerUriSan,
    RequestedServerName,
    RouteName,
    TraceId,
    RequestId,
    Hostname,
    /// Never known at a waypoint, and told as `-`: what Istio's default format names and only Envoy has.
    Absent,
}

impl Line {
    /// Returns its parts.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Line {
    type Err = InvalidFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_TEXT {
            return Err(InvalidFormat::TooLong);
        }
        Ok(Self { text: text.into(), parts: parts(text)? })
    }
}

impl TryFrom<String> for Line {
    type Error = InvalidFormat;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Line> for String {
    fn from(line: Line) -> Self {
        line.text.to_string()
    }
}

fn parts(text: &str) -> Result<Vec<Part>, InvalidFormat> {
    let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
    while let Some((before, after)) = rest.split_once('%') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            literal.push('%');
            rest = after;
            continue;
        }
        // A `%` may stand in the arguments, as in a form of times.
        let end = match (after.find('('), after.find('%')) {
            (Some(open), Some(percent)) if open < percent => after[open..].find(')').and_then(|close| {
                let close = open + close;
                after[close..].find('%').map(|percent| close + percent)
            }),
            (_, percent) => percent,
        };
        let end = end.ok_or_else(|| InvalidFormat::NoEnd(format!("%{after}")))?;
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal).into()));
        }
        parts.push(command(&after[..end])?);
        rest = &after[end + 1..];
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal.into()));
    }
    Ok(parts)
}

/// Reads `NAME`, `NAME(ARGUMENT)` or `NAME(ARGUMENT):LENGTH`.
fn command(text: &str) -> Result<Part, InvalidFormat> {
    let unknown = || InvalidFormat::Unknown(format!("%{text}%"));
    let (head, argument, tail) = match text.split_once('(') {
        Some((head, rest)) => {
            let (argument, tail) = rest.rsplit_once(')').ok_or_else(unknown)?;
            (head, Some(argument), tail)
        }
        None => match text.split_once(':') {
            Some((head, _)) => (head, None, &text[head.len()..]),
            None => (text, None, ""),
        },
    };
    let length = match tail.strip_prefix(':') {
        Some(length) => Some(length.parse().map_err(|_| unknown())?),
        None if tail.is_empty() => None,
        None => return Err(unknown()),
    };
    let headers = |argument: Option<&str>| -> Result<(Name, Option<Name>), InvalidFormat> {
        let argument = argument.filter(|a| !a.is_empty()).ok_or_else(unknown)?.to_ascii_lowercase();
        let (first, second) = argument.split_once('?').map_or((&*argument, None), |(a, b)| (a, Some(b.into())));
        Ok((first.into(), second))
    };
    let operator = match (head, argument) {
        ("START_TIME", form) => {
            let form = form.filter(|form| !form.is_empty());
            if form.is_some_and(|form| !is_time_form(form)) {
                return Err(unknown());
            }
            Operator::StartTime(form.map(Into::into))
        }
        ("REQ", argument) => headers(argument).map(|(a, b)| Operator::RequestHeader(a, b))?,
        ("RESP", argument) => headers(argument).map(|(a, b)| Operator::ResponseHeader(a, b))?,
        ("GRPC_STATUS", _) => Operator::Field(Field::GrpcStatus),
        (head, None) => Operator::Field(field(head).ok_or_else(unknown)?),
        _ => return Err(unknown()),
    };
    Ok(Part::Operator(operator, length))
}

/// Tells whether a form of times has only what is known: strftime's commonest, and fractions of a second.
fn is_time_form(form: &str) -> bool {
    let mut rest = form;
    while let Some((_, after)) = rest.split_once('%') {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let Some(command) = after[digits..].chars().next().filter(|c| "YmdHMSfsTF%".contains(*c)) else { return false };
        if digits > 1 || digits == 1 && !matches!(command, 'f') {
            return false;
        }
        rest = &after[digits + command.len_utf8()..];
    }
    true
}

fn field(name: &str) -> Option<Field> {
    Some(match name {
        "RESPONSE_CODE" => Field::ResponseCode,
        "RESPONSE_CODE_DETAILS" => Field::ResponseCodeDetails,
        "RESPONSE_FLAGS" | "RESPONSE_FLAGS_LONG" => Field::ResponseFlags,
        "GRPC_STATUS_NUMBER" => Field::GrpcStatus,
        "BYTES_SENT" => Field::BytesSent,
        "BYTES_RECEIVED" => Field::BytesReceived,
        "DURATION" => Field::Duration,
        "UPSTREAM_HOST" | "UPSTREAM_REMOTE_ADDRESS" => Field::UpstreamHost,
        "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => Field::UpstreamCluster,
        "PROTOCOL" => Field::Protocol,
        "DOWNSTREAM_REMOTE_ADDRESS" | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Field::DownstreamRemoteAddress,
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => {
            Field::DownstreamRemoteAddressWithoutPort
        }
        "DOWNSTREAM_LOCAL_ADDRESS" => Field::DownstreamLocalAddress,
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Field::DownstreamLocalAddressWithoutPort,
        "DOWNSTREAM_PEER_URI_SAN" => Field::DownstreamPeerUriSan,
        "REQUESTED_SERVER_NAME" => Field::RequestedServerName,
        "ROUTE_NAME" => Field::RouteName,
        "TRACE_ID" => Field::TraceId,
        "STREAM_ID" => Field::RequestId,
        "HOSTNAME" => Field::Hostname,
        "UPSTREAM_TRANSPORT_FAILURE_REASON"
        | "CONNECTION_TERMINATION_DETAILS"
        | "UPSTREAM_LOCAL_ADDRESS"
        | "DOWNSTREAM_TRANSPORT_FAILURE_REASON" => Field::Absent,
        _ => return None,
    })
}
