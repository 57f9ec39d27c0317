//! Layer 7: what the objects of all APIs come to for waypoints, as small keyed resources.
//!
//! The agent tells every object and its changes; what depends on them is converted anew, and only what came out different is
//! told on. Conversions are functions of an object and of what they look up in [`known`], which keeps in mind who asked for what:
//!
//! ```text
//!  objects ──► known ──topics──► units that asked ──convert──► resources, statuses
//!     └──────────── own unit ───────────▲
//! ```

pub mod audience;
mod binding;
mod convert;
pub mod defaults;
pub mod destination;
mod hosts;
mod index;
mod known;
mod labels;
mod object;
pub mod policy;
pub mod providers;
mod registry;
pub mod route;
mod ruled;
pub mod status;
pub mod telemetry;
mod text;
pub mod virtual_service;

pub use self::{
    binding::{Binding, Refusal, Subject, gateway},
    hosts::Audience as Exported,
    index::{Change, L7, Output, Settings},
    object::Sort,
    providers::Providers,
    ruled::{Reach, Ruled, Turned, Word},
};

#[cfg(test)]
mod tests;
