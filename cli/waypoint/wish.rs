//! What a waypoint is to be like, and the Gateway that says so: a function of the arguments and of the Gateway that is there.

use agent::{
    gateway::{self, CLASS, PORT, PROTOCOL},
    sizes,
};
use clap::ValueEnum;
use kube::{
    ResourceExt,
    api::{ApiResource, DynamicObject},
};
use serde_json::{Value, json};
use source::{Kind, labels, object::Map};

use crate::cluster::{apply::FIELD_MANAGER, objects::resource};

/// The revision of the control plane that is to see to a waypoint.
pub const REVISION: &str = "istio.io/rev";
/// The version of the Gateway API that is spoken.
pub const VERSION: &str = "v1";

/// What a waypoint is to be like.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Wish {
    /// Name of the waypoint
    #[arg(long, default_value = "waypoint", value_parser = waypoint_name)]
    pub name: String,
    /// Which traffic it takes: that to services, to the addresses of pods, both or none [default: service]
    #[arg(long = "for", value_enum, value_name = "TRAFFIC")]
    pub traffic: Option<Traffic>,
    /// How many pods run it [default: that of the installation, 2]
    #[arg(long, value_name = "N", value_parser = replicas, conflicts_with = "autoscale")]
    pub replicas: Option<String>,
    /// The least and the most pods, by load, such as 2-6
    #[arg(long, value_name = "MIN-MAX", value_parser = autoscale)]
    pub autoscale: Option<String>,
    /// By which load: processor time in per cent of what is set aside, requests under way in each pod, or both [default: cpu=80]
    #[arg(long, value_name = "LOAD=NUMBER", value_parser = autoscale_on)]
    pub autoscale_on: Option<String>,
    /// The processors that are set aside for a pod, such as 250m
    #[arg(long, value_name = "QUANTITY", value_parser = cpu)]
    pub cpu: Option<String>,
    /// The memory that is set aside for a pod, such as 128Mi
    #[arg(long, value_name = "QUANTITY", value_parser = memory)]
    pub memory: Option<String>,
    /// Class of the Gateway [default: istio-waypoint]
    #[arg(long, value_parser = class_name)]
    pub class: Option<String>,
    /// Label the Gateway for a revision of Istio's control plane; ambient's own sees to all
    #[arg(long, short)]
    pub revision: Option<String>,
}

/// Which traffic a waypoint takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Traffic {
    /// That to services
    Service,
    /// That to the addresses of pods
    Workload,
    /// Both
    All,
    /// None
    None,
}

impl Traffic {
    /// Returns the value of the label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Workload => "workload",
            Self::All => "all",
            Self::None => "none",
        }
    }
}

impl Wish {
    /// Returns the Gateway to apply. What is not asked for stays as the operator asked before: to take a label away because it
    /// was not said again would let traffic pass by a waypoint.
    pub fn gateway(&self, namespace: Option<&str>, live: Option<&DynamicObject>) -> DynamicObject {
        let given = |key: &str, asked: Option<&str>, map: Which| match asked {
            Some(value) => Some(value.to_owned()).filter(|value| !value.is_empty()),
            None => live.and_then(|live| map.of(live).get(key).filter(|_| map.is_ours(live, key)).cloned()),
        };
        let label = |key: &str, asked: Option<&str>| Some((key.to_owned(), given(key, asked, Which::Labels)?));
        let size = |key: &str, asked: Option<&str>| Some((key.to_owned(), given(key, asked, Which::Annotations)?));
        let labels: Map =
            [label(labels::WAYPOINT_FOR, self.traffic.map(Traffic::label)), label(REVISION, self.revision.as_deref())]
                .into_iter()
                .flatten()
                .collect();
        // Of these two, one that is asked for ends the other.
        let instead = |other: &Option<String>| other.as_ref().map(|_| "");
        let annotations: Map = [
            size(sizes::REPLICAS, self.replicas.as_deref().or(instead(&self.autoscale))),
            size(sizes::AUTOSCALE, self.autoscale.as_deref().or(instead(&self.replicas))),
            size(sizes::AUTOSCALE_ON, self.autoscale_on.as_deref().or(instead(&self.replicas))),
            size(sizes::CPU, self.cpu.as_deref()),
            size(sizes::MEMORY, self.memory.as_deref()),
        ]
        .into_iter()
        .flatten()
        .collect();
        let spec = live.map(|live| &live.data["spec"]);
        let class = spec.and_then(|spec| spec["gatewayClassName"].as_str()).unwrap_or(CLASS);
        let class = self.class.as_deref().unwrap_or(class);
        let listeners = spec.and_then(|spec| spec["listeners"].as_array()).into_iter().flatten();
        let listener = listeners.filter(|l| l["protocol"] == PROTOCOL).find_map(|l| l["name"].as_str());
        let listener = json!({ "name": listener.unwrap_or("mesh"), "port": PORT, "protocol": PROTOCOL });
        let mut object = DynamicObject::new(&self.name, &api());
        object.metadata.namespace = namespace.map(str::to_owned);
        object.metadata.labels = Some(labels).filter(|map| !map.is_empty());
        object.metadata.annotations = Some(annotations).filter(|map| !map.is_empty());
        object.data = json!({ "spec": { "gatewayClassName": class, "listeners": [listener] } });
        object
    }
}

