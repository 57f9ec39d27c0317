//! Label and field selectors of lists and watches.

use serde_json::Value;

/// Which objects a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    pointer: &'static str,
    value: String,
    equal: bool,
}

/// The fields that may be selected by.
const FIELDS: [(&str, &str); 6] = [
    ("metadata.name", "/metadata/name"),
    ("metadata.namespace", "/metadata/namespace"),
    ("spec.nodeName", "/spec/nodeName"),
    ("status.phase", "/status/phase"),
    ("involvedObject.name", "/involvedObject/name"),
    ("involvedObject.uid", "/involvedObject/uid"),
];

impl Selector {
    /// Reads both selectors of a request; says what cannot be read.
    pub fn parse(labels: &str, fields: &str) -> Result<Self, String> {
        let labels = split(labels).map(requirement).collect::<Result<_, _>>()?;
        let fields = fields.split(',').map(str::trim).filter(|f| !f.is_empty()).map(field).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    /// Tells whether an object is meant.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.fields.iter().all(|f| {
            let value = object.pointer(f.pointer).and_then(Value::as_str).unwrap_or_default();
            (value == f.value) == f.equal
        }) && self.labels.iter().all(|r| {
            let value = object["metadata"]["labels"].get(&r.key).and_then(Value::as_str);
            match &r.test {
                Test::In(values) => value.is_some_and(|v| values.iter().any(|w| w == v)),
                Test::NotIn(values) => value.is_none_or(|v| values.iter().all(|w| w != v)),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
            }
        })
    }
}

/// Splits at commas outside of parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    let parts = text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|p| !p.is_empty())
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let make = |key: &str, test| {
        let key = key.trim();
        let good = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        if good {
            Ok(Requirement { key: key.to_owned(), test })
        } else {
            Err(format!("unable to parse label selector {text:?}"))
        }
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some((key, value)) = text.split_once("!=") {
        return make(key, Test::NotIn(one(value)));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return make(key, Test::In(one(value)));
    }
    if let Some(list) = text.strip_suffix(')') {
        let (head, list) = list.split_once('(').ok_or_else(|| format!("unable to parse label selector {text:?}"))?;
        let values = list.split(',').map(|v| v.trim().to_owned()).collect();
        let head = head.trim();
        return match head.rsplit_once(char::is_whitespace) {
            Some((key, "in")) => make(key, Test::In(values)),
            Some((key, "notin")) => make(key, Test::NotIn(values)),
            _ => Err(format!("unable to parse label selector {text:?}: want in or notin")),
        };
    }
    match text.strip_prefix('!') {
        Some(key) => make(key, Test::Absent),
        None => make(text, Test::Exists),
    }
}

fn field(text: &str) -> Result<Field, String> {
    let unequal = text.split_once("!=").map(|pair| (pair, false));
    let equal = || text.split_once("==").or_else(|| text.split_once('=')).map(|pair| (pair, true));
    let ((name, value), equal) =
        unequal.or_else(equal).ok_or_else(|| format!("unable to parse field selector {text:?}"))?;
    let known = FIELDS.iter().find(|(field, _)| *field == name.trim());
    let (_, pointer) = known.ok_or_else(|| format!("field label not supported: {name}"))?;
    Ok(Field { pointer, value: value.trim().to_owned(), equal })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_select_as_kubernetes_does() {
        let object = json!({
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "istio.io/rev": "a"}},
            "spec": {"nodeName": "n1"}, "status": {"phase": "Running"},
        });
        let rows = [
            ("", "", true),
            ("app=web", "", true),
            ("app==web,istio.io/rev", "", true),
            ("app!=web", "", false),
            ("tier!=x", "", true),
            ("app in (web, db),!tier", "", true),
            ("app notin (web,db)", "", false),
            ("tier notin (web)", "", true),
            ("tier", "", false),
            ("!app", "", false),
            ("", "spec.nodeName=n1", true),
            ("", "spec.nodeName!=n1", false),
            ("", "metadata.name==web,status.phase=Running", true),
            ("", "status.phase=Pending", false),
            ("", "metadata.namespace=shop", true),
        ];
        for (labels, fields, want) in rows {
            let selector = Selector::parse(labels, fields).expect(labels);
            assert_eq!(selector.matches(&object), want, "{labels:?} {fields:?}");
        }
        for (labels, fields) in [("app in web)", ""), ("a like (b)", ""), ("=x", ""), ("", "spec.x=1"), ("", "name")] {
            assert!(Selector::parse(labels, fields).is_err(), "{labels:?} {fields:?}");
        }
    }
}
