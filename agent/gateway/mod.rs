//! Gateways, as far as they are waypoints: what one says of itself. The mesh binds services and workloads by it, and what runs a
//! waypoint is deployed by it.

pub mod class;
pub mod select;
pub mod status;

use model::workload::{Destination, GatewayAddress, NetworkAddress, ServiceKey};
use serde::Deserialize;
use serde_json::Value;
use source::{
    api::gateway::{AllowedNamespaces, GatewaySpec, Listener},
    labels,
    object::{Custom, Map, ObjectKey},
};

/// The controller that the classes of our waypoints name.
pub const CONTROLLER: &str = "istio.io/mesh-controller";
/// The class of waypoints.
pub const CLASS: &str = "istio-waypoint";
/// The protocol of the listener of a waypoint.
pub const PROTOCOL: &str = "HBONE";
/// The port on which every waypoint listens.
pub const PORT: u16 = 15008;

/// What kind of traffic a waypoint takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// That to services.
    Services,
    /// That to the addresses of workloads.
    Workloads,
    /// Both.
    All,
    /// None.
    Nothing,
}

impl Serves {
    /// Reads the value of the label.
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "service" => Self::Services,
            "workload" => Self::Workloads,
            "all" => Self::All,
            "none" => Self::Nothing,
            _ => return None,
        })
    }

    /// Tells whether traffic to services is taken.
    #[must_use]
    pub fn services(self) -> bool {
        matches!(self, Self::Services | Self::All)
    }

    /// Tells whether traffic to workloads is taken.
    #[must_use]
    pub fn workloads(self) -> bool {
        matches!(self, Self::Workloads | Self::All)
    }
}

/// A gateway that is, or is to be, a waypoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Waypoint {
    /// The gateway's name.
    pub key: ObjectKey,
    /// Whether we see to it; others are taken at their word, which is their status.
    pub ours: bool,
    /// Whether what runs it is to be deployed: it is ours, and names no address of its own.
    pub deployed: bool,
    /// What it takes.
    pub serves: Serves,
    /// Who may use it.
    pub allowed: AllowedNamespaces,
    /// The service in front of what runs it, in the gateway's namespace; none for one that is somewhere else.
    pub service: Option<ObjectKey>,
    /// Where it is; none for one of others that has no address yet.
    pub address: Option<GatewayAddress>,
    /// Its status says that it was ready once.
    pub told_ready: bool,
    /// What is wrong with the gateway, each a sentence; what it serves stays with it all the same.
    pub faults: Vec<Fault>,
}

/// What is wrong with a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The listener, if it is one of them.
    pub listener: Option<String>,
    /// The word for it in the status.
    pub reason: &'static str,
    /// A sentence, with what would be right.
    pub message: String,
    /// Whether the gateway as a whole cannot be obeyed: then what runs it stays as it is.
    pub blocks: bool,
}

impl Fault {
    fn of_gateway(reason: &'static str, message: String) -> Self {
        Self { listener: None, reason, message, blocks: true }
    }
}

/// What is the same for all gateways of the mesh.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The domain of service names.
    pub domain: &'a str,
    /// The network of this cluster.
    pub network: &'a str,
}

/// Tells whether a gateway's class is ours: by its controller, or, before there is such a class, by its name.
#[must_use]
pub fn is_ours(class_name: &str, class: Option<&Custom>) -> bool {
    match class.and_then(|class| class.spec.get("controllerName")).and_then(Value::as_str) {
        Some(controller) => controller == CONTROLLER,
        None => class_name == CLASS,
    }
}

