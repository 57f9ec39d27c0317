//! Tables over the decisions.

use serde_json::json;

use super::*;
use crate::l7::matching::tests::Plain;

fn condition(attribute: Attribute, values: &[&str], not_values: &[&str]) -> Condition {
    let text = |value: &&str| {
        Wanted::Text(match (value.strip_suffix('*'), value.strip_prefix('*')) {
            _ if *value == "*" => TextMatch::Present,
            (Some(prefix), _) => TextMatch::Prefix(prefix.into()),
            (_, Some(suffix)) => TextMatch::Suffix(suffix.into()),
            _ => TextMatch::Exact((*value).into()),
        })
    };
    Condition {
        attribute,
        values: values.iter().map(text).collect(),
        not_values: not_values.iter().map(text).collect(),
    }
}

fn policy(action: Action, rules: Vec<Rule>) -> Authorization {
    Authorization { namespace: "shop".into(), name: "p".into(), targets: vec![], action, rules, dry_run: false }
}

fn when(condition: Condition) -> Rule {
    Rule { when: vec![condition], ..Rule::default() }
}

#[test]
fn refusals_win_permissions_exclude_and_a_lack_lets_nobody_in() {
    let alice: Identity = "spiffe://cluster.local/ns/a/sa/alice".parse().expect("valid");
    let domains: [Name; 2] = ["mesh.example".into(), "cluster.local".into()];
    let claims = json!({"iss": "https://id", "sub": "alice", "aud": ["x", "y"], "scope": ["read", "write"], "name": "an admin", "n": {"g": true}});
    let get = Plain::new("GET", "Shop.example:80", "/api/v1/items");
    let asked = |request| Asked {
        identity: Some(&alice),
        source: [10, 0, 0, 1].into(),
        remote: [203, 0, 113, 9].into(),
        destination: ([10, 0, 0, 2], 80).into(),
        server_name: None,
        request,
        claims: Some(&claims),
        trust_domains: &domains,
    };
    let cases = [
        (condition(Attribute::Method, &["GET"], &[]), true),
        (condition(Attribute::Method, &[], &["GET"]), false),
        (condition(Attribute::Method, &["POST"], &[]), false),
        (condition(Attribute::Host, &["shop.example"], &[]), true),
        (condition(Attribute::Host, &["*.example"], &[]), true),
        (condition(Attribute::Path, &["/api*"], &["/api/v2*"]), true),
        (condition(Attribute::Principal, &["mesh.example/ns/a/sa/alice"], &[]), true),
        (condition(Attribute::Principal, &["other/ns/a/sa/alice"], &[]), false),
        (condition(Attribute::TrustDomain, &["mesh.example"], &[]), true),
        (condition(Attribute::RequestPrincipal, &["https://id/alice"], &[]), true),
        (condition(Attribute::RequestAudience, &["y"], &[]), true),
        (condition(Attribute::Claim(vec!["scope".into()]), &["write"], &[]), true),
        (condition(Attribute::Claim(vec!["name".into()]), &["an admin"], &[]), true),
        (condition(Attribute::Claim(vec!["name".into()]), &["admin"], &[]), false),
        (condition(Attribute::Claim(vec!["n".into(), "g".into()]), &["true"], &[]), true),
        (condition(Attribute::Claim(vec!["no".into()]), &["*"], &[]), false),
        (condition(Attribute::Header("x-absent".into()), &["*"], &[]), false),
        (condition(Attribute::Header("x-absent".into()), &[], &["*"]), true),
    ];
    for (condition, wanted) in cases {
        let allow = policy(Action::Allow, vec![when(condition.clone())]);
        assert_eq!(decide([&allow], &asked(Some(&get))).is_allowed(), wanted, "{condition:?}");
        let deny = policy(Action::Deny, vec![when(condition.clone())]);
        assert_eq!(decide([&deny], &asked(Some(&get))).is_allowed(), !wanted, "{condition:?}");
        if condition.attribute.is_of_request() {
            assert!(!decide([&allow], &asked(None)).is_allowed(), "{condition:?} on a connection");
            assert!(!decide([&deny], &asked(None)).is_allowed(), "{condition:?} on a connection");
        }
    }
    let everything = policy(Action::Allow, vec![Rule::default()]);
    let nothing = policy(Action::Allow, vec![]);
    assert!(decide([&everything, &nothing], &asked(None)).is_allowed());
    assert_eq!(decide([&nothing], &asked(None)), Decision::NotAllowed);
    assert_eq!(decide([], &asked(None)), Decision::Allow(None));
    let tried = Authorization { dry_run: true, ..nothing };
    assert!(decide([&tried], &asked(None)).is_allowed() && !trial([&tried], &asked(None)).is_allowed());
}

#[test]
fn templates_match_segments() {
    let cases = [
        ("/a/{*}", "/a/b", true),
        ("/a/{*}", "/a/", false),
        ("/a/{*}", "/a/b/c", false),
        ("/a/{**}", "/a/b/c", true),
        ("/a/{**}", "/a", true),
        ("/a/{**}/z", "/a/b/c/z", true),
        ("/a/{**}/z", "/a/b/c", false),
        ("/{*}/b/{**}", "/x/b/c/d", true),
    ];
    for (template, path, wanted) in cases {
        assert_eq!(template_matches(template, path), wanted, "{template} {path}");
    }
}

#[test]
fn providers_are_asked_and_notes_are_made_of_what_matches() {
    let get = Plain::new("GET", "a", "/x");
    let asked = |request| Asked {
        identity: None,
        source: [10, 0, 0, 1].into(),
        remote: [10, 0, 0, 1].into(),
        destination: ([10, 0, 0, 2], 80).into(),
        server_name: None,
        request,
        claims: None,
        trust_domains: &[],
    };
    let of = |action: Action, method: &str| policy(action, vec![when(condition(Attribute::Method, &[method], &[]))]);
    let opa = || Action::Custom(Box::new(Custom { provider: "opa".into(), ask: None }));
    // Action, method of the rule, only tried, a request or a connection: is a provider asked, is a note made.
    let rows = [
        (opa(), "GET", false, true, true, false),
        (opa(), "POST", false, true, false, false),
        (opa(), "GET", true, true, false, false),
        (opa(), "GET", false, false, true, false),
        (Action::Audit, "GET", false, true, false, true),
        (Action::Audit, "GET", true, true, false, true),
        (Action::Audit, "POST", false, true, false, false),
        (Action::Audit, "GET", false, false, false, false),
        (Action::Deny, "GET", false, true, false, false),
    ];
    for (action, method, dry_run, is_request, is_asked, is_noted) in rows {
        let policies = [Authorization { dry_run, ..of(action, method) }];
        let asked = asked(is_request.then_some(&get as &dyn Request));
        let provider = custom(&policies, &asked).next().map(|(_, custom)| &*custom.provider);
        assert_eq!(provider, is_asked.then_some("opa"), "{policies:?}");
        assert_eq!(audits(&policies, &asked).count() == 1, is_noted, "{policies:?}");
    }
}
