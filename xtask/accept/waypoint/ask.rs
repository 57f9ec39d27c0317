//! Requests in one line each, asked many at once from within a pod, and what is wanted of the answers.

use std::{io::Write, process::Stdio, time::Instant};

use serde_json::{Value, json};

use super::scene::{CLIENT, ECHO, Scene};
use crate::accept::Ended;

/// How far a share may be from what is wanted, in parts of a hundred.
const SHARE: f64 = 5.0;
/// A part of the batch that lasts at most that long answers fast, milliseconds.
const FAST: f64 = 150.0;

/// A request in one line: `[@POD] [xTIMES] [h2|grpc] METHOD PATH [to=HOST:PORT] [NAME:VALUE]...`.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The pod it comes from.
    pub pod: String,
    /// What the program in the pod is told.
    pub part: Value,
}

impl Ask {
    /// Reads the line; `host` is asked where it says nothing else.
    pub fn read(line: &str, host: &str) -> Result<Self, String> {
        let mut ask = Self { pod: CLIENT.to_owned(), part: json!({ "to": format!("{host}:80") }) };
        let mut headers = Vec::new();
        for word in line.split_whitespace() {
            match word {
                "h2" => ask.part["http2"] = true.into(),
                "fresh" => ask.part["fresh"] = true.into(),
                "grpc" => {
                    ask.part["http2"] = true.into();
                    ask.part["to"] = format!("{host}:82").into();
                    headers.extend(
                        [["content-type", "application/grpc"], ["te", "trailers"]].map(|h| h.map(str::to_owned)),
                    );
                }
                _ if word.starts_with('@') => ask.pod = word[1..].to_owned(),
                _ if word.starts_with('/') => ask.part["path"] = word.into(),
                _ if word.starts_with('x') && word[1..].parse::<u64>().is_ok() => {
                    ask.part["times"] = word[1..].parse::<u64>().unwrap_or(1).into();
                    ask.part["parallel"] = 4.into();
                }
                _ if word.starts_with("to=") => ask.part["to"] = word[3..].into(),
                _ if word.starts_with("parallel=") => {
                    ask.part["parallel"] = word[9..].parse::<u64>().unwrap_or(1).into()
                }
                _ if word.starts_with("limit=") => ask.part["limit_ms"] = word[6..].parse::<u64>().unwrap_or(1).into(),
                _ if word.starts_with("body=") => ask.part["body"] = word[5..].into(),
                _ if word.bytes().all(|b| b.is_ascii_uppercase()) => ask.part["method"] = word.into(),
                _ => {
                    let (name, value) =
                        word.split_once(':').ok_or_else(|| format!("{word:?} in {line:?} means nothing"))?;
                    headers.push([name.to_owned(), value.replace('_', " ")]);
                }
            }
        }
        ask.part["headers"] = json!(headers);
        Ok(ask)
    }
}

impl Scene<'_> {
    /// Asks from a pod; one result for each part.
    pub fn batch(&self, pod: &str, parts: &[Value]) -> Result<Vec<Value>, String> {
        let ended = self.feed(pod, &["batch"], json!(parts).to_string().as_bytes())?;
        let told = ended.json();
        told["results"].as_array().cloned().ok_or_else(|| format!("the batch says: {}", ended.all()))
    }

    /// Runs the test program in a pod with bytes as its input.
    pub fn feed(&self, pod: &str, arguments: &[&str], input: &[u8]) -> Result<Ended, String> {
        let begun = Instant::now();
        let mut command = self.sandbox.command(&[&["sandbox", "exec", pod, "--", ECHO], arguments].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("{arguments:?} does not start: {e}"))?;
        if let Some(mut pipe) = child.stdin.take() {
            // It may have ended without reading.
            let _ = pipe.write_all(input);
        }
        Ok(Ended::of(&child.wait_with_output().map_err(|e| e.to_string())?, begun.elapsed()))
    }
}

/// Says what is not as wanted. The words:
///
/// `200` the status; `v2` the server; `v2~30`, `503~50`, `slow~50` a share of all, `~>50` at least and `~<50` at most; `path=`, `method=`, `host=`, `version=` as
/// the server had it, `as=` the version of the answer; `req.NAME=VALUE` a header at the server and `res.NAME=VALUE` one of the answer, `-` for none, `has.NAME`
/// that it is there; `grpc=` the
/// gRPC status; `body=TEXT` a part of the body; `body.KEY=`, `body.KEY>=`; `fast`, `ms>=`, `ms<`; `hosts=` how many pods answered;
/// `err=` the kind of a failure.
pub fn fault(result: &Value, wanted: &str) -> Result<(), String> {
    for word in wanted.split_whitespace() {
        if !holds(result, word) {
            return Err(format!("wanted {word}, got {}", told(result)));
        }
    }
    Ok(())
}

