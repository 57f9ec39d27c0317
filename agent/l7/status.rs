//! What became of an object, as data: who writes it into the object's status also knows the time.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use source::{api::route::ParentReference, object::ObjectKey};

/// The conditions that are ours on objects of Istio's kinds.
pub const OF_ISTIO: &[&str] = &["WaypointAccepted", "ZtunnelAccepted"];
/// How many parents the status of a route may have (Gateway API).
const MOST_PARENTS: usize = 32;
/// How many ancestors the status of a policy may have (Gateway API).
const MOST_ANCESTORS: usize = 16;

/// One condition of a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The type.
    pub kind: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// Why, as a word of the API.
    pub reason: &'static str,
    /// Why, for people, and what to do.
    pub message: String,
}

impl Condition {
    /// Makes one that holds.
    #[must_use]
    pub fn holds(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, holds: true, reason, message: message.into() }
    }

    /// Makes one that does not hold.
    #[must_use]
    pub fn fails(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, holds: false, reason, message: message.into() }
    }
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which object.
    pub key: ObjectKey,
    /// The generation that was looked at.
    pub generation: i64,
    /// What is said.
    pub body: Body,
}

/// The form of a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Of a route of Gateway API: by parent.
    Route(RouteStatus),
    /// Of a policy of Gateway API: by the object that it has an effect on.
    Policy(Vec<(ParentReference, Vec<Condition>)>),
    /// Of an object of Istio.
    Conditions(Vec<Condition>),
}

/// What became of a route at those of its parents that are of the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteStatus {
    /// The parents.
    pub parents: Vec<(ParentReference, Vec<Condition>)>,
}

impl Status {
    /// Returns the status as it is to be written, without times.
    ///
    /// Lists of parents belong to all controllers together, and conditions of Istio's kinds are one list for the API server: so
    /// what others say in the status that was `observed` stays.
    #[must_use]
    pub fn to_json(&self, controller: &str, observed: &Value) -> Value {
        let (list, reference, most, entries) = match &self.body {
            Body::Conditions(conditions) => {
                let generation = Value::from(self.generation.to_string());
                let all = observed["conditions"].as_array().into_iter().flatten();
                let foreign = all.filter(|c| !OF_ISTIO.iter().any(|ours| c["type"] == *ours)).cloned();
                return json!({ "conditions": foreign.chain(rendered(conditions, &generation)).collect::<Vec<_>>() });
            }
            Body::Route(status) => ("parents", "parentRef", MOST_PARENTS, &status.parents),
            Body::Policy(ancestors) => ("ancestors", "ancestorRef", MOST_ANCESTORS, ancestors),
        };
        let one = |(of, conditions): &(ParentReference, Vec<Condition>)| {
            let conditions = rendered(conditions, &self.generation.into());
            json!({ reference: of, "controllerName": controller, "conditions": conditions })
        };
        let mut ours: Vec<Value> = entries.iter().map(one).collect();
        let mut all = Vec::new();
        // Each in its place: two controllers that order the list each in its way would write for ever.
        for entry in observed[list].as_array().into_iter().flatten() {
            if entry["controllerName"] != controller {
                all.push(entry.clone());
            } else if let Some(at) = ours.iter().position(|our| our[reference] == entry[reference]) {
                all.push(ours.remove(at));
            }
        }
        all.extend(ours);
        // More would not be taken at all.
        all.truncate(most);
        json!({ list: all })
    }
}

fn rendered(conditions: &[Condition], generation: &Value) -> Vec<Value> {
    let one = |c: &Condition| {
        json!({
            "type": c.kind,
            "status": if c.holds { "True" } else { "False" },
            "reason": c.reason,
            "message": c.message,
            "observedGeneration": generation,
        })
    };
    conditions.iter().map(one).collect()
}

/// Joins messages, each once and in their order.
#[must_use]
pub fn joined<'m>(messages: impl IntoIterator<Item = &'m str>) -> String {
    let mut seen = BTreeSet::new();
    let told: Vec<&str> = messages.into_iter().filter(|m| seen.insert(*m)).collect();
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_controllers_say_stays() {
        let parent = |name: &str| -> (ParentReference, Vec<Condition>) {
            let parent = serde_json::from_value(json!({"kind": "Service", "group": "", "name": name}));
            (parent.expect("right"), vec![Condition::holds("Accepted", "Accepted", "")])
        };
        let body =
            |parents: &[&str]| Body::Route(RouteStatus { parents: parents.iter().map(|name| parent(name)).collect() });
        let status = |parents: &[&str]| Status { key: ObjectKey::default(), generation: 3, body: body(parents) };
        let observed = json!({"parents": [
            {"controllerName": "other", "parentRef": {"name": "g"}, "conditions": []},
            {"controllerName": "ours", "parentRef": {"name": "old"}, "conditions": []},
        ]});
        let written = status(&["a"]).to_json("ours", &observed);
        assert_eq!(written["parents"][0], observed["parents"][0]);
        assert_eq!(written["parents"][1]["parentRef"], json!({"group": "", "kind": "Service", "name": "a"}));
        assert_eq!(written["parents"][1]["conditions"][0]["observedGeneration"], 3);
        assert_eq!(written["parents"].as_array().map(Vec::len), Some(2));
        // Ours before theirs stays so.
        let theirs = json!({"controllerName": "other", "parentRef": {"name": "g"}});
        let observed = json!({"parents": [written["parents"][1], theirs]});
        assert_eq!(status(&["a"]).to_json("ours", &observed), observed);
        let written = status(&["b", "a"]).to_json("ours", &observed);
        let names: Vec<&Value> = (0..3).map(|at| &written["parents"][at]["parentRef"]["name"]).collect();
        assert_eq!(names, ["a", "g", "b"]);
        let many: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let written = status(&many).to_json("ours", &observed);
        assert_eq!(written["parents"].as_array().map(Vec::len), Some(32));
        assert_eq!(written["parents"][0], theirs);
        let body = Body::Conditions(vec![Condition::holds("WaypointAccepted", "Accepted", "")]);
        let istio = Status { key: ObjectKey::default(), generation: 3, body };
        let theirs = json!({"type": "Reconciled", "status": "True"});
        let observed = json!({"conditions": [theirs, {"type": "ZtunnelAccepted", "status": "True"}]});
        let written = istio.to_json("ours", &observed);
        assert_eq!(
            (&written["conditions"][0], &written["conditions"][1]["type"]),
            (&theirs, &json!("WaypointAccepted"))
        );
        assert_eq!(written["conditions"].as_array().map(Vec::len), Some(2));
    }
}
