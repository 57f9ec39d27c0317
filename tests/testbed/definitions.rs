//! The types of `source::api` beside the definitions of the APIs: every field, what must be there, every word.

use std::fs;

use serde::Deserialize;
use serde_json::{Value, json};
use source::folder::{KINDS, Kind};

use crate::{cache, cluster::go::Go};

/// The release of Gateway API that the types are of.
const GATEWAY_API: &str = "sigs.k8s.io/gateway-api@v1.6.3";

/// All versions of a kind have one form here; this field came to be required with a later one.
const STRICTER: (&str, &str, &str) = ("TLSRoute", "v1alpha2", "/spec/hostnames");

/// Makes a value with every field that a schema has.
fn full(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("object") => match (schema["properties"].as_object(), schema["additionalProperties"].as_object()) {
            (Some(fields), _) => fields.iter().map(|(k, v)| (k.clone(), full(v))).collect(),
            (None, Some(of)) => json!({"80": full(&Value::Object(of.clone()))}),
            (None, None) => json!({}),
        },
        Some("array") => json!([full(&schema["items"])]),
        Some("string") if schema["format"] == "date-time" => json!("2026-01-01T00:00:00Z"),
        // Some texts are durations, which not every definition tells.
        Some("string") => json!("1s"),
        Some("integer") => json!(1),
        Some("number") => json!(1.5),
        Some("boolean") => json!(true),
        None if schema["x-kubernetes-int-or-string"] == true => json!(1),
        other => panic!("a schema of type {other:?}"),
    }
}

/// One place in an object and what is right there.
struct Place<'a> {
    pointer: String,
    schema: &'a Value,
    required: bool,
}

/// Finds every place below an object.
fn places<'a>(schema: &'a Value, pointer: &str, found: &mut Vec<Place<'a>>) {
    let required = |name: &str| schema["required"].as_array().is_some_and(|r| r.iter().any(|f| f == name));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let pointer = format!("{pointer}/{name}");
        found.push(Place { pointer: pointer.clone(), schema: field, required: required(name) });
        places(field, &pointer, found);
    }
    for (of, step) in [("items", "0"), ("additionalProperties", "80")] {
        if schema[of].is_object() {
            let pointer = format!("{pointer}/{step}");
            if schema[of]["enum"].is_array() {
                found.push(Place { pointer: pointer.clone(), schema: &schema[of], required: false });
            }
            places(&schema[of], &pointer, found);
        }
    }
}

/// Tells what a type takes that a definition does not, and the other way round.
fn differences(definition: &Value) -> Vec<String> {
    let spec = &definition["spec"];
    let kind = Kind::named(spec["names"]["kind"].as_str().expect("a name"));
    assert_eq!(kind.plural, spec["names"]["plural"]);
    assert_eq!(kind.namespaced, spec["scope"] == "Namespaced");
    let mut found = Vec::new();
    for version in spec["versions"].as_array().expect("versions").iter().filter(|v| v["served"] == true) {
        let name = version["name"].as_str().expect("a name");
        if !kind.versions.contains(&name) {
            found.push(format!("{} {name} is not served", kind.name));
        }
        let schema = &version["schema"]["openAPIV3Schema"]["properties"];
        let mut object = json!({"apiVersion": kind.api_version(name), "kind": kind.name, "metadata": {}});
        let mut all = Vec::new();
        for part in ["spec", "status"].into_iter().filter(|part| schema[*part].is_object()) {
            object[part] = full(&schema[part]);
            places(&schema[part], &format!("/{part}"), &mut all);
        }
        let mut tell = |object: &Value, good: bool, what: &str| {
            let findings = (kind.decode)(object);
            if findings.is_empty() != good {
                let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
                found.push(format!("{} {name}: {what}: {findings:?}", kind.name));
            }
        };
        tell(&object, true, "every field");
        // What is wrong already would be told again of every place.
        if !(kind.decode)(&object).is_empty() {
            continue;
        }
        for place in all {
            let open = schema["status"]["x-kubernetes-preserve-unknown-fields"] == true;
            // Conditions and selectors of Gateway API are of Kubernetes' own types, which ask for less.
            let lax = ["/conditions/0/", "/matchExpressions/0/"].iter().any(|part| place.pointer.contains(part));
            if open && place.pointer.starts_with("/status") || lax {
                continue;
            }
            if (kind.name, name, &*place.pointer) == STRICTER {
                continue;
            }
            let (holder, field) = place.pointer.rsplit_once('/').expect("a pointer");
            if let Some(Value::Object(fields)) = object.clone().pointer_mut(holder) {
                let mut without = object.clone();
                fields.remove(field);
                *without.pointer_mut(holder).expect("is there") = Value::Object(fields.clone());
                tell(&without, !place.required, &format!("without {}", place.pointer));
            }
            let mut with = |value: Value, good: bool| {
                let mut changed = object.clone();
                let what = format!("{} is {value}", place.pointer);
                *changed.pointer_mut(&place.pointer).expect("is there") = value;
                tell(&changed, good, &what);
            };
            if let Some(words) = place.schema["enum"].as_array() {
                words.iter().for_each(|word| with(word.clone(), true));
                if place.schema["type"] == "string" {
                    with(json!("no such word"), false);
                }
            } else if place.schema["type"] != "string" {
                with(json!("no such type"), place.schema["x-kubernetes-int-or-string"] == true);
            } else {
                with(json!({}), false);
            }
        }
    }
    found
}

/// Compares the definitions of a text that are of kinds we know, and returns how many there were.
fn compare(text: &str) -> usize {
    let documents = serde_yaml::Deserializer::from_str(text);
    let all = documents.filter_map(|document| Option::<Value>::deserialize(document).expect("YAML"));
    let of = |d: &Value, field: &str| d["spec"][field].as_str().map(str::to_owned);
    let ours = |d: &Value| {
        KINDS.iter().any(|k| of(d, "group") == Some(k.group.into()) && d["spec"]["names"]["plural"] == k.plural)
    };
    let all: Vec<Value> = all.filter(|d| d["kind"] == "CustomResourceDefinition" && ours(d)).collect();
    let found: Vec<String> = all.iter().flat_map(differences).collect();
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
    all.len()
}

#[test]
fn the_types_are_those_of_istio() {
    assert_eq!(compare(include_str!("../../templates/crds/istio.yaml")), 8);
}

#[test]
fn the_types_are_those_of_our_own_definitions() {
    assert_eq!(compare(include_str!("../../templates/crds/ambient.yaml")), 1);
}

#[test]
#[ignore = "needs Go and the module of Gateway API"]
fn the_types_are_those_of_gateway_api() {
    let folder = cache::cache_dir();
    let go = Go::ready(&folder).expect("Go");
    let module = go.download(&folder.join("modules"), GATEWAY_API, "Dir").expect("the module");
    for (channel, kinds) in [("standard", 8), ("experimental", 10)] {
        let files = fs::read_dir(module.join("config/crd").join(channel)).expect("definitions");
        let texts = files.flatten().map(|file| fs::read_to_string(file.path()).expect("a definition"));
        assert_eq!(texts.map(|text| compare(&text)).sum::<usize>(), kinds, "{channel}");
    }
}
