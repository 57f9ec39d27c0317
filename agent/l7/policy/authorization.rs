//! AuthorizationPolicy with targets.
//!
//! What is not understood never widens access: of a permission nothing is permitted then, and a refusal refuses everything at
//! its targets.

use model::{
    l7::authorization::{Action, Attribute, Authorization, Condition, Custom, Rule, Wanted},
    l7::text::TextMatch,
    policy::ServiceAccountMatch,
    workload::Name,
};
use source::{
    api::authorization::{self as written, AuthorizationPolicySpec, Operation, Source},
    object::ObjectKey,
};

use crate::l7::{
    known::Lookup,
    policy::Attachment,
    text::{block, header_name},
};

/// What is wrong with a provider that is asked about tokens: it is asked before they are read, since it may be who gives them (as in
/// Istio, whose validation refuses the same).
const TOKENS: &str =
    "action CUSTOM comes before tokens are read: a rule of it cannot ask for request principals or claims";
/// What is wrong with one that is asked about nothing (Istio refuses it, too).
const NEVER: &str = "action CUSTOM without rules is about nothing: rules: [{}] is about everything";

/// What becomes of a policy.
#[derive(Debug, PartialEq)]
pub struct Converted {
    /// What waypoints enforce; none for a note of what cannot be noted, or without targets.
    pub policy: Option<Authorization>,
    /// What is wrong with it.
    pub faults: Vec<String>,
    /// What comes of that.
    pub effect: &'static str,
}

/// Converts a policy: its specification, as far as it can be read, and all that is wrong with that.
#[must_use]
pub fn convert(
    key: &ObjectKey,
    (spec, mut faults): (Option<&AuthorizationPolicySpec>, Vec<String>),
    attachment: &Attachment,
    dry_run: bool,
    lookup: &Lookup<'_>,
) -> Converted {
    let mut rules = Vec::new();
    for (index, rule) in spec.into_iter().flat_map(|s| &s.rules).enumerate() {
        match self::rule(rule, &key.namespace) {
            Ok(rule) => rules.push(rule),
            Err(why) => faults.push(format!("rules[{index}]: {why}")),
        }
    }
    let mut unasked = None;
    // What cannot be read at all may be a refusal: one of everything is as narrow as any of them.
    let mut action = match spec.map(|s| (s.action, &s.provider)) {
        Some((written::Action::Allow, _)) => Action::Allow,
        Some((written::Action::Deny, _)) | None => Action::Deny,
        Some((written::Action::Audit, _)) => Action::Audit,
        Some((written::Action::Custom, provider)) => match provider.as_ref().filter(|p| !p.name.is_empty()) {
            Some(provider) => {
                faults.extend(spec.is_some_and(|s| s.rules.is_empty()).then(|| NEVER.to_owned()));
                faults.extend(rules.iter().any(of_token).then(|| TOKENS.to_owned()));
                let found = lookup.providers().authorizer(&provider.name);
                let ask = found.and_then(|found| found.ask(lookup).map_err(|why| why.to_string()));
                unasked = ask.as_ref().err().cloned();
                Action::Custom(Box::new(Custom { provider: (*provider.name).into(), ask: ask.ok() }))
            }
            None => {
                faults.push("action CUSTOM wants a provider.name".to_owned());
                Action::Deny
            }
        },
    };
    let everything = || vec![Rule::default()];
    let effect = match (faults.is_empty(), &action) {
        // Its rules are right: what they are not about was never to be asked about, and passes.
        (true, Action::Custom(custom)) if custom.ask.is_none() => "until it is mended, what its rules match is refused",
        (true, _) => "",
        (false, Action::Allow) => {
            rules.clear();
            "until it is mended, it allows nothing"
        }
        (false, Action::Audit) => {
            rules.clear();
            "until it is mended, it notes nothing"
        }
        (false, Action::Deny | Action::Custom(_)) => {
            // A provider is not asked about what it was not meant for.
            action = Action::Deny;
            rules = everything();
            "until it is mended, everything at its targets is refused"
        }
    };
    faults.extend(unasked);
    let policy = Authorization {
        namespace: (*key.namespace).into(),
        name: (*key.name).into(),
        targets: attachment.targets.clone(),
        action,
        rules,
        dry_run,
    };
    Converted { policy: (!attachment.targets.is_empty()).then_some(policy), faults, effect }
}

