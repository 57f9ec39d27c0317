//! Every scenario that needs the whole workspace.

mod exits;
mod layout;
mod reference;
mod sandbox;
