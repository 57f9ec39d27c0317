//! Why a request is refused, told as Kubernetes tells it: a `Status` object.

use serde_json::{Value, json};

use crate::folder::kinds::Key;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The status code of HTTP.
    pub code: u16,
    /// The reason, one of the words of the API.
    pub reason: &'static str,
    /// What is wrong, for people.
    pub message: String,
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into() }
    }

    /// The request makes no sense.
    #[must_use]
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// It is not allowed.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", message)
    }

    /// There is no such object.
    #[must_use]
    pub fn absent(key: &Key) -> Self {
        Self::new(404, "NotFound", format!("{} \"{}\" not found", key.kind.qualified(), key.name))
    }

    /// There is no such path.
    #[must_use]
    pub fn unknown(path: &str) -> Self {
        Self::new(404, "NotFound", format!("the server could not find the requested resource: {path}"))
    }

    /// The path does not know the method.
    #[must_use]
    pub fn method() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    /// The object is there already.
    #[must_use]
    pub fn exists(key: &Key) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{}\" already exists", key.kind.qualified(), key.name))
    }

    /// The object is another than the request supposes.
    #[must_use]
    pub fn conflict(key: &Key, why: &str) -> Self {
        let what = format!("Operation cannot be fulfilled on {} \"{}\": {why}", key.kind.qualified(), key.name);
        Self::new(409, "Conflict", what)
    }

    /// What was asked for is no longer remembered.
    #[must_use]
    pub fn gone(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// The body is too long.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("the body is longer than {limit} bytes"))
    }

    /// The body is of a form that is not understood.
    #[must_use]
    pub fn media_type(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// The object is not valid.
    #[must_use]
    pub fn invalid(kind: &str, name: &str, why: &str) -> Self {
        Self::new(422, "Invalid", format!("{kind} \"{name}\" is invalid: {why}"))
    }

    /// The folder itself fails.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// Somebody else keeps the folder locked.
    #[must_use]
    pub fn busy() -> Self {
        Self::new(503, "ServiceUnavailable", "the state folder is locked by another process: try again")
    }

    /// Returns the `Status` object.
    #[must_use]
    pub fn status(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        })
    }
}
