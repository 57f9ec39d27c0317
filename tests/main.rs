//! Every scenario that needs the whole workspace.

mod layout;
mod reference;
