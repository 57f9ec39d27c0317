//! What every long-running role needs: stopping in order, readiness, small HTTP servers, logging, errors in one line.

pub mod drain;
pub mod error;
pub mod http;
pub mod labels;
pub mod logging;
pub mod operators;
pub mod readiness;
pub mod resolve;
pub mod settings;
pub mod shards;

pub use drain::Drain;
pub use readiness::Readiness;
pub use shards::Shards;
