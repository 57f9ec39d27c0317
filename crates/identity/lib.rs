//! Who is who: the mesh's certificate authority, the certificates of a node's workloads, and the TLS settings made of them.

pub mod ca;
pub mod certificate;
pub mod channel;
pub mod client;
pub mod manager;
pub mod tls;

/// Code generated from `proto/ca.proto`, compared with it by a test in `xds`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod proto {
    include!("gen/istio.v1.auth.rs");
}
