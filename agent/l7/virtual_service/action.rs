//! What a route of a virtual service does with its requests.

use base64::{Engine, prelude::BASE64_STANDARD};
use model::l7::{
    filter::{Abort, Cors, DirectResponse, Fault, PathRewrite, Redirect, RedirectPort, Rewrite, Share},
    route::{Retry, RetryOn},
    text::TextMatch,
};
use source::api::virtual_service::{
    CorsPolicy, Destination, FaultAbort, HttpDirectResponse, HttpFaultInjection, HttpRedirect, HttpRetry, HttpRewrite,
    HttpRoute, Percent, UnmatchedPreflights,
};

use crate::l7::text::{header_name, pattern, text};

type Result<T> = std::result::Result<T, String>;

/// Converts a redirect.
///
/// # Errors
/// Its status or scheme is none of one, or it says one thing twice.
pub fn redirect(written: &HttpRedirect) -> Result<Redirect> {
    let status = written.redirect_code.filter(|code| *code != 0).unwrap_or(301);
    if ![301, 302, 303, 307, 308].contains(&status) {
        return Err(format!("redirect.redirectCode: {status} is no redirect; 301, 302, 303, 307 and 308 are"));
    }
    let given = |text: &Option<String>| text.as_deref().filter(|t| !t.is_empty()).map(Into::into);
    let path = match (given(&written.uri), given(&written.prefix_rewrite)) {
        (Some(_), Some(_)) => return Err("redirect has both uri and prefixRewrite".to_owned()),
        (Some(full), None) => Some(PathRewrite::Full(full)),
        (None, prefix) => prefix.map(PathRewrite::Prefix),
    };
    let port = match (written.port.filter(|p| *p != 0), written.derive_port) {
        (Some(_), Some(_)) => return Err("redirect has both port and derivePort".to_owned()),
        (Some(port), None) => RedirectPort::Number(port),
        (None, Some(source::api::virtual_service::RedirectPort::FromRequestPort)) => RedirectPort::Request,
        (None, Some(source::api::virtual_service::RedirectPort::FromProtocolDefault)) => RedirectPort::Scheme,
        (None, None) => RedirectPort::Implied,
    };
    let scheme = written.scheme.as_deref().filter(|s| !s.is_empty());
    if let Some(other) = scheme.filter(|s| !["http", "https"].contains(s)) {
        return Err(format!("redirect.scheme: {other:?} is neither http nor https"));
    }
    Ok(Redirect { scheme: scheme.map(Into::into), host: given(&written.authority), port, path, status })
}

/// Converts an answer without a backend.
///
/// # Errors
/// It is none of HTTP, or its body no text.
pub fn respond(written: &HttpDirectResponse) -> Result<DirectResponse> {
    if !(200..=599).contains(&written.status) {
        return Err(format!("directResponse.status: {} is no status of an answer", written.status));
    }
    let body = written.body.clone().unwrap_or_default();
    let body = match (body.string, body.bytes) {
        (Some(_), Some(_)) => return Err("directResponse.body has both string and bytes".to_owned()),
        (text, None) => text.unwrap_or_default(),
        (None, Some(bytes)) => {
            let bytes =
                BASE64_STANDARD.decode(bytes).map_err(|_| "directResponse.body.bytes is no base64".to_owned())?;
            String::from_utf8(bytes).map_err(|_| "directResponse.body.bytes: only text can be sent".to_owned())?
        }
    };
    Ok(DirectResponse { status: written.status, body: body.into() })
}

/// Converts a rewrite.
///
/// # Errors
/// It says two things about the path, or its pattern is wrong.
pub fn rewrite(written: &HttpRewrite) -> Result<Rewrite> {
    let given = |text: &Option<String>| text.as_deref().filter(|t| !t.is_empty()).map(Into::into);
    let path = match (given(&written.uri), &written.uri_regex_rewrite) {
        (Some(_), Some(_)) => return Err("rewrite has both uri and uriRegexRewrite".to_owned()),
        (Some(prefix), None) => Some(PathRewrite::Prefix(prefix)),
        (None, Some(regex)) => {
            let found = pattern(&regex.pattern).map_err(|why| format!("rewrite.uriRegexRewrite: {why}"))?;
            Some(PathRewrite::Regex(found, (*regex.rewrite).into()))
        }
        (None, None) => None,
    };
    Ok(Rewrite { authority: given(&written.authority), path })
}

/// Converts repetitions; without any word about them they are Istio's default, with 0 attempts none.
///
/// # Errors
/// A condition is not known.
pub fn retry(written: Option<&HttpRetry>) -> Result<Option<Retry>> {
    let default = Retry::default();
    let Some(written) = written else { return Ok(Some(default)) };
    if written.attempts == 0 {
        return Ok(None);
    }
    let words = written.retry_on.split(',').map(str::trim).filter(|w| !w.is_empty());
    let on: Vec<RetryOn> = words.map(condition).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    Ok(Some(Retry {
        attempts: written.attempts,
        per_try: written.per_try_timeout.map(|t| t.0).filter(|t| !t.is_zero()),
        on: if written.retry_on.trim().is_empty() { default.on } else { on },
        backoff: written.backoff.map(|b| b.0).filter(|b| !b.is_zero()),
        elsewhere: written.retry_remote_localities.unwrap_or_default(),
        same_endpoint: written.retry_ignore_previous_hosts == Some(false),
    }))
}

