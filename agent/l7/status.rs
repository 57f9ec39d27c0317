//! What became of an object, as data: who writes it into the object's status also knows the time.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use source::{api::route::ParentReference, object::ObjectKey};

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
    /// Lists of parents belong to all controllers together, so what others say in the status that was `observed` stays.
    #[must_use]
    pub fn to_json(&self, controller: &str, observed: &Value) -> Value {
        let (list, reference, entries) = match &self.body {
            Body::Conditions(conditions) => {
                let generation = Value::from(self.generation.to_string());
                return json!({ "conditions": rendered(conditions, &generation) });
            }
            Body::Route(status) => ("parents", "parentRef", &status.parents),
            Body::Policy(ancestors) => ("ancestors", "ancestorRef", ancestors),
        };
        let foreign = observed[list].as_array().into_iter().flatten();
        let foreign = foreign.filter(|entry| entry["controllerName"] != controller).cloned();
        let ours = entries.iter().map(|(of, conditions)| {
            let conditions = rendered(conditions, &self.generation.into());
            json!({ reference: of, "controllerName": controller, "conditions": conditions })
        });
        json!({ list: foreign.chain(ours).collect::<Vec<_>>() })
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
        let parent: ParentReference =
            serde_json::from_value(json!({"kind": "Service", "group": "", "name": "a"})).expect("right");
        let body =
            Body::Route(RouteStatus { parents: vec![(parent, vec![Condition::holds("Accepted", "Accepted", "")])] });
        let status = Status { key: ObjectKey::default(), generation: 3, body };
        let observed = json!({"parents": [
            {"controllerName": "other", "parentRef": {"name": "g"}, "conditions": []},
            {"controllerName": "ours", "parentRef": {"name": "old"}, "conditions": []},
        ]});
        let written = status.to_json("ours", &observed);
        assert_eq!(written["parents"][0], observed["parents"][0]);
        assert_eq!(written["parents"][1]["parentRef"], json!({"group": "", "kind": "Service", "name": "a"}));
        assert_eq!(written["parents"][1]["conditions"][0]["observedGeneration"], 3);
        assert_eq!(written["parents"].as_array().map(Vec::len), Some(2));
    }
}
