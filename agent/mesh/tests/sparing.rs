//! Waypoints that are left out while they have nothing to do.

use model::l7::GatewayKey;

use super::*;

const AUTO: (&str, &str) = (labels::L7, "auto");

fn web() -> ServiceKey {
    ServiceKey { namespace: "shop".into(), hostname: "web.shop.svc.cluster.local".into() }
}

impl Told {
    fn turn(&mut self, reach: Reach, there: bool) {
        self.turn_word(reach, Word::Anything, there);
    }

    fn turn_word(&mut self, reach: Reach, word: Word, there: bool) {
        let out = self.mesh.turned(vec![((reach, word), there)]);
        self.take(out);
    }
}

#[test]
fn only_who_asks_for_it_is_spared_and_only_while_there_is_nothing_to_do() {
    let mut told = Told::new();
    told.gateway("shop", &[]);
    told.deployed("shop", true);
    told.namespace("shop", &[(USE, "waypoint")]);
    told.service("shop", "web", &[]);
    assert_eq!((told.waypoint("web"), told.sparing.len()), (OF_SHOP, 0), "nobody asks for it");
    told.service("shop", "web", &[AUTO]);
    assert_eq!((told.waypoint("web"), told.sparing.get("shop/web.shop.svc.cluster.local")), (None, Some(&1)));
    let (status, reason, message) = told.condition("Service web", "istio.io/WaypointBound");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "WaypointAccepted"));
    assert!(message.contains("traffic goes direct"), "{message}");

    let gateway = |namespace: &str| GatewayKey { namespace: namespace.into(), name: "waypoint".into() };
    let other = ServiceKey { hostname: "other.shop.svc.cluster.local".into(), ..web() };
    for (reach, want) in [
        (Reach::Service(web()), OF_SHOP),
        (Reach::Service(other), None),
        (Reach::Waypoint(gateway("shop")), OF_SHOP),
        (Reach::Waypoint(gateway("infra")), None),
        (Reach::Namespace("shop".into()), OF_SHOP),
        (Reach::Namespace("infra".into()), None),
        (Reach::Mesh, OF_SHOP),
    ] {
        told.turn(reach.clone(), true);
        assert_eq!(told.waypoint("web"), want, "{reach:?}");
        let direct = told.condition("Service web", "istio.io/WaypointBound").2.contains("goes direct");
        assert_eq!(direct, want.is_none(), "{reach:?}");
        told.turn(reach.clone(), false);
        assert_eq!(told.waypoint("web"), None, "{reach:?}");
        assert_eq!(told.sparing.len(), 1, "its waypoint serves it all the while");
    }
    let guarded = |told: &Told| told.services["shop/web.shop.svc.cluster.local"].guarded;
    told.turn(Reach::Mesh, true);
    assert!(!guarded(&told), "a route lets nobody in or out");
    told.turn_word(Reach::Mesh, Word::Guard, true);
    assert!(guarded(&told));
    told.service("shop", "web", &[(labels::L7, "always")]);
    assert!(!guarded(&told), "nothing went past it");
    told.service("shop", "web", &[AUTO]);
    told.turn_word(Reach::Mesh, Word::Guard, false);
    told.turn(Reach::Mesh, false);
    told.service("shop", "web", &[(labels::L7, "always")]);
    assert_eq!((told.waypoint("web"), told.sparing.len()), (OF_SHOP, 0));
    told.namespace("shop", &[(USE, "waypoint"), AUTO]);
    assert_eq!(told.waypoint("web"), OF_SHOP, "its own label counts");
    told.service("shop", "web", &[]);
    assert_eq!(told.waypoint("web"), None, "then that of the namespace");
    told.change(Change::Delete(Kind::Service, key("shop", "web")));
    assert!(!told.sparing.contains_key("shop/web.shop.svc.cluster.local"));
}

#[test]
fn an_entry_is_spared_too_but_no_wildcard() {
    let mut told = Told::new();
    told.gateway("shop", &[]);
    told.deployed("shop", true);
    let hosts = json!(["a.test", "*.wild.test"]);
    let spec = json!({"hosts": hosts, "resolution": "DYNAMIC_DNS", "ports": [{"number": 80, "name": "http"}]});
    let labels = map(&[(USE, "waypoint"), AUTO]);
    let custom = Custom { key: key("shop", "e"), labels, spec, ..Custom::default() };
    told.change(Change::Apply(Object::Custom(Kind::ServiceEntry, custom)));
    let waypoint = |told: &Told, host: &str| told.services[&format!("shop/{host}")].waypoint.is_some();
    assert_eq!((waypoint(&told, "a.test"), waypoint(&told, "*.wild.test")), (false, true));
    let host = ServiceKey { namespace: "shop".into(), hostname: "a.test".into() };
    told.turn(Reach::Service(host.clone()), true);
    assert!(waypoint(&told, "a.test"));
    told.turn(Reach::Service(host), false);
    assert!(!waypoint(&told, "a.test"));
}
