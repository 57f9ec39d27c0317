//! The documents of a YAML text as values, and the line and column of each field.
//!
//! `serde_yaml` keeps no positions beside values, but puts the position into an error that a visitor raises. So a field
//! is found by reading the text once more, down to it, and raising an error there.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::folder::path::{FieldPath, Step};

/// The most values of one text: aliases may repeat a part many times over.
const VALUES: usize = 500_000;

/// The most brackets within brackets, wherever they stand: the library needs longer and longer for each.
const DEPTH: usize = 1000;

/// Line and column, from 1.
pub type Position = (usize, usize);

/// Why a text is no YAML.
#[derive(Debug)]
pub struct Broken {
    /// Where.
    pub position: Position,
    /// What is wrong.
    pub message: String,
}

/// Reads all documents; an empty one is null.
pub fn read(text: &str) -> Result<Vec<Value>, Broken> {
    if let Some(position) = too_deep(text) {
        return Err(Broken { position, message: format!("brackets are nested more than {DEPTH} deep") });
    }
    let left = Cell::new(VALUES);
    let documents = serde_yaml::Deserializer::from_str(text).map(|document| Build(&left).deserialize(document));
    documents.collect::<Result<_, _>>().map_err(|error| {
        let position = error.location().map_or((1, 1), |l| (l.line(), l.column()));
        let told = error.to_string();
        // The place is told apart; what follows it names a further one.
        let message = told.split(" at line ").next().unwrap_or_default().to_owned();
        Broken { position, message }
    })
}

/// Finds where brackets are nested too deeply. Those in texts count as well: nobody writes so many of them.
fn too_deep(text: &str) -> Option<Position> {
    let mut depth = 0_usize;
    let at = text.bytes().position(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEPTH
    })?;
    let before = &text.as_bytes()[..at];
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = at - before.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1) + 1;
    Some((line, column))
}

/// Returns where each document begins.
#[must_use]
pub fn starts(text: &str) -> Vec<Position> {
    let documents = serde_yaml::Deserializer::from_str(text);
    documents.map(|document| place(Find { path: &[], name: false }.deserialize(document))).collect()
}

fn place(raised: Result<(), serde_yaml::Error>) -> Position {
    raised.err().and_then(|error| error.location()).map_or((1, 1), |l| (l.line(), l.column()))
}

/// Finds a field of a document, or what is there of its path.
#[must_use]
pub fn locate(text: &str, document: usize, path: &FieldPath, name: bool) -> Position {
    let mut documents = serde_yaml::Deserializer::from_str(text);
    documents.nth(document).map_or((1, 1), |d| place(Find { path: &path.0, name }.deserialize(d)))
}

/// Makes a value, and refuses what JSON does not know.
#[derive(Clone, Copy)]
struct Build<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.0.get().checked_sub(1) {
            Some(left) => self.0.set(left),
            None => return Err(D::Error::custom(format!("more than {VALUES} values"))),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a tag")
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        // Of a text without a document, such as one of comments alone.
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("neither a number nor text"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key_seed(Name { taken: Some(&map), raise_at: None })? {
            let value = fields.next_value_seed(self)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

/// Reads the name of a field. Errors are raised here, so that they have the name's position.
struct Name<'a> {
    /// The names before, of which none may come again.
    taken: Option<&'a Map<String, Value>>,
    /// The name that is looked for.
    raise_at: Option<&'a str>,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<String, E> {
        if self.taken.is_some_and(|taken| taken.contains_key(name)) {
            return Err(E::custom(format!("{name:?} is there twice")));
        }
        if self.raise_at == Some(name) {
            return Err(E::custom("here"));
        }
        Ok(name.to_owned())
    }

    // As Kubernetes reads them: ports are keys in places.
    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<String, E> {
        self.visit_str(&truth.to_string())
    }
}

/// Goes down a path and raises an error at its end.
struct Find<'a> {
    path: &'a [Step],
    /// Whether the name of the last field is looked for, and not its value.
    name: bool,
}

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing: every value is the place")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if let Some((Step::Item(number), rest)) = self.path.split_first() {
            for _ in 0..*number {
                if items.next_element::<IgnoredAny>()?.is_none() {
                    break;
                }
            }
            items.next_element_seed(Find { path: rest, name: self.name })?;
        }
        Err(A::Error::custom("here"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        if let Some((Step::Key(wanted), rest)) = self.path.split_first() {
            let raise_at = (self.name && rest.is_empty()).then_some(wanted.as_str());
            while let Some(name) = fields.next_key_seed(Name { taken: None, raise_at })? {
                if name == *wanted {
                    fields.next_value_seed(Find { path: rest, name: self.name })?;
                } else {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Err(A::Error::custom("here"))
    }
}
