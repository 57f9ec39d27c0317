//! The lines of access logs in Envoy's formats.

use std::{collections::BTreeMap, time::SystemTime};

use model::{
    l7::{
        expression::Value,
        telemetry::{Format, Line, Part, Piece},
    },
    workload::Name,
};
use time::OffsetDateTime;

use super::{export::Entry, facts::Facts};

/// What is said of what is not there.
const NOTHING: &str = "-";

/// Makes the entry of a request.
#[must_use]
pub fn entry(facts: &Facts, format: &Format, labels: &BTreeMap<Name, Line>) -> Entry {
    let line = match format {
        Format::Text(line) => text(facts, line),
        Format::Json(fields) => format!("{}\n", object(facts, fields)),
    };
    let labels = labels.iter().map(|(name, line)| (name.to_string(), text(facts, line))).collect();
    let trace = facts.context.as_ref().map(|context| (context.trace, context.span));
    Entry { time: facts.time, trace, line, labels }
}

fn object(facts: &Facts, fields: &BTreeMap<Name, Piece>) -> serde_json::Value {
    fields.iter().map(|(name, piece)| (name.to_string(), json(facts, piece))).collect()
}

fn json(facts: &Facts, piece: &Piece) -> serde_json::Value {
    match piece {
        Piece::Line(line) => value(facts, line),
        Piece::Object(fields) => object(facts, fields),
        Piece::List(pieces) => pieces.iter().map(|piece| json(facts, piece)).collect(),
        Piece::Plain(plain) => plain.clone(),
    }
}

fn text(facts: &Facts, line: &Line) -> String {
    let mut out = String::new();
    for part in line.parts() {
        match part {
            Part::Literal(literal) => out.push_str(literal),
            Part::Operator(operator, length) => {
                let said = facts.said(operator).map_or_else(|| NOTHING.to_owned(), |value| value.to_string());
                let said = said.chars().take(length.unwrap_or(usize::MAX));
                // What clients send must not begin lines of its own.
                out.extend(said.map(|c| if c.is_control() { ' ' } else { c }));
            }
        }
    }
    out
}

/// Says a field: a command alone keeps its type, and what is not there is null, as with Envoy.
fn value(facts: &Facts, line: &Line) -> serde_json::Value {
    match line.parts() {
        [Part::Operator(operator, None)] => match facts.said(operator) {
            Some(Value::Integer(number)) => number.into(),
            Some(value) => value.to_string().into(),
            None => serde_json::Value::Null,
        },
        _ => text(facts, line).into(),
    }
}

/// Writes a time in a form of strftime's; ISO 8601 with milliseconds where there is none. UTC, as with Envoy.
#[must_use]
pub fn time(time: SystemTime, form: Option<&str>) -> String {
    let at = OffsetDateTime::from(time);
    let mut out = String::new();
    let mut rest = form.unwrap_or("%Y-%m-%dT%H:%M:%S.%3fZ").chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let digits = rest.next_if(char::is_ascii_digit).and_then(|c| c.to_digit(10));
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, second) = (at.hour(), at.minute(), at.second());
        out.push_str(&match rest.next() {
            Some('Y') => format!("{year:04}"),
            Some('m') => format!("{month:02}"),
            Some('d') => format!("{day:02}"),
            Some('H') => format!("{hour:02}"),
            Some('M') => format!("{minute:02}"),
            Some('S') => format!("{second:02}"),
            Some('F') => format!("{year:04}-{month:02}-{day:02}"),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('s') => at.unix_timestamp().to_string(),
            Some('f') => {
                let fraction = format!("{:09}", at.nanosecond());
                fraction[..digits.map_or(9, |d| (d as usize).clamp(1, 9))].to_owned()
            }
            Some(other) => other.to_string(),
            None => String::new(),
        });
    }
    out
}