/// Returns a number of a result, for rows that tell one.
pub fn number(result: &Value, key: &str) -> u64 {
    result[key].as_u64().unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn holds(result: &Value, word: &str) -> bool {
    let total = result["total"].as_f64().unwrap_or(0.0);
    let all =
        |key: &str, name: &str| result[key][name].as_f64().is_some_and(|n| total > 0.0 && (n - total).abs() < 0.5);
    let body = &result["body"];
    if let Some((what, share)) = word.split_once('~') {
        let count = match what {
            "slow" => &result["slow"],
            _ if what.parse::<u16>().is_ok() => &result["statuses"][what],
            _ => &result["servers"][what],
        };
        let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
        let measured = count.as_f64().unwrap_or(0.0) / total.max(1.0) * 100.0;
        return match share.split_at_checked(1) {
            Some((">", least)) => measured >= number(least),
            Some(("<", most)) => measured <= number(most),
            _ => (measured - number(share)).abs() <= SHARE,
        };
    }
    if let Some((key, least)) = word.split_once(">=") {
        let value = match key.strip_prefix("body.") {
            Some(key) => &body[key],
            None => &result[key],
        };
        return value.as_f64().is_some_and(|v| v >= least.parse().unwrap_or(f64::MAX));
    }
    if let Some(most) = word.strip_prefix("ms<") {
        return result["ms"].as_f64().is_some_and(|v| v < most.parse().unwrap_or(0.0));
    }
    let Some((key, value)) = word.split_once('=') else {
        return match word {
            "fast" => result["slowest_ms"].as_f64().is_some_and(|ms| ms < FAST),
            _ if word.starts_with("has.") => !result["headers"][&word[4..]].is_null(),
            _ if word.parse::<u16>().is_ok() => all("statuses", word),
            _ => all("servers", word),
        };
    };
    let value = &value.replace('_', " ");
    match key {
        "grpc" => all("grpc", value),
        "err" => all("errors", value),
        "as" => text(&result["version"]) == *value,
        "body_bytes" => text(&result[key]) == *value,
        "hosts" => result["hosts"].as_object().is_some_and(|hosts| hosts.len().to_string() == *value),
        "host" => text(&body["headers"]["host"]) == *value || text(&body["authority"]) == *value,
        "path" | "method" | "version" => text(&body[key]) == *value,
        "body" => text(body).contains(value),
        _ => match key.split_once('.') {
            Some(("req", name)) => listed(&text(&body["headers"][name])) == listed(value),
            Some(("res", name)) => listed(&text(&result["headers"][name])) == listed(value),
            Some(("body", name)) => text(&body[name]) == *value,
            _ => false,
        },
    }
}

/// A list means the same with and without blanks (RFC 9110 5.6.1).
fn listed(value: &str) -> String {
    value.replace(", ", ",")
}

fn told(result: &Value) -> String {
    let mut short = json!({});
    for key in ["statuses", "servers", "grpc", "errors", "ms", "slow"] {
        if !matches!(&result[key], Value::Object(map) if map.is_empty()) {
            short[key] = result[key].clone();
        }
    }
    let headers = result["headers"].as_object().into_iter().flatten();
    let headers = headers.filter(|(k, _)| !matches!(k.as_str(), "date" | "content-type" | "content-length"));
    let body = match &result["body"] {
        Value::Object(body) => {
            json!({ "path": body.get("path"), "headers": body.get("headers"), "turn": body.get("turn"), "count": body.get("count") })
        }
        other => other.clone(),
    };
    format!("{short} {} {body}", Value::Object(headers.map(|(k, v)| (k.clone(), v.clone())).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_parts() {
        let ask =
            Ask::read("@shop/other x10 h2 POST /a?b=1 to=c.shop:81 limit=5 x-a:one_two", "web.shop").expect("a line");
        let wanted = json!({
            "to": "c.shop:81", "times": 10, "parallel": 4, "http2": true, "method": "POST", "path": "/a?b=1", "limit_ms": 5,
            "headers": [["x-a", "one two"]],
        });
        assert_eq!((ask.pod.as_str(), ask.part), ("shop/other", wanted));
        assert!(Ask::read("GET nonsense", "web.shop").is_err());
    }

    #[test]
    fn words_are_held_against_results() {
        let result = json!({
            "total": 10, "statuses": {"200": 7, "503": 3}, "servers": {"v1": 7}, "hosts": {"a": 7}, "ms": 20.0, "slow": 0,
            "headers": {"x-a": "1, 2"}, "version": "HTTP/2.0", "body": {"path": "/a", "headers": {"host": "h", "x-b": "3"}, "turn": 2},
        });
        for (words, holds) in [
            ("200~70 503~30 503~>25 503~<35 v1~70 hosts=1 ms>=10 ms<30", true),
            ("path=/a host=h req.x-b=3 req.x-c=- res.x-a=1,_2 res.x-a=1,2 has.x-a body.turn=2 as=HTTP/2.0", true),
            ("200", false),
            ("v1", false),
            ("200~50", false),
            ("503~>35", false),
            ("res.x-a=1", false),
            ("has.x-b", false),
            ("nonsense", false),
            ("fast", false),
        ] {
            assert_eq!(fault(&result, words).is_ok(), holds, "{words}");
        }
    }
}
