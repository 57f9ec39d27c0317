//! Every scenario that needs the whole workspace.

mod exits;
mod host;
mod layout;
mod reference;
mod sandbox;
mod waypoint;
