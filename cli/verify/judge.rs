//! What evidence is worth: a pure function from findings to verdicts.

use serde::Serialize;

/// What a finding does to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Weight {
    /// A connection that was seen secured.
    Proof,
    /// Agrees, but shows no connection.
    Support,
    /// Says nothing on whether traffic is secured.
    Note,
    /// Shows something in the clear, or something that should not be.
    Disproof,
}

/// One thing that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What it is worth.
    pub weight: Weight,
    /// What it is, for people.
    pub text: String,
}

/// What all findings come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Connections were seen secured, and nothing else was.
    Secured,
    /// Something was seen in the clear.
    NotSecured,
    /// A policy lets no connection open: there is nothing to secure.
    Refused,
    /// Nothing was seen.
    Unknown,
}

impl Verdict {
    /// Returns the word of the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Secured => "yes",
            Self::NotSecured => "no",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the code that the command exits with.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Secured => 0,
            Self::NotSecured => 1,
            Self::Refused | Self::Unknown => 2,
        }
    }
}

/// One source and destination.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Who connects.
    pub source: String,
    /// Where to.
    pub destination: String,
    /// What the evidence comes to.
    pub verdict: Verdict,
    /// The client's identity as the server's side saw it.
    pub client_identity: Option<String>,
    /// The server's identity as the client's side saw it.
    pub server_identity: Option<String>,
    /// Everything that was found.
    pub evidence: Vec<Finding>,
}

impl Row {
    /// Starts a row without evidence.
    pub fn new(source: impl Into<String>, destination: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            destination: destination.into(),
            verdict: Verdict::Unknown,
            client_identity: None,
            server_identity: None,
            evidence: Vec::new(),
        }
    }

    /// Adds a finding.
    pub fn add(&mut self, weight: Weight, text: impl Into<String>) {
        self.evidence.push(Finding { weight, text: text.into() });
    }

    /// Comes to a verdict; `refused` when a policy refused the only attempt.
    pub fn conclude(&mut self, refused: bool) {
        let has = |weight| self.evidence.iter().any(|finding| finding.weight == weight);
        self.verdict = match (has(Weight::Disproof), has(Weight::Proof), refused) {
            (true, _, _) => Verdict::NotSecured,
            (false, true, _) => Verdict::Secured,
            (false, false, true) => Verdict::Refused,
            (false, false, false) => Verdict::Unknown,
        };
    }
}

/// Comes to the verdict on all rows: one in the clear is enough for no; yes needs every row that could have traffic.
pub fn overall(rows: &[Row]) -> Verdict {
    let any = |verdict| rows.iter().any(|row| row.verdict == verdict);
    if any(Verdict::NotSecured) {
        Verdict::NotSecured
    } else if any(Verdict::Unknown) || !any(Verdict::Secured) {
        Verdict::Unknown
    } else {
        Verdict::Secured
    }
}

/// A connection as the two sides list it.
#[derive(Clone, Debug, Default)]
pub struct Seen<'a> {
    /// How it leaves the client's side: HBONE, LOCAL or TCP.
    pub protocol: &'a str,
    /// The identity that the client's side saw of the server.
    pub server_identity: Option<&'a str>,
    /// Protocol version and cipher suite of the client's side.
    pub tls: Option<String>,
    /// Whether the server's side lists it at all.
    pub listed_there: bool,
    /// The identity that the server's side saw of the client.
    pub client_identity: Option<&'a str>,
}

/// Weighs a connection against the identities that the two pods must have.
pub fn connection(seen: &Seen<'_>, client: &str, server: &str) -> (Weight, String) {
    let wrong = |side: &str, found: Option<&str>, wanted: &str| {
        (Weight::Disproof, format!("{side} showed {}, not {wanted}", found.unwrap_or("no identity")))
    };
    match seen.protocol {
        "HBONE" | "LOCAL" if seen.server_identity != Some(server) => wrong("the server", seen.server_identity, server),
        "HBONE" | "LOCAL" if !seen.listed_there => (
            Weight::Note,
            "the client's ztunnel lists it as secured, the server's does not list it: it may just have ended"
                .to_owned(),
        ),
        "HBONE" | "LOCAL" if seen.client_identity != Some(client) => wrong("the client", seen.client_identity, client),
        "HBONE" => {
            let tls = seen.tls.as_deref().unwrap_or("TLS");
            (Weight::Proof, format!("{tls} between both proxies, both identities proven"))
        }
        "LOCAL" => (
            Weight::Proof,
            "joined within the node's ztunnel, both identities known; no byte leaves the node".to_owned(),
        ),
        other => (Weight::Disproof, format!("{other} in the clear")),
    }
}

