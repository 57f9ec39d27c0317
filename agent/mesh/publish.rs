//! From the mesh's own data to resources of discovery.

use bytes::Bytes;
use model::{Policy, Service, Workload, workload::NetworkMode};
use prost::Message;
use xds::{
    ADDRESS_TYPE, AUTHORIZATION_TYPE,
    convert::{policy_to_wire, service_to_wire, workload_to_wire},
    proto::workload::{Address, address::Type},
    server::{Audience, Change},
};

/// Publishes a policy.
pub fn policy(policy: &Policy) -> Change {
    let bytes = policy_to_wire(policy).encode_to_vec();
    Change {
        type_url: AUTHORIZATION_TYPE,
        name: policy.key(),
        value: Some(Bytes::from(bytes)),
        aliases: vec![],
        audience: Audience::Everybody,
    }
}

/// Publishes a workload, under its addresses as well if they are its own.
pub fn workload(workload: &Workload) -> Change {
    let bytes = Address { r#type: Some(Type::Workload(workload_to_wire(workload))) }.encode_to_vec();
    let own = workload.network_mode == NetworkMode::Standard;
    let aliases = workload.addresses.iter().filter(|_| own).map(|a| format!("{}/{a}", workload.network)).collect();
    Change {
        type_url: ADDRESS_TYPE,
        name: workload.uid.clone(),
        value: Some(Bytes::from(bytes)),
        aliases,
        audience: Audience::Everybody,
    }
}

/// Publishes a service, under its addresses as well.
pub fn service(service: &Service) -> Change {
    let bytes = Address { r#type: Some(Type::Service(service_to_wire(service))) }.encode_to_vec();
    let aliases = service.vips.iter().map(ToString::to_string).collect();
    Change {
        type_url: ADDRESS_TYPE,
        name: service.key.to_string().into(),
        value: Some(Bytes::from(bytes)),
        aliases,
        audience: Audience::Everybody,
    }
}

/// Takes a resource back.
pub fn remove(type_url: &'static str, name: &str) -> Change {
    Change { type_url, name: name.into(), value: None, aliases: vec![], audience: Audience::Everybody }
}
