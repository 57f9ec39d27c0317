//! Groups of rules, of which one counts for a client and port.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    l7::{
        matching::{Client, Source},
        route::OriginKind,
    },
    workload::Name,
};

/// One alternative of a rule, as far as it decides which group it belongs to and whom that is for.
pub(super) trait Alternative {
    /// Returns the namespace of the clients that wrote the rule for themselves.
    fn consumer(&self) -> Option<&Name>;
    /// Returns the kind of the object that the rule was written in.
    fn kind(&self) -> OriginKind;
    /// Returns the ports that are asked for; all of them must be the one.
    fn ports(&self) -> [Option<u16>; 2];
    /// Returns the clients that are meant.
    fn source(&self) -> Option<&Source>;
}

/// All groups of a service.
#[derive(Debug)]
pub(super) struct Groups<G> {
    consumers: HashMap<Name, Vec<(Audience, G)>>,
    everybody: Vec<(Audience, G)>,
}

impl<G> Groups<G> {
    /// Parts alternatives into groups.
    pub(super) fn new<A: Alternative>(all: impl Iterator<Item = A>, group: impl Fn(Vec<A>) -> G) -> Self {
        let mut parts: BTreeMap<(Option<Name>, u8), Vec<A>> = BTreeMap::new();
        for one in all {
            parts.entry((one.consumer().cloned(), precedence(one.kind()))).or_default().push(one);
        }
        let mut groups = Self { consumers: HashMap::new(), everybody: vec![] };
        for ((consumer, _), part) in parts {
            let of = match consumer {
                Some(namespace) => groups.consumers.entry(namespace).or_default(),
                None => &mut groups.everybody,
            };
            of.push((Audience::new(&part), group(part)));
        }
        groups
    }

    /// Returns the one that counts for a client and port.
    pub(super) fn first(&self, client: &Client<'_>, port: u16) -> Option<&G> {
        let own = client.namespace.and_then(|namespace| self.consumers.get(namespace));
        let mut all = own.into_iter().flatten().chain(&self.everybody);
        all.find(|(audience, _)| audience.has(client, port)).map(|(_, group)| group)
    }
}

/// Returns the place of a kind among others: the most specific first (GEP-1294, route types). A VirtualService beside them is
/// what Istio leaves undefined; what is written for the service in the standard's words counts then.
fn precedence(kind: OriginKind) -> u8 {
    match kind {
        OriginKind::GRPCRoute => 0,
        OriginKind::HTTPRoute => 1,
        OriginKind::TLSRoute => 2,
        OriginKind::TCPRoute => 3,
        OriginKind::VirtualService => 4,
    }
}

/// Whom a group is for: the ports and clients of its alternatives, each once.
#[derive(Debug)]
struct Audience(Vec<(Option<u16>, Option<Source>)>);

impl Audience {
    fn new<A: Alternative>(all: &[A]) -> Self {
        let mut met = BTreeSet::new();
        let mut out = Vec::new();
        for one in all {
            let port = match one.ports() {
                // Two ports are none.
                [Some(one), Some(other)] if one != other => continue,
                [one, other] => one.or(other),
            };
            let source = one.source().filter(|source| !source.is_anybody());
            if port.is_none() && source.is_none() {
                return Self(vec![(None, None)]);
            }
            if met.insert((port, source.map(|source| (&source.namespace, &source.labels)))) {
                out.push((port, source.cloned()));
            }
        }
        Self(out)
    }

    fn has(&self, client: &Client<'_>, port: u16) -> bool {
        self.0.iter().any(|(wanted, source)| {
            wanted.is_none_or(|wanted| wanted == port) && source.as_ref().is_none_or(|source| source.matches(client))
        })
    }
}
