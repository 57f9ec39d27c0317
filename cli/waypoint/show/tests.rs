use super::*;
use crate::waypoint::{enrol::Kind, report::Refused};

fn report(name: &str, state: State, refused: &[bool]) -> Report {
    let refused = refused.iter().map(|&pending| Refused {
        kind: Kind::Service,
        name: "shop/web".into(),
        reason: "R".into(),
        message: "m".into(),
        pending,
    });
    let condition = |status: &str| report::Condition {
        kind: "Programmed".into(),
        status: status.into(),
        reason: "R".into(),
        message: "because".into(),
    };
    Report {
        namespace: "shop".into(),
        name: name.into(),
        ours: true,
        class: "istio-waypoint".into(),
        revision: None,
        traffic: "service",
        state,
        deleting: false,
        conditions: match state {
            State::Ready => vec![condition("True")],
            State::NotReady => vec![condition("False")],
            State::Unknown => vec![],
        },
        ready: 1,
        wanted: Some(2),
        pods: Vec::new(),
        namespaces: vec!["shop".into()],
        bound_services: vec!["shop/till".into()],
        bound_service_entries: vec![],
        spared: vec![],
        bound_pods: Vec::new(),
        refused: refused.collect(),
    }
}

#[test]
fn the_exit_code_says_what_is_so() {
    let (ready, unknown, not) = (State::Ready, State::Unknown, State::NotReady);
    let rows = [
        (vec![], true, 2),
        (vec![], false, 1),
        (vec![report("a", ready, &[])], true, 0),
        (vec![report("a", ready, &[])], false, 1),
        (vec![report("a", ready, &[true])], true, 2),
        (vec![report("a", ready, &[true, false])], true, 1),
        (vec![report("a", unknown, &[])], true, 2),
        (vec![report("a", unknown, &[]), report("b", not, &[])], true, 1),
    ];
    for (reports, all_there, wanted) in rows {
        assert_eq!(code(&reports, all_there), wanted, "{reports:?} {all_there}");
    }
}

#[test]
fn lists_have_istioctls_columns_first() {
    let mut second = report("waypoint", State::Unknown, &[true, false]);
    second.revision = Some("canary".into());
    second.wanted = None;
    let reports = [report("gate", State::Ready, &[]), second];
    let wanted = "\
NAMESPACE     NAME         REVISION     TRAFFIC TYPE     PROGRAMMED     READY     SERVICES     PODS     REFUSED
shop          gate         -            service          True           1/2       1            0        0
shop          waypoint     canary       service          Unknown        1         1            0        1
";
    assert_eq!(table(&reports, true).to_string(), wanted);
    assert!(table(&reports, false).to_string().starts_with("NAME         REVISION"));
    let wanted = "\
NAME         STATUS      TYPE           REASON      MESSAGE
gate         True        Programmed     R           because
waypoint     Unknown     Programmed     Unknown     the control plane has said nothing yet
";
    assert_eq!(conditions(&reports, false).to_string(), wanted);
}

#[test]
fn a_line_says_what_is_taken_and_who_is_behind() {
    let mut lonely = report("a", State::Ready, &[]);
    lonely.namespaces.clear();
    lonely.bound_services.clear();
    let rows = [
        (
            report("a", State::NotReady, &[]),
            "shop/a: not ready, 1/2 pods ready, takes traffic to services; behind it: 1 services, 0 pods",
        ),
        (
            lonely,
            "shop/a: ready, 1/2 pods ready, takes traffic to services; behind it: 0 services, 0 pods; nothing names it",
        ),
    ];
    for (report, wanted) in rows {
        assert_eq!(summary(&report), wanted);
    }
}
