//! L4 authorization: `istio.security.Authorization` as data, and the one function that decides.
//!
//! Rules are alternatives; all clauses of a rule must hold; matches in a clause are alternatives; all fields of a match must
//! hold; values in a field are alternatives; of a `not` field none may hold.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{identity::Identity, service::contains, workload::Name};

/// What a policy does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Action {
    /// Lets it in; where an allow policy applies, what none allows is refused.
    Allow,
    /// Refuses it, whatever allows it.
    Deny,
}

/// Which workloads a policy concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum PolicyScope {
    /// All of the mesh.
    Global,
    /// All of its namespace.
    Namespace,
    /// Those that name it.
    WorkloadSelector,
}

/// A pattern for a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum StringMatch {
    /// Equal to.
    Exact(Name),
    /// Begins with.
    Prefix(Name),
    /// Ends with.
    Suffix(Name),
    /// Any text that is there at all.
    Presence,
}

impl StringMatch {
    /// Tells whether a text, absent as `None`, matches.
    #[must_use]
    pub fn matches(&self, text: Option<&str>) -> bool {
        let Some(text) = text else { return false };
        match self {
            Self::Exact(exact) => text == &**exact,
            Self::Prefix(prefix) => text.starts_with(&**prefix),
            Self::Suffix(suffix) => text.ends_with(&**suffix),
            Self::Presence => !text.is_empty(),
        }
    }
}

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Block {
    /// An address in the block.
    pub address: IpAddr,
    /// The prefix length in bits.
    pub length: u8,
}

/// A namespace and a service account in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountMatch {
    /// The namespace.
    pub namespace: Name,
    /// The service account.
    pub service_account: Name,
}

/// One set of conditions; an empty field is no condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// Namespaces of the client.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<StringMatch>,
    /// Namespaces the client may not be of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_namespaces: Vec<StringMatch>,
    /// Identities of the client, without `spiffe://`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub principals: Vec<StringMatch>,
    /// Identities the client may not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_principals: Vec<StringMatch>,
    /// Service accounts of the client.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service_accounts: Vec<ServiceAccountMatch>,
    /// Service accounts the client may not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_service_accounts: Vec<ServiceAccountMatch>,
    /// Addresses of the client.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_ips: Vec<Block>,
    /// Addresses the client may not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_source_ips: Vec<Block>,
    /// Addresses of the server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destination_ips: Vec<Block>,
    /// Addresses the server may not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_destination_ips: Vec<Block>,
    /// Ports of the server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destination_ports: Vec<u16>,
    /// Ports the server may not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_destination_ports: Vec<u16>,
}

impl Match {
    /// Tells whether the match has no condition at all; such a one never matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Tells whether it is about everybody but this identity, by name.
    fn spares(&self, identity: &Identity) -> bool {
        let (domain, namespace, account) = (identity.trust_domain(), identity.namespace(), identity.service_account());
        let principal = format!("{domain}/ns/{namespace}/sa/{account}");
        let named = |m: &StringMatch| *m != StringMatch::Presence && m.matches(Some(&principal));
        self.not_principals.iter().any(named)
            || self.not_service_accounts.iter().any(|m| &*m.namespace == namespace && &*m.service_account == account)
    }

    fn matches(&self, peer: &Peer<'_>) -> bool {
        let principal =
            peer.identity.map(|id| format!("{}/ns/{}/sa/{}", id.trust_domain(), id.namespace(), id.service_account()));
        let namespace = peer.identity.map(Identity::namespace);
        let text = |any: &[StringMatch], not: &[StringMatch], value: Option<&str>| {
            (any.is_empty() || any.iter().any(|m| m.matches(value))) && !not.iter().any(|m| m.matches(value))
        };
        let block = |any: &[Block], not: &[Block], ip: IpAddr| {
            let inside = |b: &Block| contains(b.address, b.length, ip);
            (any.is_empty() || any.iter().any(inside)) && !not.iter().any(inside)
        };
        let account = |m: &ServiceAccountMatch| {
            peer.identity
                .is_some_and(|id| id.namespace() == &*m.namespace && id.service_account() == &*m.service_account)
        };
        let port = peer.destination.port();
        !self.is_empty()
            && text(&self.namespaces, &self.not_namespaces, namespace)
            && text(&self.principals, &self.not_principals, principal.as_deref())
            && (self.service_accounts.is_empty() || self.service_accounts.iter().any(account))
            && !self.not_service_accounts.iter().any(account)
            && block(&self.source_ips, &self.not_source_ips, peer.source)
            && block(&self.destination_ips, &self.not_destination_ips, peer.destination.ip())
            && (self.destination_ports.is_empty() || self.destination_ports.contains(&port))
            && !self.not_destination_ports.contains(&port)
    }
}

