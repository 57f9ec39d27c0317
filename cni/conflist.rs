//! The chained plugin in a CNI configuration, as an edit of its text: whatever else the file says
//! stays byte for byte, so that taking the plugin out restores the original. Called by `installer`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::NAME;

/// A file that is no CNI configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON, or not of the expected form.
    #[error("not a CNI configuration list")]
    Json(#[from] serde_json::Error),
    /// No plugin to chain to.
    #[error("the configuration names no plugin")]
    Empty,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    plugins: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Plugin {
    #[serde(rename = "type")]
    kind: String,
}

/// Returns the text with `entry` as last plugin, in place of older entries of ours; `None` if it is so already.
pub fn with_entry(text: &str, entry: &str) -> Result<Option<String>, Error> {
    let ours = entries(text)?;
    let last = ours.last().ok_or(Error::Empty)?;
    let others = ours.iter().filter(|e| !e.ours).count();
    if others == 0 {
        return Err(Error::Empty);
    }
    if last.ours && &text[last.start..last.end] == entry && others + 1 == ours.len() {
        return Ok(None);
    }
    let clean = without_entry(text)?.unwrap_or_else(|| text.to_owned());
    let end = entries(&clean)?.last().ok_or(Error::Empty)?.end;
    Ok(Some(format!("{},{entry}{}", &clean[..end], &clean[end..])))
}

/// Returns the text without our entries; `None` if there is none.
pub fn without_entry(text: &str) -> Result<Option<String>, Error> {
    let entries = entries(text)?;
    if !entries.iter().any(|e| e.ours) {
        return Ok(None);
    }
    let mut out = text.to_owned();
    for (i, entry) in entries.iter().enumerate().rev().filter(|(_, e)| e.ours) {
        // With the separator before it, as it was put in; the first has its separator behind.
        let (start, end) = match (i.checked_sub(1), entries.get(i + 1)) {
            (Some(previous), _) => (entries[previous].end, entry.end),
            (None, Some(next)) => (entry.start, next.start),
            (None, None) => (entry.start, entry.end),
        };
        out.replace_range(start..end, "");
    }
    Ok(Some(out))
}

/// Makes a list of a single-plugin configuration (CNI before 0.3), without our entry.
pub fn wrapped(text: &str) -> Result<String, Error> {
    #[derive(Deserialize)]
    struct Single {
        #[serde(rename = "type")]
        _kind: String,
        #[serde(rename = "cniVersion")]
        version: Option<String>,
        name: Option<String>,
    }
    let single: Single = serde_json::from_str(text)?;
    let name = serde_json::to_string(&single.name.as_deref().unwrap_or("k8s-pod-network"))?;
    let version = serde_json::to_string(&single.version.as_deref().unwrap_or("0.3.1"))?;
    let text = text.trim();
    Ok(format!("{{\n\"cniVersion\": {version},\n\"name\": {name},\n\"plugins\": [\n{text}\n]\n}}\n"))
}

struct Entry {
    start: usize,
    end: usize,
    ours: bool,
}

fn entries(text: &str) -> Result<Vec<Entry>, Error> {
    let list: List<'_> = serde_json::from_str(text)?;
    list.plugins
        .iter()
        .map(|raw| {
            let plugin: Plugin = serde_json::from_str(raw.get())?;
            // The raw values borrow from `text`, so their addresses say where they stand.
            let start = raw.get().as_ptr() as usize - text.as_ptr() as usize;
            Ok(Entry { start, end: start + raw.get().len(), ours: plugin.kind == NAME })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = r#"{"type":"ambient-cni","x":1}"#;

    #[test]
    fn put_in_and_taken_out_leaves_every_byte() {
        let files = [
            "{\"plugins\":[{\"type\":\"bridge\"}]}",
            "{\n  \"name\": \"kindnet\",\n  \"plugins\": [\n\t{\n\t\"type\": \"ptp\", \"a\": [1, {\"b\": \"]}\"}]\n\t},\n\t{ \"type\": \"portmap\" }\n  \r\n ]\n}\n\n",
            "{\"plugins\":[ {\"type\":\"bridge\"} ] , \"cniVersion\":\"1.0.0\"}",
        ];
        for file in files {
            let put = with_entry(file, ENTRY).expect("valid").expect("changed");
            let parsed: serde_json::Value = serde_json::from_str(&put).expect("still JSON");
            let plugins = parsed["plugins"].as_array().expect("still a list");
            assert_eq!(plugins.last().expect("not empty")["type"], NAME);
            assert_eq!(with_entry(&put, ENTRY).expect("valid"), None, "idempotent");
            assert_eq!(without_entry(&put).expect("valid").as_deref(), Some(file));
            assert_eq!(without_entry(file).expect("valid"), None);
            // An older entry is replaced, and one that is no longer last moves back.
            let newer = with_entry(&put, r#"{"type":"ambient-cni","x":2}"#).expect("valid");
            assert_eq!(without_entry(&newer.expect("changed")).expect("valid").as_deref(), Some(file));
        }
        let first = r#"{"plugins":[{"type":"ambient-cni"}, {"type":"bridge"}]}"#;
        let moved = with_entry(first, ENTRY).expect("valid").expect("changed");
        assert_eq!(moved, format!(r#"{{"plugins":[{{"type":"bridge"}},{ENTRY}]}}"#));
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        for bad in [
            "",
            "{",
            "[]",
            "{}",
            "{\"plugins\":[]}",
            "{\"plugins\":{}}",
            "{\"plugins\":[1]}",
            "{\"plugins\":[{}]}",
            "{\"type\":\"bridge\"}",
            "{\"plugins\":[{\"type\":\"ambient-cni\"}]}",
        ] {
            assert!(with_entry(bad, ENTRY).is_err(), "{bad}");
        }
        assert!(wrapped("{}").is_err());
        let list = wrapped("{\"type\":\"bridge\",\"name\":\"n\",\"cniVersion\":\"0.2.0\"}\n").expect("valid");
        assert!(with_entry(&list, ENTRY).expect("valid").is_some());
    }
}
