//! A second waypoint that is tried with a part of a service's new connections.
//!
//! The labels that name it count beside those that name the first one, on the same object. One that cannot be used is not used, and
//! the first carries everything: it enforces the same of the service.

use model::{service::WeightedWaypoint, workload::GatewayAddress};
use source::{
    labels,
    object::{Map, ObjectKey},
};

use crate::{
    binding::{self, Asker, Unbound, Whose},
    mesh::{
        Mesh,
        waypoints::{Bound, Labelled},
    },
};

/// The whole, of which a weight is a part.
const WHOLE: u32 = 100;

/// What is shared, in words and as a list.
type Shares = (String, Vec<WeightedWaypoint>);

/// Reads a weight: none is the default.
fn weight(annotations: &Map) -> Result<u32, Unbound> {
    let Some(text) = annotations.get(labels::CANARY_WEIGHT) else { return Ok(0) };
    text.trim().parse().ok().filter(|weight| *weight <= WHOLE).ok_or_else(|| Unbound {
        reason: "CanaryInvalidWeight",
        message: format!("annotation {} is {text:?}: want a number from 0 to {WHOLE}", labels::CANARY_WEIGHT),
    })
}

impl Mesh {
    /// Returns the waypoint that is named beside the first one of a service.
    pub(super) fn second(&self, object: Labelled<'_>, whose: Whose) -> Option<ObjectKey> {
        let namespace = object.namespace;
        match whose {
            Whose::Own => binding::canary(object.labels, namespace),
            Whose::Namespace => binding::canary(&self.namespaces.get(namespace)?.labels, namespace),
        }
    }

    /// Finds the waypoint that is tried beside the first one of a service; none if there is none.
    pub(super) fn canary(
        &self,
        object: Labelled<'_>,
        whose: Whose,
        (first, address): &Bound,
        asker: Asker<'_>,
    ) -> Option<Result<Shares, Unbound>> {
        let annotations = match whose {
            Whose::Own => object.annotations,
            Whose::Namespace => &self.namespaces.get(asker.namespace)?.annotations,
        };
        let key = self.second(object, whose)?;
        let found = weight(annotations).and_then(|weight| {
            if key == *first {
                let (label, name) = (labels::USE_CANARY, &key.name);
                let message = format!("label {label} names {name}, which is the first one already: want another");
                return Err(Unbound { reason: "CanarySameAsPrimary", message });
            }
            let second = self.usable(&key, asker, &format!("label {}", labels::USE_CANARY))?;
            let told = format!("{weight} % of new connections to {}/{}", key.namespace, key.name);
            let share =
                |destination: &GatewayAddress, weight| WeightedWaypoint { destination: destination.clone(), weight };
            // Nothing to share, and no list that older proxies would have to read.
            let shares =
                if weight == 0 { vec![] } else { vec![share(address, WHOLE - weight), share(&second, weight)] };
            Ok((told, shares))
        });
        Some(found)
    }
}
