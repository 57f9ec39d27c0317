//! Delta discovery both ways: the server of the agent, the client of the proxies, and the resources they exchange.

pub mod client;
pub mod convert;
pub mod server;

/// Code generated from the files in `proto/`, compared with them by a test; the modules mirror the packages.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod proto {
    pub mod istio {
        pub mod workload {
            include!("gen/istio.workload.rs");
        }
        pub mod security {
            include!("gen/istio.security.rs");
        }
    }
    pub mod google {
        pub mod rpc {
            include!("gen/google.rpc.rs");
        }
    }
    pub mod envoy {
        pub mod service {
            pub mod discovery {
                pub mod v3 {
                    include!("gen/envoy.service.discovery.v3.rs");
                }
            }
        }
    }
    pub use envoy::service::discovery::v3 as discovery;
    pub use google::rpc;
    pub use istio::{security, workload};
}

/// The type URL of workloads and services.
pub const ADDRESS_TYPE: &str = "type.googleapis.com/istio.workload.Address";
/// The type URL of L4 policies.
pub const AUTHORIZATION_TYPE: &str = "type.googleapis.com/istio.security.Authorization";
/// The type URL of what waypoints do at layer 7: the value is a `model::l7::Resource` in JSON, the name its key.
pub const L7_TYPE: &str = "type.googleapis.com/ambient.l7.Resource";

/// A `google.protobuf.Any` whose bytes are shared: a resource is encoded once for all clients.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Any {
    /// What the bytes are.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The encoded message.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: bytes::Bytes,
}