/// Reads a gateway; none if it is no waypoint.
#[must_use]
pub fn read(gateway: &Custom, class: Option<&Custom>, names: Names<'_>) -> Option<Waypoint> {
    let class_name = gateway.spec.get("gatewayClassName").and_then(Value::as_str).unwrap_or_default();
    let ours = is_ours(class_name, class);
    let mut faults = Vec::new();
    let spec = GatewaySpec::deserialize(&gateway.spec).unwrap_or_else(|error| {
        // The API server judges by the definition; this is one that came by another way.
        faults.push(Fault::of_gateway("Invalid", format!("spec: {error}")));
        GatewaySpec { gateway_class_name: class_name.to_owned(), ..GatewaySpec::default() }
    });
    let listener = spec.listeners.iter().find(|l| l.protocol == PROTOCOL);
    if listener.is_none() && !ours {
        return None;
    }
    if ours {
        faults.extend(listeners(&spec));
    }
    let labelled = |map: &Map| map.get(labels::WAYPOINT_FOR).cloned();
    let wanted = labelled(&gateway.labels).or_else(|| labelled(&class?.labels));
    let serves = match wanted {
        None => Serves::Services,
        // To serve more than was meant keeps what was bound in its place; to serve less would let traffic pass by.
        Some(text) => Serves::read(&text).unwrap_or_else(|| {
            let label = labels::WAYPOINT_FOR;
            let message =
                format!("label {label} is {text:?}, and counts as `all`: want service, workload, all or none");
            faults.push(Fault::of_gateway("Invalid", message));
            Serves::All
        }),
    };
    let told = told_addresses(&gateway.status);
    let deployed = ours && spec.addresses.is_empty();
    let (service, address) = if deployed {
        let name = made_name(gateway);
        // A Service is a name of DNS (RFC 1035), where a Gateway may have dots.
        if !is_label(name) || name.starts_with(|c: char| c.is_ascii_digit()) {
            let (annotation, want) = (labels::NAME_OVERRIDE, "letters, digits and '-', at most 63, a letter first");
            let message =
                format!("{name:?} is no name of a Service: give it another by annotation {annotation}: want {want}");
            faults.push(Fault::of_gateway("Invalid", message));
        }
        let service = ObjectKey { namespace: gateway.key.namespace.clone(), name: name.to_owned() };
        let address = host(&service, names);
        (Some(service), Some(address))
    } else {
        let written = spec.addresses.iter().map(|a| (a.r#type.as_deref().unwrap_or("IPAddress"), a.value.as_str()));
        let stated: Vec<(&str, &str)> = if ours { written.collect() } else { told.clone() };
        located(&stated, &gateway.key, names)
    };
    Some(Waypoint {
        key: gateway.key.clone(),
        ours,
        deployed,
        serves,
        allowed: allowed(listener),
        service,
        address,
        told_ready: !told.is_empty(),
        faults,
    })
}

/// Returns the name of what is made for a gateway.
#[must_use]
pub fn made_name(gateway: &Custom) -> &str {
    gateway.annotations.get(labels::NAME_OVERRIDE).unwrap_or(&gateway.key.name)
}

/// Returns the service account that a waypoint's pods run under, in the gateway's namespace.
#[must_use]
pub fn account(gateway: &Custom) -> &str {
    gateway.annotations.get(labels::GATEWAY_ACCOUNT).map_or_else(|| made_name(gateway), String::as_str)
}

/// Tells whether a text is one label of DNS (RFC 1123).
#[must_use]
pub fn is_label(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.starts_with(letter)
        && name.ends_with(letter)
        && name.chars().all(|c| letter(c) || c == '-')
}

/// Judges the listeners of a waypoint of ours: one, on the one port that every waypoint has.
fn listeners(spec: &GatewaySpec) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut tell = |listener: &Listener, reason, message| {
        let blocks = reason == "PortUnavailable";
        faults.push(Fault { listener: Some(listener.name.clone()), reason, message, blocks });
    };
    let mut first = None;
    for listener in &spec.listeners {
        if listener.protocol != PROTOCOL {
            let message = format!("protocol {} is none of a waypoint's: want {PROTOCOL}", listener.protocol);
            tell(listener, "UnsupportedProtocol", message);
        } else if let Some(first) = first {
            let message = format!("listener {first} has protocol {PROTOCOL} as well: want one");
            tell(listener, "ProtocolConflict", message);
        } else {
            first = Some(&listener.name);
            if listener.port != PORT {
                let message = format!("port {} is none of a waypoint's: want {PORT}", listener.port);
                tell(listener, "PortUnavailable", message);
            }
        }
    }
    if first.is_none() {
        let message = format!("there is no listener of protocol {PROTOCOL}: want one on port {PORT}");
        faults.push(Fault::of_gateway("ListenersNotValid", message));
    }
    faults
}

fn allowed(listener: Option<&Listener>) -> AllowedNamespaces {
    listener.and_then(|l| l.allowed_routes.as_ref()).and_then(|a| a.namespaces.clone()).unwrap_or_default()
}

/// Returns the addresses of a status, with their types.
fn told_addresses(status: &Value) -> Vec<(&str, &str)> {
    let all = status.get("addresses").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|a| {
        let kind = a.get("type").and_then(Value::as_str).unwrap_or("IPAddress");
        Some((kind, a.get("value")?.as_str()?))
    })
    .collect()
}