/// Tells whether a rule asks about tokens.
fn of_token(rule: &Rule) -> bool {
    let all = rule.from.iter().chain(&rule.to).flatten().chain(&rule.when);
    all.map(|condition| &condition.attribute).any(|attribute| {
        use Attribute as A;
        matches!(attribute, A::RequestPrincipal | A::RequestAudience | A::RequestPresenter | A::Claim(_))
    })
}

/// Converts a rule.
///
/// # Errors
/// What is wrong with it.
pub fn rule(rule: &written::Rule, namespace: &str) -> Result<Rule, String> {
    let from = rule.from.iter().map(|from| source(from.source.as_ref().ok_or("from.source is empty")?, namespace));
    let to = rule.to.iter().map(|to| operation(to.operation.as_ref().ok_or("to.operation is empty")?));
    Ok(Rule {
        from: from.collect::<Result<_, String>>()?,
        to: to.collect::<Result<_, String>>()?,
        when: rule.when.iter().map(|when| condition(when, namespace)).collect::<Result<_, _>>()?,
    })
}

type Read = fn(&str, &str) -> Result<Wanted, String>;

/// Makes one condition of what may and what may not be; none of two empty lists.
fn one(
    attribute: Attribute,
    (field, values, not_values): (&str, &[String], &[String]),
    (read, namespace): (Read, &str),
) -> Option<Result<Condition, String>> {
    if values.is_empty() && not_values.is_empty() {
        return None;
    }
    let all = |list: &[String]| -> Result<Vec<Wanted>, String> {
        list.iter().map(|value| read(value, namespace).map_err(|why| format!("{field}: {value:?} {why}"))).collect()
    };
    let made = all(values).and_then(|values| Ok(Condition { attribute, values, not_values: all(not_values)? }));
    Some(made)
}

fn all(
    conditions: impl IntoIterator<Item = Option<Result<Condition, String>>>,
    what: &str,
) -> Result<Vec<Condition>, String> {
    let conditions: Vec<Condition> = conditions.into_iter().flatten().collect::<Result<_, _>>()?;
    // It would mean everybody, or everything, which nobody writes so.
    if conditions.is_empty() { Err(format!("{what} is empty")) } else { Ok(conditions) }
}

fn source(s: &Source, namespace: &str) -> Result<Vec<Condition>, String> {
    use Attribute as A;
    let one = |attribute, field, values: &Vec<String>, not: &Vec<String>, read: Read| {
        self::one(attribute, (field, values, not), (read, namespace))
    };
    all(
        [
            one(A::Principal, "principals", &s.principals, &s.not_principals, principal),
            one(A::RequestPrincipal, "requestPrincipals", &s.request_principals, &s.not_request_principals, text),
            one(A::Namespace, "namespaces", &s.namespaces, &s.not_namespaces, text),
            one(A::ServiceAccount, "serviceAccounts", &s.service_accounts, &s.not_service_accounts, account),
            one(A::TrustDomain, "trustDomains", &s.trust_domains, &s.not_trust_domains, text),
            one(A::SourceIp, "ipBlocks", &s.ip_blocks, &s.not_ip_blocks, address),
            one(A::RemoteIp, "remoteIpBlocks", &s.remote_ip_blocks, &s.not_remote_ip_blocks, address),
        ],
        "from.source",
    )
}

fn operation(o: &Operation) -> Result<Vec<Condition>, String> {
    use Attribute as A;
    let one = |attribute, field, values: &Vec<String>, not: &Vec<String>, read: Read| {
        self::one(attribute, (field, values, not), (read, ""))
    };
    all(
        [
            one(A::Host, "hosts", &o.hosts, &o.not_hosts, text),
            one(A::DestinationPort, "ports", &o.ports, &o.not_ports, port),
            one(A::Method, "methods", &o.methods, &o.not_methods, text),
            one(A::Path, "paths", &o.paths, &o.not_paths, path),
        ],
        "to.operation",
    )
}

fn condition(when: &written::Condition, namespace: &str) -> Result<Condition, String> {
    let (attribute, read) = attribute(&when.key).ok_or_else(|| format!("when: key {:?} is not known", when.key))??;
    let made = one(attribute, (&when.key, &when.values, &when.not_values), (read, namespace));
    made.unwrap_or_else(|| Err(format!("when {}: one of values and notValues has to be there", when.key)))
}

/// Finds an attribute by the name that conditions have for it.
///
/// # Errors
/// There is none.
pub fn named(key: &str) -> Result<Attribute, String> {
    let (attribute, _) = attribute(key).ok_or_else(|| format!("{key:?} is not known"))??;
    Ok(attribute)
}

