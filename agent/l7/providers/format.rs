//! What the lines of access logs say, as Istio's configuration has it: for providers, and for the mesh.

use std::collections::BTreeMap;

use model::{
    l7::telemetry::{Format, InvalidFormat, Line, Piece},
    workload::Name,
};
use serde_json::{Map, Value};

/// What Envoy's lines say where nobody said anything else (Istio, Default access log format).
pub const TEXT: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% ",
    "%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% ",
    "%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ",
    "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%",
);
/// The same in JSON, by name (Istio, Default access log format).
const JSON: [(&str, &str); 24] = [
    ("authority", "%REQ(:AUTHORITY)%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("duration", "%DURATION%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("route_name", "%ROUTE_NAME%"),
    ("start_time", "%START_TIME%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
    ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
];

/// Reads the text of a line of a file, which ends with a line feed (Istio, MeshConfig); empty is Istio's own.
///
/// # Errors
/// A command that is not known, or one without an end.
pub fn text(text: &str) -> Result<Format, String> {
    let text = if text.is_empty() { TEXT } else { text };
    let end = if text.ends_with('\n') { "" } else { "\n" };
    line(&format!("{text}{end}")).map(Format::Text)
}

/// Reads an object of JSON; an empty text is Istio's own.
///
/// # Errors
/// No object, or a command that is not known.
pub fn json(text: &str) -> Result<Format, String> {
    if text.trim().is_empty() {
        return object(JSON.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect());
    }
    serde_json::from_str(text).map_err(|error| format!("want an object in JSON: {error}")).and_then(object)
}

/// Reads an object whose texts have commands in them.
///
/// # Errors
/// A command that is not known, or one without an end.
pub fn object(fields: Map<String, Value>) -> Result<Format, String> {
    let pieces = fields.into_iter().map(|(name, value)| Ok((name.into(), Piece::try_from(value)?)));
    pieces.collect::<Result<_, _>>().map(Format::Json).map_err(|error: InvalidFormat| error.to_string())
}

/// Reads a text with commands.
///
/// # Errors
/// A command that is not known, or one without an end.
pub fn line(text: &str) -> Result<Line, String> {
    text.parse().map_err(|error: InvalidFormat| error.to_string())
}

/// Reads several by name.
///
/// # Errors
/// As with one.
pub fn lines(labels: &BTreeMap<String, String>) -> Result<BTreeMap<Name, Line>, String> {
    labels.iter().map(|(name, text)| Ok(((**name).into(), line(text)?))).collect()
}
