//! What tests and tools stand on, and product code never imports.

pub mod apps;
pub mod cache;
pub mod cluster;
pub mod conformance;
#[cfg(test)]
mod definitions;
pub mod h2spec;
pub mod image;
pub mod metrics;
