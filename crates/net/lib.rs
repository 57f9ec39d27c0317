//! Linux ground of the node roles: network namespaces, sockets inside them, redirect rules over
//! netlink, and the packets that hand a pod from the cni agent to ztunnel. Used by `cni` and `ztunnel`; and what
//! a mesh on one machine needs of Linux besides: interfaces, services, captures, processes. Used by the sandbox.
#![allow(unsafe_code)] // setns, socket options and descriptor passing have no safe interface; this is the one crate that may

pub mod capture;
pub mod conntrack;
mod expressions;
pub mod links;
pub mod memory;
pub mod mounts;
pub mod netlink;
pub mod netns;
pub mod nft;
pub mod process;
pub mod redirect;
pub mod route;
pub mod rules;
pub mod segment;
pub mod services;
pub mod sockets;
pub mod streams;
pub mod threads;
pub mod wire;
pub mod zds;