/// Labels or annotations.
#[derive(Clone, Copy)]
enum Which {
    Labels,
    Annotations,
}

impl Which {
    fn of(self, object: &DynamicObject) -> &Map {
        match self {
            Self::Labels => object.labels(),
            Self::Annotations => object.annotations(),
        }
    }

    /// Tells whether we applied the value of a key: what others wrote stays theirs. A sandbox tells nobody's fields apart.
    fn is_ours(self, object: &DynamicObject, key: &str) -> bool {
        let map = match self {
            Self::Labels => "f:labels",
            Self::Annotations => "f:annotations",
        };
        let managed = object.managed_fields();
        managed.is_empty()
            || managed.iter().filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER)).any(|entry| {
                let fields = entry.fields_v1.as_ref().map_or(&Value::Null, |fields| &fields.0);
                fields["f:metadata"][map].get(format!("f:{key}")).is_some()
            })
    }
}

/// Returns how the server names Gateways.
pub fn api() -> ApiResource {
    resource(Kind::Gateway.place().group, VERSION, "Gateway")
}

/// Returns how the server names their classes.
pub fn class_api() -> ApiResource {
    resource(Kind::GatewayClass.place().group, VERSION, "GatewayClass")
}

/// Returns how the server names ServiceEntries.
pub fn entry_api() -> ApiResource {
    resource(Kind::ServiceEntry.place().group, "v1", "ServiceEntry")
}

/// Takes what can be the name of a waypoint: what is made for it includes a Service, whose name is one of DNS (RFC 1035).
fn waypoint_name(text: &str) -> Result<String, String> {
    match text {
        "none" => Err("`none` is what says in a label that there is no waypoint: want another name".to_owned()),
        _ if gateway::is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase()) => Ok(text.to_owned()),
        _ => Err("want lower-case letters, digits and `-`, at most 63, a letter first".to_owned()),
    }
}

/// Takes what can be the name of a class (RFC 1123 2.1, with dots).
fn class_name(text: &str) -> Result<String, String> {
    match text.len() <= 253 && text.split('.').all(gateway::is_label) {
        true => Ok(text.to_owned()),
        false => Err("want the name of a GatewayClass, such as istio-waypoint".to_owned()),
    }
}

fn replicas(text: &str) -> Result<String, String> {
    judged(sizes::REPLICAS, text)
}

fn autoscale(text: &str) -> Result<String, String> {
    judged(sizes::AUTOSCALE, text)
}

fn autoscale_on(text: &str) -> Result<String, String> {
    judged(sizes::AUTOSCALE_ON, text)
}

fn cpu(text: &str) -> Result<String, String> {
    judged(sizes::CPU, text)
}

fn memory(text: &str) -> Result<String, String> {
    judged(sizes::MEMORY, text)
}

/// Judges a size as the control plane does.
fn judged(annotation: &str, text: &str) -> Result<String, String> {
    let map = Map::from([(annotation.to_owned(), text.to_owned())]);
    let told = |faults: Vec<String>| {
        let all = faults.iter().map(|fault| fault.rsplit_once(": ").map_or(fault.as_str(), |(_, want)| want));
        all.collect::<Vec<_>>().join("; ")
    };
    sizes::read(&map).map(|_| text.trim().to_owned()).map_err(told)
}

#[cfg(test)]
mod tests;