fn attribute(key: &str) -> Option<Result<(Attribute, Read), String>> {
    let found: (Attribute, Read) = match key {
        "source.ip" => (Attribute::SourceIp, address),
        "remote.ip" => (Attribute::RemoteIp, address),
        "source.namespace" => (Attribute::Namespace, text),
        "source.principal" => (Attribute::Principal, principal),
        "source.serviceAccount" => (Attribute::ServiceAccount, account),
        "source.trustDomain" => (Attribute::TrustDomain, text),
        "request.auth.principal" => (Attribute::RequestPrincipal, text),
        "request.auth.audiences" => (Attribute::RequestAudience, text),
        "request.auth.presenter" => (Attribute::RequestPresenter, text),
        "destination.ip" => (Attribute::DestinationIp, address),
        "destination.port" => (Attribute::DestinationPort, port),
        "connection.sni" => (Attribute::ServerName, text),
        other => {
            if let Some(names) = other.strip_prefix("request.headers") {
                let [name] = bracketed(names)?[..] else { return None };
                // What HTTP/2 writes among the headers (RFC 9113 8.3.1), and policies with it.
                match name {
                    ":method" => return Some(Ok((Attribute::Method, text))),
                    ":authority" => return Some(Ok((Attribute::Host, text))),
                    _ => {}
                }
                return Some(header_name(name).map(|name| (Attribute::Header(name), text as Read)));
            }
            let names = bracketed(other.strip_prefix("request.auth.claims")?)?;
            (Attribute::Claim(names.into_iter().map(Name::from).collect()), text)
        }
    };
    Some(Ok(found))
}

/// Reads `[a][b]`; none for anything else, or for no name at all.
fn bracketed(text: &str) -> Option<Vec<&str>> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let names: Vec<&str> = inner.split("][").collect();
    names.iter().all(|name| !name.is_empty() && !name.contains(['[', ']'])).then_some(names)
}

fn pattern(value: &str) -> TextMatch {
    match (value.strip_prefix('*'), value.strip_suffix('*')) {
        _ if value == "*" => TextMatch::Present,
        (Some(suffix), _) => TextMatch::Suffix(suffix.into()),
        (_, Some(prefix)) => TextMatch::Prefix(prefix.into()),
        _ => TextMatch::Exact(value.into()),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one of several readers")]
fn text(value: &str, _: &str) -> Result<Wanted, String> {
    Ok(Wanted::Text(pattern(value)))
}

#[expect(clippy::unnecessary_wraps, reason = "one of several readers")]
fn principal(value: &str, _: &str) -> Result<Wanted, String> {
    Ok(Wanted::Text(pattern(value.strip_prefix("spiffe://").unwrap_or(value))))
}

fn account(value: &str, namespace: &str) -> Result<Wanted, String> {
    let (namespace, account) = value.split_once('/').unwrap_or((namespace, value));
    if namespace.is_empty() || account.is_empty() || account.contains('/') {
        return Err("is no service account: want NAME or NAMESPACE/NAME".to_owned());
    }
    Ok(Wanted::Account(ServiceAccountMatch { namespace: namespace.into(), service_account: account.into() }))
}

fn address(value: &str, _: &str) -> Result<Wanted, String> {
    block(value).map(Wanted::Block).ok_or_else(|| "is no address block".to_owned())
}

fn port(value: &str, _: &str) -> Result<Wanted, String> {
    let port = value.parse().ok().filter(|port| *port != 0);
    port.map(Wanted::Port).ok_or_else(|| "is no port".to_owned())
}

/// Reads a path: with `{*}` for one segment and `{**}` for any, each a segment of its own, the latter the last of both; else a
/// text with a star at one end.
fn path(value: &str, _: &str) -> Result<Wanted, String> {
    if !value.contains(['{', '}']) {
        return Ok(Wanted::Text(pattern(value)));
    }
    let segments: Vec<&str> = value.split('/').collect();
    let wild = |s: &&str| *s == "{*}" || *s == "{**}";
    let good = segments.iter().all(|s| wild(s) || !s.contains(['{', '}', '*']));
    let rest = segments.iter().position(|s| *s == "{**}").map(|at| &segments[at + 1..]);
    if !good || rest.is_some_and(|rest| rest.iter().any(wild)) {
        return Err("is no template: {*} and {**} are whole segments, and none comes after {**}".to_owned());
    }
    Ok(Wanted::Template(value.into()))
}