/// Chooses among addresses: a host name before a number, since it survives a new number.
fn located(
    addresses: &[(&str, &str)],
    gateway: &ObjectKey,
    names: Names<'_>,
) -> (Option<ObjectKey>, Option<GatewayAddress>) {
    let named = addresses.iter().find(|(kind, value)| *kind == "Hostname" && !value.is_empty());
    if let Some((_, value)) = named {
        let service = service_named(value, gateway, names);
        let address = match &service {
            Some(service) => host(service, names),
            // Of another domain: taken as it is.
            None => at_host(&gateway.namespace, value),
        };
        return (service.filter(|service| service.namespace == gateway.namespace), Some(address));
    }
    let numbered = addresses.iter().find_map(|(_, value)| value.parse().ok());
    let address = numbered.map(|address| GatewayAddress {
        destination: Destination::Address(NetworkAddress { network: names.network.into(), address }),
        hbone_mtls_port: PORT,
    });
    (None, address)
}

/// Reads `service`, `service.namespace` or the whole host name of a service.
fn service_named(host: &str, gateway: &ObjectKey, names: Names<'_>) -> Option<ObjectKey> {
    let suffix = format!(".svc.{}", names.domain);
    let short = host.strip_suffix(&suffix).or_else(|| host.strip_suffix(".svc")).unwrap_or(host);
    match short.split('.').collect::<Vec<_>>()[..] {
        [name] => Some(ObjectKey { namespace: gateway.namespace.clone(), name: name.to_owned() }),
        [name, namespace] => Some(ObjectKey { namespace: namespace.to_owned(), name: name.to_owned() }),
        _ => None,
    }
}

/// Returns the address of a service as that of a waypoint.
fn host(service: &ObjectKey, names: Names<'_>) -> GatewayAddress {
    at_host(&service.namespace, &format!("{}.{}.svc.{}", service.name, service.namespace, names.domain))
}