/// Weighs how a probe in the clear fared against what the policies say to it.
pub fn in_the_clear(allowed: bool, decision: &str, outcome: &str, reason: &str) -> (Weight, String) {
    match (allowed, outcome) {
        (false, "refused" | "failed") => (Weight::Support, format!("plaintext is refused ({decision})")),
        (false, "accepted") => (Weight::Disproof, format!("plaintext is accepted, against the policy ({decision})")),
        (true, "accepted") => {
            (Weight::Note, "plaintext from outside the mesh is accepted too: the mode is PERMISSIVE".to_owned())
        }
        _ => (Weight::Note, format!("in the clear: {outcome} {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "spiffe://cluster.local/ns/a/sa/client";
    const SERVER: &str = "spiffe://cluster.local/ns/a/sa/server";

    #[test]
    fn a_connection_counts_only_with_both_identities_on_both_sides() {
        let good = Seen {
            protocol: "HBONE",
            server_identity: Some(SERVER),
            tls: None,
            listed_there: true,
            client_identity: Some(CLIENT),
        };
        let table = [
            (good.clone(), Weight::Proof),
            (Seen { protocol: "LOCAL", ..good.clone() }, Weight::Proof),
            (Seen { protocol: "TCP", ..good.clone() }, Weight::Disproof),
            (Seen { protocol: "", ..good.clone() }, Weight::Disproof),
            (Seen { server_identity: None, ..good.clone() }, Weight::Disproof),
            (Seen { server_identity: Some(CLIENT), ..good.clone() }, Weight::Disproof),
            (Seen { client_identity: None, ..good.clone() }, Weight::Disproof),
            (Seen { listed_there: false, ..good.clone() }, Weight::Note),
        ];
        for (seen, weight) in table {
            assert_eq!(connection(&seen, CLIENT, SERVER).0, weight, "{seen:?}");
        }
    }

    #[test]
    fn plaintext_disproves_only_where_it_is_accepted_against_the_policy() {
        let table = [
            (false, "refused", Weight::Support),
            (false, "failed", Weight::Support),
            (false, "accepted", Weight::Disproof),
            (true, "accepted", Weight::Note),
            (true, "refused", Weight::Note),
            (false, "notRedirected", Weight::Note),
        ];
        for (allowed, outcome, weight) in table {
            assert_eq!(in_the_clear(allowed, "", outcome, "").0, weight, "{allowed} {outcome}");
        }
    }

    #[test]
    fn verdicts() {
        let row = |weights: &[Weight], refused| {
            let mut row = Row::new("a", "b");
            weights.iter().for_each(|weight| row.add(*weight, ""));
            row.conclude(refused);
            row
        };
        use Weight::{Disproof, Note, Proof, Support};
        let verdict = |weights: &[Weight]| row(weights, false).verdict;
        assert_eq!(verdict(&[]), Verdict::Unknown);
        assert_eq!(verdict(&[Support, Note]), Verdict::Unknown);
        assert_eq!(verdict(&[Support, Proof]), Verdict::Secured);
        assert_eq!(verdict(&[Proof, Disproof]), Verdict::NotSecured);
        assert_eq!(row(&[Note], true).verdict, Verdict::Refused);
        let (yes, no, unknown, refused) =
            (row(&[Proof], false), row(&[Disproof], false), row(&[], false), row(&[], true));
        let table = [
            (vec![], Verdict::Unknown),
            (vec![yes.clone()], Verdict::Secured),
            (vec![yes.clone(), refused.clone()], Verdict::Secured),
            (vec![refused], Verdict::Unknown),
            (vec![yes.clone(), unknown.clone()], Verdict::Unknown),
            (vec![yes, unknown, no], Verdict::NotSecured),
        ];
        for (rows, expected) in table {
            assert_eq!(overall(&rows), expected);
        }
    }
}
