//! The CNI plugin: what the container runtime executes for each sandbox. It asks the node agent and
//! starts nothing that should be in the mesh and is not. Contract: CNI specification 0.3.1 to 1.1.0.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use net::netns::Netns;
use net::zds::Connection;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::question::{Answer, Question, Record};

const VERSIONS: [&str; 5] = ["0.3.1", "0.4.0", "1.0.0", "1.1.0", "0.3.0"];
/// The kubelet gives a sandbox minutes and tries again; the agent needs milliseconds.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Network configurations are a few kilobytes.
const MAX_CONFIG: u64 = 1 << 20;

/// Our entry in the configuration list, as the installer writes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Always [`crate::config::NAME`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Where the agent listens.
    pub agent_socket: PathBuf,
    /// What was known of the namespaces when the agent was last there.
    pub record: PathBuf,
    /// Namespaces whose pods pass unasked: the mesh itself must be able to start.
    pub exclude_namespaces: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input<'a> {
    #[serde(default)]
    cni_version: Option<String>,
    #[serde(borrow, default)]
    prev_result: Option<&'a RawValue>,
}

/// An error as the specification wants it (section 5, "Error").
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Failure {
    code: u32,
    message: String,
}

/// Error codes of the specification.
const INCOMPATIBLE_VERSION: u32 = 1;
const INVALID_ENVIRONMENT: u32 = 4;
const IO_FAILURE: u32 = 5;
const DECODING_FAILURE: u32 = 6;
const INVALID_CONFIG: u32 = 7;
const TRY_AGAIN_LATER: u32 = 11;
const NOT_AVAILABLE: u32 = 50;

/// Runs the plugin with the process's environment, standard input and output; returns the exit code.
pub fn plugin_main() -> i32 {
    let mut input = String::new();
    let read = std::io::stdin().take(MAX_CONFIG).read_to_string(&mut input);
    let (text, code) = match read {
        Ok(_) => plugin(&|name| std::env::var(name).ok(), &input),
        Err(e) => {
            let e = failure(IO_FAILURE, format!("cannot read the configuration: {e}"));
            (error_text(&input, &e), 1)
        }
    };
    // Nobody is left to tell when standard output is gone.
    let _ = std::io::stdout().write_all(text.as_bytes());
    code
}

/// Runs the plugin with this environment and standard input; returns standard output and exit code.
pub fn plugin(var: &dyn Fn(&str) -> Option<String>, input: &str) -> (String, i32) {
    match execute(var, input) {
        Ok(text) => (text, 0),
        Err(e) => (error_text(input, &e), 1),
    }
}

fn execute(var: &dyn Fn(&str) -> Option<String>, input: &str) -> Result<String, Failure> {
    let required = |name: &str| {
        let value = var(name).filter(|v| !v.is_empty());
        value.ok_or_else(|| failure(INVALID_ENVIRONMENT, format!("{name} is not set")))
    };
    let command = required("CNI_COMMAND")?;
    if command == "VERSION" {
        let version = serde_json::from_str::<Input<'_>>(input).ok().and_then(|i| i.cni_version);
        let answer = serde_json::json!({
            "cniVersion": version.as_deref().unwrap_or("1.1.0"),
            "supportedVersions": VERSIONS,
        });
        return Ok(answer.to_string());
    }
    let parsed: Input<'_> = serde_json::from_str(input)
        .map_err(|e| failure(DECODING_FAILURE, format!("the configuration is not valid: {e}")))?;
    let version = parsed.cni_version.as_deref().unwrap_or("0.3.1");
    if !VERSIONS.contains(&version) {
        let text = format!("CNI version {version} is not supported");
        return Err(failure(INCOMPATIBLE_VERSION, text));
    }
    let entry: Entry =
        serde_json::from_str(input).map_err(|e| failure(INVALID_CONFIG, format!("the plugin's settings: {e}")))?;
    match command.as_str() {
        "ADD" => {
            // A chained plugin hands on what it was given (section 3, "prevResult").
            let result = parsed
                .prev_result
                .map(RawValue::get)
                .ok_or_else(|| failure(INVALID_CONFIG, "prevResult is missing: this is a chained plugin".into()))?;
            let netns = required("CNI_NETNS")?;
            let question = question(&required("CNI_ARGS")?, result)?;
            if let Some(question) = question {
                add(&entry, question, &netns)?;
            }
            Ok(result.to_owned())
        }
        // The rules go with the namespace, and the agent learns of the end from the API server.
        "DEL" | "CHECK" | "GC" => Ok(String::new()),
        "STATUS" => match runtime()?.block_on(Connection::connect(&entry.agent_socket)) {
            Ok(_) => Ok(String::new()),
            Err(e) => Err(failure(NOT_AVAILABLE, format!("the node agent does not answer: {e}"))),
        },
        other => Err(failure(INVALID_ENVIRONMENT, format!("CNI_COMMAND {other} is unknown"))),
    }
}

