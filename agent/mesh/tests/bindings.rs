//! What layer 7 is told of who uses which waypoint.

use super::*;

fn entry(name: &str, labels: &[(&str, &str)]) -> Change {
    let custom = Custom { key: key("shop", name), labels: map(labels), ..Custom::default() };
    Change::Apply(Object::Custom(Kind::ServiceEntry, custom))
}

/// Says what a subject is bound to: waypoint, canary, and why not.
fn binding(told: &Told, subject: &Subject) -> String {
    let Some(binding) = told.bindings.get(subject) else { return String::new() };
    let name = |key: &Option<ObjectKey>| key.as_ref().map_or("-".to_owned(), |k| format!("{}/{}", k.namespace, k.name));
    let refusal = binding.refusal.as_ref().map_or("", |r| r.reason);
    format!("{} {} {refusal}", name(&binding.waypoint), name(&binding.canary)).trim().to_owned()
}

#[test]
fn a_waypoint_is_told_of_who_will_use_it_before_it_is_ready() {
    let mut told = Told::new();
    let web = Subject::Service(key("shop", "web"));
    let out = Subject::Entry(key("shop", "out"));
    told.namespace("shop", &[(USE, "waypoint")]);
    told.service("shop", "web", &[]);
    told.change(entry("out", &[]));
    let both = |told: &Told, want: &str| {
        assert_eq!((binding(told, &web).as_str(), binding(told, &out).as_str()), (want, want));
    };
    both(&told, "shop/waypoint - WaypointIsNotReady");
    told.gateway("shop", &[]);
    told.deployed("shop", false);
    both(&told, "shop/waypoint - WaypointIsNotReady");
    assert_eq!(told.waypoint("web"), None, "and traffic does not go there yet");
    told.deployed("shop", true);
    both(&told, "shop/waypoint -");
    assert_eq!(told.waypoint("web"), OF_SHOP);

    // One that does not take its traffic is told nothing of it.
    told.gateway("shop", &[(labels::WAYPOINT_FOR, "workload")]);
    both(&told, "- - UnsupportedTrafficType");
    told.gateway("shop", &[]);
    told.namespace("shop", &[(USE, "none")]);
    both(&told, "- -");
    let elsewhere = [(USE, "waypoint"), (labels::USE_WAYPOINT_NAMESPACE, "infra")];
    told.gateway("infra", &[]);
    told.service("shop", "web", &elsewhere);
    told.change(entry("out", &elsewhere));
    both(&told, "- - AttachmentDenied");
    told.change(Change::Delete(Kind::Service, key("shop", "web")));
    told.change(Change::Delete(Kind::ServiceEntry, key("shop", "out")));
    both(&told, "- -");
}

#[test]
fn a_second_waypoint_is_told_the_same_as_the_first() {
    let mut told = Told::new();
    let web = Subject::Service(key("shop", "web"));
    let canary = [(USE, "waypoint"), (labels::USE_CANARY, "waypoint"), (labels::USE_CANARY_NAMESPACE, "infra")];
    let open = json!({"namespaces": {"from": "All"}});
    told.gateway("shop", &[]);
    told.service("shop", "web", &canary);
    told.gateway_with("infra", &[], |g| g.spec["listeners"][0]["allowedRoutes"] = open.clone());
    assert_eq!(binding(&told, &web), "shop/waypoint infra/waypoint WaypointIsNotReady", "before it has a share");
    told.gateway("infra", &[]);
    assert_eq!(binding(&told, &web), "shop/waypoint - WaypointIsNotReady", "it does not allow the namespace");
    told.service("shop", "web", &[(USE, "waypoint"), (labels::USE_CANARY, "waypoint")]);
    assert_eq!(binding(&told, &web), "shop/waypoint - WaypointIsNotReady", "it is the first one");
}

#[test]
fn a_waypoint_is_told_what_it_takes_until_it_is_gone() {
    let mut told = Told::new();
    let served = |told: &Told| told.served.get(&key("shop", "waypoint")).copied().flatten();
    told.gateway("shop", &[]);
    assert_eq!(served(&told), Some(Serves::Services));
    told.gateway("shop", &[(labels::WAYPOINT_FOR, "all")]);
    assert_eq!(served(&told), Some(Serves::All));
    told.gateway_with("shop", &[(labels::WAYPOINT_FOR, "all")], |g| g.deleting = true);
    assert_eq!(served(&told), Some(Serves::All), "its pods are there still");
    told.change(Change::Delete(Kind::Gateway, key("shop", "waypoint")));
    assert_eq!(served(&told), None);
}
