//! Whole exchanges: what a client writes, what an endpoint hears, and what comes back.

mod bench;
mod custom;
mod external_auth;
mod fuzz;
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod grpc_timeout;
mod http2;
mod messages;
mod policies;
mod rate_limit;
mod rules;
#[allow(clippy::unwrap_used)] // a failed step is the test's result
mod upgrade;
mod windows;
mod wire;