/// `None` when the caller is not Kubernetes.
fn question(args: &str, result: &str) -> Result<Option<Question>, Failure> {
    #[derive(Deserialize)]
    struct Previous {
        #[serde(default)]
        ips: Vec<Ip>,
    }
    #[derive(Deserialize)]
    struct Ip {
        address: String,
    }
    let arg = |name: &str| args.split(';').find_map(|p| p.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned);
    let (Some(name), Some(namespace)) = (arg("K8S_POD_NAME"), arg("K8S_POD_NAMESPACE")) else {
        return Ok(None);
    };
    let previous: Previous =
        serde_json::from_str(result).map_err(|e| failure(DECODING_FAILURE, format!("prevResult is not valid: {e}")))?;
    let ip = |ip: Ip| ip.address.split('/').next().and_then(|a| a.parse::<IpAddr>().ok());
    let ips = previous.ips.into_iter().filter_map(ip).collect();
    Ok(Some(Question { name, namespace, uid: arg("K8S_POD_UID"), ips }))
}

fn add(entry: &Entry, question: Question, netns: &str) -> Result<(), Failure> {
    if entry.exclude_namespaces.contains(&question.namespace) {
        return Ok(());
    }
    let netns = Netns::open(netns).map_err(|e| failure(IO_FAILURE, runtime::error::chain(&e)))?;
    let asked = runtime()?.block_on(async {
        match tokio::time::timeout(TIMEOUT, ask(entry, &question, &netns)).await {
            Ok(answer) => answer,
            Err(_) => Err("the node agent did not answer in time".to_owned()),
        }
    });
    match asked {
        Ok(Answer::Enrolled | Answer::Plain) => Ok(()),
        Ok(Answer::Refused(why)) => Err(failure(TRY_AGAIN_LATER, why)),
        // The agent is away (upgrade, start of the node). What surely needs no mesh may start; all
        // else waits, since a pod that starts outside would send in the clear.
        Err(_) if record(entry).allows(&question.namespace) => Ok(()),
        Err(why) => Err(failure(TRY_AGAIN_LATER, why)),
    }
}

async fn ask(entry: &Entry, question: &Question, netns: &Netns) -> Result<Answer, String> {
    let text = serde_json::to_vec(question).map_err(|e| runtime::error::chain(&e))?;
    let connection = Connection::connect(&entry.agent_socket)
        .await
        .map_err(|e| format!("the node agent ({}) is not there: {}", crate::config::NAME, runtime::error::chain(&e)))?;
    connection.send(&text, Some(netns.as_fd())).await.map_err(|e| runtime::error::chain(&e))?;
    let packet = connection.recv().await.map_err(|e| runtime::error::chain(&e))?;
    serde_json::from_slice(&packet.bytes).map_err(|e| runtime::error::chain(&e))
}

fn record(entry: &Entry) -> Record {
    let text = std::fs::read(&entry.record).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| failure(IO_FAILURE, format!("cannot start: {e}")))
}

fn error_text(input: &str, error: &Failure) -> String {
    let version = serde_json::from_str::<Input<'_>>(input).ok().and_then(|i| i.cni_version);
    serde_json::json!({
        "cniVersion": version.as_deref().unwrap_or("1.1.0"),
        "code": error.code,
        "msg": format!("{}: {}", crate::config::NAME, error.message),
    })
    .to_string()
}

fn failure(code: u32, message: String) -> Failure {
    Failure { code, message }
}
