//! The specifications of custom kinds as types: what the agent reads, and by which a folder judges what is written.

pub mod gateway;