/// Converts a word of `retryOn`; one that asks for what a request of another says does nothing on its own.
fn condition(word: &str) -> Result<Option<RetryOn>> {
    Ok(Some(match word {
        "5xx" => RetryOn::ServerError,
        "gateway-error" => RetryOn::GatewayError,
        "reset" => RetryOn::Reset,
        "reset-before-request" => RetryOn::ResetBeforeRequest,
        "connect-failure" => RetryOn::ConnectFailure,
        "refused-stream" => RetryOn::RefusedStream,
        "retriable-4xx" => RetryOn::RetriableClientError,
        // The codes stand beside it.
        "retriable-status-codes" | "retriable-headers" | "http3-post-connect-failure" | "envoy-ratelimited" => {
            return Ok(None);
        }
        "cancelled" => RetryOn::Grpc(1),
        "deadline-exceeded" => RetryOn::Grpc(4),
        "resource-exhausted" => RetryOn::Grpc(8),
        "internal" => RetryOn::Grpc(13),
        "unavailable" => RetryOn::Grpc(14),
        code => match code.parse() {
            Ok(status) if (100..=599).contains(&status) => RetryOn::Status(status),
            _ => return Err(format!("retries.retryOn: {code:?} is not known")),
        },
    }))
}

fn share(what: &str, percent: Percent) -> Result<Share> {
    if (0.0..=100.0).contains(&percent.value) {
        Ok(Share::percent(percent.value))
    } else {
        Err(format!("{what}: {} is no percentage", percent.value))
    }
}

/// Converts faults; without a percentage none is made.
///
/// # Errors
/// One of them cannot be made.
pub fn fault(written: &HttpFaultInjection) -> Result<Fault> {
    let mut fault = Fault::default();
    if let Some(delay) = &written.delay {
        let Some(time) = delay.fixed_delay else {
            return Err("fault.delay: fixedDelay has to be there, no other can be made".to_owned());
        };
        let percent = delay.percentage.unwrap_or(Percent { value: delay.percent.unwrap_or_default().into() });
        fault.delay = Some((share("fault.delay", percent)?, time.0));
    }
    if let Some(abort) = &written.abort {
        fault.abort = Some((share("fault.abort", abort.percentage.unwrap_or_default())?, aborted(abort)?));
    }
    Ok(fault)
}

/// The names of the codes of gRPC, in their order.
const GRPC: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

fn aborted(abort: &FaultAbort) -> Result<Abort> {
    match (abort.http_status, &abort.grpc_status, &abort.http2_error) {
        (Some(status), None, None) if (200..=599).contains(&status) => Ok(Abort::Http(status)),
        (Some(status), None, None) => Err(format!("fault.abort.httpStatus: {status} is no status of an answer")),
        (None, Some(name), None) => {
            let code = GRPC.iter().position(|known| known == name).and_then(|at| u32::try_from(at).ok());
            let code = code.or_else(|| name.parse().ok().filter(|code| (*code as usize) < GRPC.len()));
            code.map(Abort::Grpc).ok_or_else(|| format!("fault.abort.grpcStatus: {name:?} is no code of gRPC"))
        }
        _ => Err("fault.abort: one of httpStatus and grpcStatus has to be there".to_owned()),
    }
}

/// Returns who else gets requests, and how many of them; all without a percentage.
///
/// # Errors
/// A share is none.
pub fn mirrors(route: &HttpRoute) -> Result<Vec<(&Destination, Share)>> {
    let old = route.mirror_percent.or(route.mirror_percent_old).map(|value| Percent { value: value.into() });
    let all = Percent { value: 100.0 };
    let first = route.mirror.iter().map(|to| (to, "mirrorPercentage", route.mirror_percentage.or(old).unwrap_or(all)));
    let more = route.mirrors.iter().map(|m| (&m.destination, "mirrors", m.percentage.unwrap_or(all)));
    first.chain(more).map(|(to, what, percent)| Ok((to, share(what, percent)?))).collect()
}

/// Converts a policy of other origins.
///
/// # Errors
/// A pattern or name is wrong.
pub fn cors(written: &CorsPolicy) -> Result<Cors> {
    let wrong = |why| format!("corsPolicy: {why}");
    let any = |origin: TextMatch| if origin == TextMatch::Exact("*".into()) { TextMatch::Present } else { origin };
    let old = written.allow_origin.iter().map(|origin| Ok(any(TextMatch::Exact((**origin).into()))));
    let new = written.allow_origins.iter().map(|origin| text(origin).map(any).map_err(wrong));
    let names = |list: &[String]| -> Result<_> {
        list.iter().map(|name| if name == "*" { Ok("*".into()) } else { header_name(name).map_err(wrong) }).collect()
    };
    Ok(Cors {
        allow_origins: old.chain(new).collect::<Result<_>>()?,
        allow_methods: written.allow_methods.iter().map(|m| (**m).into()).collect(),
        allow_headers: names(&written.allow_headers)?,
        expose_headers: names(&written.expose_headers)?,
        allow_credentials: written.allow_credentials.unwrap_or_default(),
        max_age: written.max_age.map(|age| age.0),
        forward_unmatched: written.unmatched_preflights != UnmatchedPreflights::Ignore,
    })
}
