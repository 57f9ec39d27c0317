//! Answers that are made here.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE},
};
use model::l7::filter::Filter;

use super::{body::Answer, headers, upgrade};
use crate::{telemetry::Record, tokens::Fault};

/// The gRPC status of who cannot be reached now.
const UNAVAILABLE: u32 = 14;
/// The gRPC status of what took too long.
pub const DEADLINE_EXCEEDED: u32 = 4;

/// An answer that is made here instead of by an endpoint.
#[derive(Debug)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The response flag.
    pub flags: &'static str,
    /// Why, for the log; the client is told less.
    pub reason: String,
    /// The body.
    pub body: Bytes,
    /// Further headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The gRPC status, where it is not the one that the HTTP status stands for.
    pub grpc: Option<u32>,
}

impl Refusal {
    /// Makes one.
    #[must_use]
    pub fn new(status: StatusCode, flags: &'static str, body: &'static str, reason: impl Into<String>) -> Self {
        let (reason, body) = (reason.into(), Bytes::from_static(body.as_bytes()));
        Self { status, flags, reason, body, headers: Vec::new(), grpc: None }
    }

    /// Makes one of a request that is none. What follows it on its connection might be its rest, and is not read.
    #[must_use]
    pub fn bad(reason: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "DPE", "bad request\n", reason).closing()
    }

    /// Makes one of a CONNECT with a protocol that nobody goes over to (RFC 9220 3).
    #[must_use]
    pub fn unopened() -> Self {
        let status = StatusCode::NOT_IMPLEMENTED;
        Self::new(status, "-", "not implemented\n", "nobody goes over to the protocol that it asks for")
    }

    /// Takes care that it does not tell its client that the other protocol begins: that is for an endpoint to say.
    #[must_use]
    pub fn not_opening(mut self, is_extended: bool) -> Self {
        if upgrade::opens(self.status, is_extended) {
            self.status = StatusCode::NOT_IMPLEMENTED;
        }
        self
    }

    /// Gives it a body.
    #[must_use]
    pub fn saying(mut self, body: &'static str) -> Self {
        self.body = Bytes::from_static(body.as_bytes());
        self
    }

    /// Ends the connection with it.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.headers.push((CONNECTION, HeaderValue::from_static("close")));
        self
    }

    /// Makes one of a request whose rule leads to nobody: 500, and UNAVAILABLE for gRPC (Gateway API, `backendRefs`).
    #[must_use]
    pub fn without_backend(reason: String) -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { grpc: Some(UNAVAILABLE), ..Self::new(status, "NR", "no valid backend\n", reason) }
    }

    /// Makes one of a request that a policy refuses.
    #[must_use]
    pub fn denied(reason: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, "DENY", "RBAC: access denied\n", reason)
    }

    /// Makes one of a token that is not believed (RFC 6750 3).
    #[must_use]
    pub fn unauthorized(fault: &Fault) -> Self {
        let told = fault.told();
        // A token for somebody else is a good one, as Envoy has it.
        let status = if *fault == Fault::Audience { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
        let mut refusal = Self::new(status, "-", told, fault.to_string());
        let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{told}\"");
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            refusal.headers.push((WWW_AUTHENTICATE, challenge));
        }
        refusal
    }

    /// Changes its headers as rules say.
    #[must_use]
    pub fn changed(mut self, filters: &[Filter]) -> Self {
        let mut all = HeaderMap::from_iter(self.headers.drain(..));
        headers::answer(&mut all, filters);
        self.headers.extend(all.iter().map(|(name, value)| (name.clone(), value.clone())));
        self
    }

    /// Makes the answer; to a gRPC client one that it understands (gRPC over HTTP/2, Responses).
    #[must_use]
    pub fn answer(self, is_grpc: bool, mut record: Record) -> Response<Answer> {
        let grpc = self.grpc.or_else(|| is_grpc.then(|| grpc_status(self.status)));
        record.answered(if is_grpc && grpc.is_some() { StatusCode::OK } else { self.status }, self.flags);
        if !self.reason.is_empty() {
            record.note(&self.reason);
        }
        let mut headers = HeaderMap::new();
        let body = match grpc.filter(|_| is_grpc) {
            Some(status) => {
                record.grpc(status);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                headers.insert("grpc-status", HeaderValue::from(status));
                let message = String::from_utf8_lossy(&self.body).trim().replace(['%', '\n', '\r'], " ");
                if let Ok(message) = HeaderValue::from_str(&message) {
                    headers.insert("grpc-message", message);
                }
                Bytes::new()
            }
            None => {
                if !self.body.is_empty() && !self.headers.iter().any(|(name, _)| *name == CONTENT_TYPE) {
                    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
                }
                self.body
            }
        };
        headers.extend(self.headers);
        let status = if is_grpc && grpc.is_some() { StatusCode::OK } else { self.status };
        let mut answer = Response::new(Answer::own(body, record));
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        answer
    }
}

/// Returns the gRPC status that an HTTP status stands for (gRPC, "HTTP to gRPC Status Code Mapping").
#[must_use]
pub fn grpc_status(status: StatusCode) -> u32 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use model::l7::filter::HeaderChange;

    use super::*;

    #[test]
    fn a_token_that_is_not_believed_is_challenged() {
        let refusal = Refusal::unauthorized(&Fault::Expired);
        assert_eq!((refusal.status, &*refusal.body), (StatusCode::UNAUTHORIZED, &b"Jwt is expired"[..]));
        assert_eq!(Refusal::unauthorized(&Fault::Audience).status, StatusCode::FORBIDDEN);
        let (name, value) = &refusal.headers[0];
        assert_eq!(name, WWW_AUTHENTICATE);
        assert_eq!(value, r#"Bearer error="invalid_token", error_description="Jwt is expired""#);
        for fault in [Fault::NoSuchKey(None), Fault::Malformed("x"), Fault::Issuer("\"\n".to_owned())] {
            assert_eq!(Refusal::unauthorized(&fault).headers.len(), 1, "{fault}");
        }
    }

    #[test]
    fn rules_change_headers_of_own_answers_too() {
        let set = vec![("x-by".into(), "rule".into())];
        let filters = [Filter::ResponseHeaders(HeaderChange { set, ..HeaderChange::default() })];
        let refusal = Refusal::new(StatusCode::IM_A_TEAPOT, "-", "", "").changed(&filters);
        assert_eq!(refusal.headers, [(HeaderName::from_static("x-by"), HeaderValue::from_static("rule"))]);
    }

    #[test]
    fn a_rule_that_leads_to_nobody_is_unavailable_for_grpc() {
        let refusal = Refusal::without_backend(String::new());
        assert_eq!((refusal.status, refusal.grpc), (StatusCode::INTERNAL_SERVER_ERROR, Some(UNAVAILABLE)));
    }

    #[test]
    fn a_bad_request_ends_its_connection() {
        let refusal = Refusal::bad("there is no Host");
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
        assert!(refusal.headers.contains(&(CONNECTION, HeaderValue::from_static("close"))));
        assert!(Refusal::denied(String::new()).headers.is_empty());
    }
}
