//! Reads an object as its type and tells every field that the type does not know, and the first value that does not fit.
//!
//! The types themselves skip unknown fields; but they name the fields that they know to their deserialiser, so one that
//! listens finds the others, and what was probably meant.

use std::{cell::RefCell, fmt};

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
        value::BorrowedStrDeserializer,
    },
};
use serde_json::{Map, Value};

pub use crate::folder::path::Finding;
use crate::folder::path::{FieldPath, Step, likely};

/// All that is wrong with an object.
pub type Findings = Vec<Finding>;

/// Reads an object as a type.
#[must_use]
pub fn read<T: DeserializeOwned>(object: &Value) -> Findings {
    typed::<T>(object, FieldPath::default()).1
}

/// Reads a part of an object as a type, and tells all that is wrong with it, at its place in the object.
#[must_use]
pub fn typed<T: DeserializeOwned>(part: &Value, path: FieldPath) -> (Option<T>, Findings) {
    let found = RefCell::default();
    let outcome = T::deserialize(Walk { value: part, path, found: &found });
    let mut found = found.into_inner();
    let value = outcome.map_err(|fault| found.push(fault.finding)).ok();
    (value, found)
}

/// A value on the way down into an object.
struct Walk<'a> {
    value: &'a Value,
    path: FieldPath,
    found: &'a RefCell<Findings>,
}

/// An error, which learns where it was on the way up.
#[derive(Debug)]
struct Fault {
    finding: Finding,
    placed: bool,
}

impl Fault {
    fn new(finding: Finding) -> Self {
        Self { finding, placed: false }
    }

    fn at(mut self, path: &FieldPath) -> Self {
        if !self.placed {
            self.placed = true;
            self.finding.path = FieldPath(path.0.iter().cloned().chain(self.finding.path.0).collect());
        }
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.finding.fmt(f)
    }
}

impl std::error::Error for Fault {}

/// Says in the words of a manifest what a type expects.
fn plain(expected: &dyn Expected) -> String {
    match expected.to_string().as_str() {
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "u8" => "a whole number, 0 to 255".to_owned(),
        "u16" => "a whole number, 0 to 65535".to_owned(),
        "u32" | "u64" => "a whole number, 0 or more".to_owned(),
        "a string" => "text; quotes make text of a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        other => other.to_owned(),
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Finding::new(FieldPath::default(), message.to_string()))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Finding::new(FieldPath::default(), format!("wrong type, {unexpected}")).want(plain(expected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Finding::new(FieldPath::default(), format!("wrong value, {unexpected}")).want(plain(expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Finding::missing(FieldPath::of(&[field])))
    }
}

impl<'a> Walk<'a> {
    fn below(&self, value: &'a Value, step: Step) -> Self {
        Walk { value, path: self.path.then(step), found: self.found }
    }

    fn tell_unknown(&self, object: &Map<String, Value>, fields: &[&str]) {
        for name in object.keys().filter(|k| !fields.contains(&k.as_str())) {
            let mut finding = Finding::new(self.path.key(name), "unknown field");
            (finding.about_name, finding.unknown) = (true, true);
            match likely(name, fields.iter().copied()) {
                Some(field) => finding.message.push_str(&format!(", did you mean {field}?")),
                None if fields.len() <= 12 => finding.expected = Some(format!("one of {}", fields.join(", "))),
                None => {}
            }
            self.found.borrow_mut().push(finding);
        }
    }
}

impl<'de> Deserializer<'de> for Walk<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let outcome = match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Number(n) => match (n.as_u64(), n.as_i64()) {
                (Some(n), _) => visitor.visit_u64(n),
                (None, Some(n)) => visitor.visit_i64(n),
                (None, None) => visitor.visit_f64(n.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items { items: items.iter().enumerate(), walk: &self }),
            Value::Object(fields) => visitor.visit_map(Fields { fields: fields.iter(), next: None, walk: &self }),
        };
        outcome.map_err(|fault| fault.at(&self.path))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let path = self.path.clone();
        let outcome = if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) };
        outcome.map_err(|fault| fault.at(&path))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        let path = self.path.clone();
        visitor.visit_newtype_struct(self).map_err(|fault| fault.at(&path))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let there = match self.value {
            Value::Object(object) => {
                self.tell_unknown(object, fields);
                // A field without a value is not there: so the API takes it, of its own kinds and of others.
                object.iter().filter(|(_, value)| !value.is_null())
            }
            other => {
                let what = match other {
                    Value::Null => "nothing",
                    Value::Array(_) => "a list",
                    _ => "a single value",
                };
                let finding = Finding::new(FieldPath::default(), format!("wrong type, {what}"));
                return Err(Fault::new(finding.want(format!("fields, such as {}", fields.first().unwrap_or(&"name"))))
                    .at(&self.path));
            }
        };
        visitor.visit_map(Fields { fields: there, next: None, walk: &self }).map_err(|fault| fault.at(&self.path))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.value {
            Value::String(text) if variants.contains(&text.as_str()) => {
                visitor.visit_enum(BorrowedStrDeserializer::<Fault>::new(text)).map_err(|fault| fault.at(&self.path))
            }
            other => {
                let finding = Finding::new(FieldPath::default(), format!("unknown value {other}"));
                Err(Fault::new(finding.want(format!("one of {}", variants.join(", ")))).at(&self.path))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier
    }
}

struct Items<'a, 'de> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
    walk: &'a Walk<'de>,
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((number, item)) = self.items.next() else { return Ok(None) };
        seed.deserialize(self.walk.below(item, Step::Item(number))).map(Some)
    }
}

struct Fields<'a, 'de, Each> {
    fields: Each,
    next: Option<(&'de String, &'de Value)>,
    walk: &'a Walk<'de>,
}

impl<'de, Each: Iterator<Item = (&'de String, &'de Value)>> MapAccess<'de> for Fields<'_, 'de, Each> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.next = self.fields.next();
        let Some((name, _)) = self.next else { return Ok(None) };
        seed.deserialize(name.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let (name, value) = self.next.take().ok_or_else(|| de::Error::custom("a value without a name"))?;
        seed.deserialize(self.walk.below(value, Step::Key(name.clone())))
    }
}
