//! Manifests: what an operator writes, judged document by document. Nothing here touches a file.

mod meaning;
pub(super) mod yaml;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    folder::{
        decode::Findings,
        kinds::{self, KINDS, Key, Kind},
        path::{FieldPath, Finding, Step, likely},
        problem::Problem,
    },
    merge,
};

/// Further things that the caller does not take, such as what its runtime cannot do.
pub type Check = fn(&Value) -> Vec<(FieldPath, String)>;

/// The most problems that are told of one file: each costs a reading of the text.
const TOLD: usize = 50;

/// One valid document.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// What it names.
    pub key: Key,
    /// The object, with its namespace, without what only the cluster writes.
    pub object: Value,
    /// The line where it begins, from 1.
    pub line: usize,
    /// The column where it begins, from 1.
    pub column: usize,
}

/// What a text holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The valid documents.
    pub objects: Vec<Manifest>,
    /// The objects that invalid documents name.
    pub invalid: BTreeSet<Key>,
    /// Whether it cannot be told which objects the text names: it is no YAML, or a document has no name or kind.
    pub unclear: bool,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Reads and judges the documents of a text.
///
/// `file` is only for the problems.
#[must_use]
pub fn parse(file: &str, text: &str, check: Option<Check>) -> Parsed {
    let mut parsed = Parsed::default();
    let documents = match yaml::read(text) {
        Ok(documents) => documents,
        Err(broken) => {
            let (line, column) = broken.position;
            let problem = Problem::of_file(file, format!("not YAML: {}", broken.message));
            parsed.problems.push(Problem { line, column, ..problem });
            parsed.unclear = true;
            return parsed;
        }
    };
    let starts = yaml::starts(text);
    let mut seen = BTreeSet::new();
    for (number, document) in documents.into_iter().enumerate().filter(|(_, d)| !d.is_null()) {
        let (names, mut findings) = judge(&document, check);
        let key = match &names {
            Names::Object(key) => Some(key),
            Names::Unclear | Names::Foreign => None,
        };
        if let Some(key) = key
            && !seen.insert(key.clone())
        {
            findings.push(Finding::new(FieldPath::of(&["metadata", "name"]), "the same object is in this file before"));
        }
        let title = key.map(ToString::to_string);
        for finding in &findings {
            if parsed.problems.len() >= TOLD {
                break;
            }
            let (line, column) = yaml::locate(text, number, &finding.path, finding.about_name);
            let place = if finding.path.0.is_empty() { String::new() } else { format!("{}: ", finding.path) };
            parsed.problems.push(Problem {
                file: file.to_owned(),
                line,
                column,
                object: title.clone(),
                message: format!("{place}{}", finding.message),
                expected: finding.expected.clone(),
            });
        }
        match (names, findings.is_empty()) {
            (Names::Object(key), true) => {
                let (line, column) = starts.get(number).copied().unwrap_or((1, 1));
                let object = normal(&key, document);
                parsed.objects.push(Manifest { key, object, line, column });
            }
            (Names::Object(key), false) => drop(parsed.invalid.insert(key)),
            (Names::Unclear, _) => parsed.unclear = true,
            (Names::Foreign, _) => {}
        }
    }
    if parsed.problems.len() >= TOLD {
        parsed.problems.push(Problem::of_file(file, "what else is wrong is not told"));
    }
    // The first of two stays in force, and only it.
    parsed.invalid.retain(|key| !parsed.objects.iter().any(|o| o.key == *key));
    parsed
}

/// Tells what is wrong with an object of a kind, wherever it comes from: its types, and what they mean.
#[must_use]
pub(crate) fn findings(kind: &Kind, object: &Value) -> Findings {
    let mut found = (kind.decode)(object);
    found.extend(meaning::findings(kind, object));
    if kind.name == "Secret" {
        found.iter_mut().for_each(hide);
    }
    found
}

/// Takes the value out of a finding about an entry of a secret: findings end in logs.
fn hide(finding: &mut Finding) {
    let entry =
        finding.path.0.first().is_some_and(|s| ["data", "stringData"].iter().any(|f| *s == Step::Key((*f).into())));
    if entry && !finding.about_name {
        finding.message = "wrong value, not shown here".to_owned();
        finding.expected = Some("text in stringData, base64 in data".to_owned());
    }
}

