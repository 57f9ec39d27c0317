//! What policies do to requests.

use model::l7::{
    Resource, Target,
    authorization::{Action, Authorization, Rule},
};

use super::bench::{Bench, key};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn policy(action: Action, dry_run: bool) -> Resource {
    Resource::Authorization(Authorization {
        namespace: "shop".into(),
        name: "p".into(),
        targets: vec![Target::Service(key("web"))],
        action,
        rules: vec![Rule::default()],
        dry_run,
    })
}

#[tokio::test]
async fn what_a_provider_was_to_be_asked_about_does_not_pass_unasked() {
    for (action, dry_run, wanted) in [
        (Action::Custom("opa".into()), false, "403"),
        (Action::Custom("opa".into()), true, "200"),
        (Action::Audit, false, "200"),
        (Action::Deny, false, "403"),
        (Action::Deny, true, "200"),
    ] {
        let bench = Bench::new();
        let _heard = bench.peer("web", [127, 0, 3, 1], OK).await;
        bench.told(policy(action.clone(), dry_run));
        let answer = bench.say("GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {wanted}")), "{action:?} {dry_run}: {answer}");
    }
}