/// One authorization policy; `rules` are alternatives of clauses of matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Its name.
    pub name: Name,
    /// Its namespace; empty for one that belongs to the mesh.
    pub namespace: Name,
    /// Whom it concerns.
    pub scope: PolicyScope,
    /// What it does.
    pub action: Action,
    /// When.
    pub rules: Vec<Vec<Vec<Match>>>,
    /// Only reports what it would do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

impl Policy {
    /// Returns the resource name, `namespace/name`.
    #[must_use]
    pub fn key(&self) -> Name {
        format!("{}/{}", self.namespace, self.name).into()
    }

    /// Tells whether any rule matches; a policy without rules never does.
    #[must_use]
    pub fn matches(&self, peer: &Peer<'_>) -> bool {
        // An empty clause holds: it states no condition.
        let clause = |matches: &Vec<Match>| matches.is_empty() || matches.iter().any(|m| m.matches(peer));
        self.rules.iter().any(|rule| rule.iter().all(clause))
    }
}

/// What is known of a connection when it is decided.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// The client's proven identity; none for plaintext.
    pub identity: Option<&'a Identity>,
    /// The client's address.
    pub source: IpAddr,
    /// The server's address and port.
    pub destination: SocketAddr,
}

/// The outcome of a decision, with the policy that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// No policy refuses it; the allow policy that let it in, if one was needed.
    Allow(Option<Name>),
    /// This policy refuses it.
    DeniedBy(Name),
    /// Allow policies apply and none allows it.
    NotAllowed,
    /// The workload names this policy, and it is not known: what it would refuse is refused.
    Unknown(Name),
}

impl Decision {
    /// Tells whether the connection may go on.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

impl std::fmt::Display for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Allow(None) => write!(f, "allowed: no policy refuses it"),
            Self::Allow(Some(policy)) => write!(f, "allowed by policy {policy}"),
            Self::DeniedBy(policy) => write!(f, "policy rejection: explicitly denied by {policy}"),
            Self::NotAllowed => write!(f, "policy rejection: allow policies exist, but none allowed it"),
            Self::Unknown(policy) => write!(f, "policy rejection: policy {policy} applies and is not known yet"),
        }
    }
}

/// Returns the policy that refuses a client whose connection comes through a waypoint; none if none does.
///
/// The workload's own proxy sees the waypoint's identity instead of the client's, so a policy that refuses this client would
/// not be heard any more. What allows is decided there, by the waypoint's identity, as is what refuses all but the waypoint.
pub fn refuses_through<'p>(
    policies: impl Iterator<Item = &'p Policy>,
    peer: &Peer<'_>,
    waypoint: &Identity,
) -> Option<&'p Policy> {
    let mut refusing = policies.filter(|policy| policy.action == Action::Deny && !policy.dry_run);
    refusing.find(|policy| {
        let spares = |rule: &Vec<Vec<Match>>| rule.iter().flatten().any(|m| m.spares(waypoint));
        let clause = |matches: &Vec<Match>| matches.is_empty() || matches.iter().any(|m| m.matches(peer));
        policy.rules.iter().any(|rule| !spares(rule) && rule.iter().all(clause))
    })
}

/// Decides over a connection by the policies that apply to its destination: refusals first, then permissions. Policies that are
/// only tried say nothing.
pub fn decide<'p>(policies: impl Iterator<Item = &'p Policy>, peer: &Peer<'_>) -> Decision {
    judge(policies.filter(|p| !p.dry_run), peer)
}

/// Decides as if the policies that are only tried were in force; none if there are none.
pub fn trial<'p, I: Iterator<Item = &'p Policy>>(policies: impl Fn() -> I, peer: &Peer<'_>) -> Option<Decision> {
    // Most often there are none: then nothing is judged.
    policies().any(|p| p.dry_run).then(|| judge(policies(), peer))
}