fn at_host(namespace: &str, hostname: &str) -> GatewayAddress {
    let key = ServiceKey { namespace: namespace.into(), hostname: hostname.into() };
    GatewayAddress { destination: Destination::Hostname(key), hbone_mtls_port: PORT }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NAMES: Names<'static> = Names { domain: "cluster.local", network: "" };

    fn gateway(spec: Value, status: Value, annotations: &[(&str, &str)], labels: &[(&str, &str)]) -> Custom {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let key = ObjectKey { namespace: "shop".into(), name: "waypoint".into() };
        Custom { key, spec, status, annotations: map(annotations), labels: map(labels), ..Custom::default() }
    }

    fn spec(more: &Value) -> Value {
        let listeners = json!([{"name": "mesh", "port": 15008, "protocol": "HBONE"}]);
        let mut spec = json!({"gatewayClassName": CLASS, "listeners": listeners});
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        spec
    }

    fn class(controller: &str) -> Custom {
        Custom { spec: json!({"controllerName": controller}), ..Custom::default() }
    }

    #[test]
    fn a_waypoint_is_where_its_service_is() {
        let told = json!({"addresses": [{"type": "IPAddress", "value": "10.0.0.1"}]});
        let both =
            json!({"addresses": [{"value": "10.0.0.1"}, {"type": "Hostname", "value": "gw.infra.svc.cluster.local"}]});
        let at = |spec: Value, status: &Value, annotations: &[(&str, &str)], class: Option<&Custom>| {
            let read = read(&gateway(spec, status.clone(), annotations, &[]), class, NAMES)?;
            let place = match read.address.map(|a| a.destination) {
                Some(Destination::Hostname(key)) => key.to_string(),
                Some(Destination::Address(address)) => address.to_string(),
                None => "nowhere".to_owned(),
            };
            Some((read.ours, read.deployed, place, read.told_ready))
        };
        let other = class("example.com/gateway");
        let none = json!(null);
        let ours = "shop/waypoint.shop.svc.cluster.local".to_owned();
        let named = spec(&json!({"addresses": [{"type": "Hostname", "value": "own"}]}));
        let far = spec(&json!({"addresses": [{"type": "Hostname", "value": "own.example.org.tld"}]}));
        assert_eq!(at(spec(&none), &none, &[], None), Some((true, true, ours.clone(), false)));
        assert_eq!(at(spec(&none), &told, &[], Some(&class(CONTROLLER))), Some((true, true, ours, true)));
        assert_eq!(
            at(spec(&none), &none, &[(labels::NAME_OVERRIDE, "other")], None),
            Some((true, true, "shop/other.shop.svc.cluster.local".to_owned(), false))
        );
        assert_eq!(
            at(named, &none, &[], None),
            Some((true, false, "shop/own.shop.svc.cluster.local".to_owned(), false))
        );
        assert_eq!(at(far, &none, &[], None), Some((true, false, "shop/own.example.org.tld".to_owned(), false)));
        assert_eq!(at(spec(&none), &none, &[], Some(&other)), Some((false, false, "nowhere".to_owned(), false)));
        assert_eq!(at(spec(&none), &told, &[], Some(&other)), Some((false, false, "/10.0.0.1".to_owned(), true)));
        assert_eq!(
            at(spec(&none), &both, &[], Some(&other)),
            Some((false, false, "infra/gw.infra.svc.cluster.local".to_owned(), true))
        );
        let http = spec(&json!({"listeners": [{"name": "web", "port": 80, "protocol": "HTTP"}]}));
        assert_eq!(at(http, &told, &[], Some(&other)), None, "an ingress gateway");
    }

    #[test]
    fn what_a_waypoint_serves() {
        let rows = [
            (None, None, Serves::Services, 0),
            (Some("workload"), None, Serves::Workloads, 0),
            (None, Some("all"), Serves::All, 0),
            (Some("none"), Some("all"), Serves::Nothing, 0),
            (Some("services"), None, Serves::All, 1),
            (Some(""), None, Serves::All, 1),
        ];
        for (own, of_class, want, faults) in rows {
            let own: Vec<(&str, &str)> = own.map(|v| (labels::WAYPOINT_FOR, v)).into_iter().collect();
            let mut class = class(CONTROLLER);
            class.labels.extend(of_class.map(|v| (labels::WAYPOINT_FOR.to_owned(), v.to_owned())));
            let read = read(&gateway(spec(&Value::Null), Value::Null, &[], &own), Some(&class), NAMES).expect("ours");
            assert_eq!((read.serves, read.faults.len()), (want, faults), "{own:?} {of_class:?}");
        }
    }

    #[test]
    fn listeners_are_judged() {
        let listener =
            |name: &str, port: u16, protocol: &str| json!({"name": name, "port": port, "protocol": protocol});
        let rows = [
            (json!([listener("mesh", 15008, "HBONE")]), vec![]),
            (json!([listener("mesh", 15009, "HBONE")]), vec![("PortUnavailable", true)]),
            (json!([listener("web", 80, "HTTP")]), vec![("UnsupportedProtocol", false), ("ListenersNotValid", true)]),
            (json!([]), vec![("ListenersNotValid", true)]),
            (
                json!([listener("a", 15008, "HBONE"), listener("b", 15009, "HBONE"), listener("c", 53, "UDP")]),
                vec![("ProtocolConflict", false), ("UnsupportedProtocol", false)],
            ),
            (json!("mesh"), vec![("Invalid", true), ("ListenersNotValid", true)]),
        ];
        for (listeners, want) in rows {
            let gateway = gateway(spec(&json!({"listeners": listeners})), Value::Null, &[], &[]);
            let read = read(&gateway, None, NAMES).expect("ours");
            let told: Vec<_> = read.faults.iter().map(|f| (f.reason, f.blocks)).collect();
            assert_eq!(told, want, "{listeners}");
        }
    }
}