/// What a document names.
enum Names {
    Object(Key),
    /// Perhaps one of ours: a name or kind is missing or misspelt.
    Unclear,
    /// A kind that is none of ours.
    Foreign,
}

/// Judges one document: what it names, and what is wrong with it.
fn judge(document: &Value, check: Option<Check>) -> (Names, Findings) {
    let kind = match kind(document) {
        Ok(kind) => kind,
        Err(refused) => {
            let (names, finding) = *refused;
            return (names, vec![finding]);
        }
    };
    let meta = &document["metadata"];
    let name_path = FieldPath::of(&["metadata", "name"]);
    let namespace_path = FieldPath::of(&["metadata", "namespace"]);
    let Some(name) = meta["name"].as_str().filter(|n| !n.is_empty()) else {
        // Perhaps it is only misspelt: then the unknown field is told as well.
        let mut found = findings(kind, document);
        found.push(Finding { about_name: true, ..Finding::missing(name_path) });
        return (Names::Unclear, found);
    };
    if let Some(want) = kind.bad_name(name) {
        return (
            Names::Unclear,
            vec![Finding::new(name_path, format!("{name:?} is no name of a {}: {want}", kind.name))],
        );
    }
    let namespace = match &meta["namespace"] {
        Value::String(namespace) if kind.namespaced && kinds::is_label(namespace) => namespace.as_str(),
        Value::Null if kind.namespaced => "default",
        Value::Null => "",
        _ if !kind.namespaced => {
            return (Names::Unclear, vec![Finding::new(namespace_path, format!("a {} is in no namespace", kind.name))]);
        }
        other => {
            return (Names::Unclear, vec![Finding::new(namespace_path, format!("{other} is no name of a namespace"))]);
        }
    };
    let mut found = findings(kind, document);
    if let Some(check) = check.filter(|_| found.is_empty()) {
        found.extend(check(document).into_iter().map(|(path, message)| Finding::new(path, message)));
    }
    (Names::Object(Key::new(kind, namespace, name)), found)
}

fn kind(document: &Value) -> Result<&'static Kind, Box<(Names, Finding)>> {
    if !document.is_object() {
        let finding = Finding::new(FieldPath::default(), "no object").want("apiVersion, kind, metadata");
        return Err(Box::new((Names::Unclear, finding)));
    }
    let missing = |field: &str| Box::new((Names::Unclear, Finding::missing(FieldPath::of(&[field]))));
    let text = |field: &str| document[field].as_str().ok_or_else(|| missing(field));
    let (api_version, name) = (text("apiVersion")?, text("kind")?);
    if let Some(kind) = Kind::of_object(api_version, name).filter(|k| k.written) {
        return Ok(kind);
    }
    let written = || KINDS.iter().filter(|k| k.written);
    if let Some(kind) = written().find(|k| k.name == name) {
        let want = kind.api_version(kind.versions[0]);
        let finding = Finding::new(FieldPath::of(&["apiVersion"]), format!("{name} has no version {api_version:?}"));
        return Err(Box::new((Names::Unclear, finding.want(want))));
    }
    let names: Vec<&str> = written().map(|k| k.name).collect();
    let mut message = format!("{name} ({api_version}) cannot be written here");
    let meant = likely(name, names.iter().copied());
    if let Some(meant) = meant {
        message.push_str(&format!(", did you mean {meant}?"));
    }
    let mut finding = Finding::new(FieldPath::of(&["kind"]), message);
    // Many: told only to who is far from all of them.
    finding.expected = meant.is_none().then(|| format!("one of {}", names.join(", ")));
    let names = if meant.is_some() { Names::Unclear } else { Names::Foreign };
    Err(Box::new((names, finding)))
}

/// Brings an object into the form that is kept: in its namespace, of the kept version, without what only the cluster
/// writes.
fn normal(key: &Key, mut object: Value) -> Value {
    let fields = merge::object(&mut object);
    fields.remove("status");
    fields.insert("apiVersion".to_owned(), key.kind.api_version(key.kind.versions[0]).into());
    if let Some(meta) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        const WRITTEN: [&str; 8] = [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "managedFields",
            "selfLink",
        ];
        WRITTEN.iter().for_each(|field| drop(meta.remove(*field)));
        if key.kind.namespaced {
            meta.insert("namespace".to_owned(), key.namespace.clone().into());
        }
    }
    object
}