fn judge<'p>(policies: impl Iterator<Item = &'p Policy>, peer: &Peer<'_>) -> Decision {
    let mut allowed = Decision::Allow(None);
    for policy in policies {
        match policy.action {
            Action::Deny if policy.matches(peer) => return Decision::DeniedBy(policy.key()),
            Action::Deny => {}
            Action::Allow if matches!(allowed, Decision::Allow(Some(_))) => {}
            Action::Allow if policy.matches(peer) => allowed = Decision::Allow(Some(policy.key())),
            Action::Allow => allowed = Decision::NotAllowed,
        }
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, action: Action, rules: Vec<Vec<Vec<Match>>>) -> Policy {
        Policy {
            name: name.into(),
            namespace: "ns".into(),
            scope: PolicyScope::Namespace,
            action,
            rules,
            dry_run: false,
        }
    }

    #[test]
    fn refusals_win_and_permissions_exclude() {
        let alice: Identity = "spiffe://cluster.local/ns/a/sa/alice".parse().expect("valid");
        let peer = |identity| Peer { identity, source: [10, 0, 0, 1].into(), destination: ([10, 0, 0, 2], 80).into() };
        let principal = |m: StringMatch| Match { principals: vec![m], ..Match::default() };
        let strict = policy(
            "strict",
            Action::Deny,
            vec![vec![vec![Match { not_principals: vec![StringMatch::Presence], ..Match::default() }]]],
        );
        let allow_alice = policy(
            "alice",
            Action::Allow,
            vec![vec![vec![principal(StringMatch::Exact("cluster.local/ns/a/sa/alice".into()))]]],
        );
        let nothing = policy("nothing", Action::Allow, vec![]);
        let port =
            policy("port", Action::Deny, vec![vec![vec![Match { destination_ports: vec![80], ..Match::default() }]]]);
        let block = policy(
            "block",
            Action::Deny,
            vec![vec![vec![Match {
                source_ips: vec![Block { address: [10, 0, 0, 0].into(), length: 8 }],
                ..Match::default()
            }]]],
        );
        let empty_match = policy("empty", Action::Deny, vec![vec![vec![Match::default()]]]);
        let dry = Policy { dry_run: true, ..port.clone() };
        let cases: Vec<(Vec<&Policy>, Option<&Identity>, bool)> = vec![
            (vec![], None, true),
            (vec![&strict], None, false),
            (vec![&strict], Some(&alice), true),
            (vec![&allow_alice], Some(&alice), true),
            (vec![&allow_alice], None, false),
            (vec![&nothing], Some(&alice), false),
            (vec![&allow_alice, &port], Some(&alice), false),
            (vec![&block], Some(&alice), false),
            (vec![&empty_match], Some(&alice), true),
            (vec![&dry], Some(&alice), true),
        ];
        let tried = |policies: &[&Policy]| trial(|| policies.iter().copied(), &peer(None)).map(|d| d.is_allowed());
        assert_eq!(tried(&[&strict]), None);
        assert_eq!(tried(&[&allow_alice, &dry]), Some(false));
        assert_eq!(tried(&[&Policy { dry_run: true, ..block.clone() }]), Some(false));
        for (policies, identity, allowed) in cases {
            let names: Vec<_> = policies.iter().map(|p| &p.name).collect();
            assert_eq!(
                decide(policies.iter().copied(), &peer(identity)).is_allowed(),
                allowed,
                "{names:?} {identity:?}"
            );
        }
    }

    #[test]
    fn what_refuses_a_client_does_so_through_a_waypoint_as_well() {
        let id = |text: &str| text.parse::<Identity>().expect("valid");
        let (alice, waypoint) =
            (id("spiffe://cluster.local/ns/a/sa/alice"), id("spiffe://cluster.local/ns/b/sa/waypoint"));
        let peer =
            Peer { identity: Some(&alice), source: [10, 0, 0, 1].into(), destination: ([10, 0, 0, 2], 80).into() };
        let exact = |text: &str| vec![StringMatch::Exact(text.into())];
        let (of_alice, of_waypoint) = ("cluster.local/ns/a/sa/alice", "cluster.local/ns/b/sa/waypoint");
        let account = ServiceAccountMatch { namespace: "b".into(), service_account: "waypoint".into() };
        let rows = [
            ("names the client", Action::Deny, Match { principals: exact(of_alice), ..Match::default() }, true),
            ("names the waypoint", Action::Deny, Match { principals: exact(of_waypoint), ..Match::default() }, false),
            ("outsiders", Action::Deny, Match { not_namespaces: exact("b"), ..Match::default() }, true),
            (
                "all but the waypoint",
                Action::Deny,
                Match { not_principals: exact(of_waypoint), ..Match::default() },
                false,
            ),
            (
                "all but its account",
                Action::Deny,
                Match { not_service_accounts: vec![account], ..Match::default() },
                false,
            ),
            ("strict", Action::Deny, Match { not_principals: vec![StringMatch::Presence], ..Match::default() }, false),
            ("allows others", Action::Allow, Match { principals: exact(of_waypoint), ..Match::default() }, false),
        ];
        for (what, action, m, refused) in rows {
            let policy = policy(what, action, vec![vec![vec![m]]]);
            assert_eq!(refuses_through([&policy].into_iter(), &peer, &waypoint).is_some(), refused, "{what}");
            let dry = Policy { dry_run: true, ..policy };
            assert!(refuses_through([&dry].into_iter(), &peer, &waypoint).is_none(), "{what}");
        }
    }
}
