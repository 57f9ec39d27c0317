//! The mesh as plain data: identities, workloads, services, policies and the `World` they form.
//!
//! Everything here is a pure function of data, without I/O, clock or async, so that the agent, the proxies and the command
//! line share one data model and one evaluator.

pub mod identity;
pub mod l7;
pub mod policy;
pub mod service;
pub mod workload;
pub mod world;

pub use identity::Identity;
pub use policy::{Decision, Peer, Policy};
pub use service::Service;
pub use workload::Workload;
pub use world::{NextHop, World};
