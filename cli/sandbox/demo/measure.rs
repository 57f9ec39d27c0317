//! What the story looks at: pods, answers, log lines.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{Api, ResourceExt};
use serde_json::Value;

use super::Story;
use crate::{error::Error, sandbox::inside};

/// How long a log line may be on its way.
const LATE: Duration = Duration::from_secs(3);
/// How often it is looked for.
const EVERY: Duration = Duration::from_millis(20);

/// What makes a pod the one that it was: unique name, start, restarts.
pub type Life = (String, String, i32);

impl Story<'_> {
    /// Returns the pods that a name stands for.
    pub async fn pods(&self, name: &str) -> Result<Vec<Pod>, Error> {
        inside::pods(&self.cluster, name, None).await
    }

    /// Returns the address of the first pod of a name.
    pub async fn address(&self, name: &str) -> Result<IpAddr, Error> {
        let pods = self.pods(name).await?;
        let ip = pods.first().and_then(|p| p.status.as_ref()?.pod_ip.as_ref()?.parse().ok());
        ip.ok_or_else(|| self.failed(format!("{name} has no address")))
    }

    /// Returns what tells a pod from one that was started again.
    pub async fn lives(&self, names: &[&str]) -> Result<Vec<Life>, Error> {
        let mut lives = Vec::new();
        for name in names {
            for pod in self.pods(name).await? {
                let status = pod.status.clone().unwrap_or_default();
                let container = status.container_statuses.and_then(|c| c.into_iter().next());
                let started = container.as_ref().and_then(|c| c.state.as_ref()?.running.as_ref()?.started_at.as_ref());
                let started = started.map(|t| t.0.to_string()).unwrap_or_default();
                lives.push((pod.uid().unwrap_or_default(), started, container.map_or(-1, |c| c.restart_count)));
            }
        }
        Ok(lives)
    }

    /// Returns the mesh's root certificate, which every pod may see.
    pub async fn root(&self) -> Result<String, Error> {
        let maps: Api<ConfigMap> = Api::namespaced(self.cluster.client.clone(), "shop");
        let map =
            maps.get("istio-ca-root-cert").await.map_err(|e| self.cluster.failed("read the root certificate", &e))?;
        map.data
            .and_then(|mut d| d.remove("root-cert.pem"))
            .ok_or_else(|| self.failed("the mesh has no root certificate"))
    }

    /// Waits for a line of the node proxies that has all these parts, and is not older than `since`; see [`now`].
    pub async fn logged(&self, parts: &[&str], since: &str) -> Result<String, Error> {
        self.logged_by("ztunnel", &[], parts, since).await
    }

    /// Waits for a line of those who have this name.
    pub async fn logged_by(&self, who: &str, options: &[&str], parts: &[&str], since: &str) -> Result<String, Error> {
        let arguments = [&["sandbox", "logs", who, "--tail", "200"], options].concat();
        let end = Instant::now() + LATE;
        loop {
            let logs = self.quietly(&arguments, None).await?;
            // A line is "POD: TIME ...", and times of one form are in the order of their text.
            let fresh = |line: &str| line.split_once(": ").is_some_and(|(_, rest)| rest >= since);
            let found = logs.out.lines().rev().find(|l| fresh(l) && parts.iter().all(|part| l.contains(part)));
            if let Some(line) = found {
                return Ok(line.to_owned());
            }
            if Instant::now() > end {
                return Err(self.failed(format!("no {who} logged a line with {}", parts.join(", "))));
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Asks from a pod, and returns the answer of the server.
    pub async fn ask(&self, pod: &str, url: &str) -> Result<Result<Value, String>, Error> {
        let output = self.run(&["sandbox", "exec", pod, "--", "ambient", "sandbox", "app", "get", url]).await?;
        Ok(judge(output))
    }

    /// Like [`Self::ask`], without showing the command.
    pub async fn ask_quietly(&self, pod: &str, url: &str) -> Result<Result<Value, String>, Error> {
        self.ask_with(pod, &[], url).await
    }

    /// Like [`Self::ask_quietly`], with options of the client.
    pub async fn ask_with(&self, pod: &str, options: &[&str], url: &str) -> Result<Result<Value, String>, Error> {
        let client = ["sandbox", "exec", pod, "--", "ambient", "sandbox", "app", "get"];
        Ok(judge(self.quietly(&[&client, options, &[url]].concat(), None).await?))
    }
}

/// The time, as log lines begin with it.
pub fn now() -> String {
    let now = time::OffsetDateTime::now_utc();
    let (date, (hour, minute, second, micro)) = (now.date(), now.time().as_hms_micro());
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z")
}

fn judge(output: super::Output) -> Result<Value, String> {
    match output.code {
        0 => serde_json::from_str(&output.out).map_err(|e| format!("the answer is not of this server: {e}")),
        _ => Err(output.err.lines().next().unwrap_or("no answer").trim_start_matches("error: ").to_owned()),
    }
}

/// Returns the value of a field of a log line.
pub fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let Some((_, rest)) = line.split_once(&format!("{name}=")) else { return "" };
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default(),
        None => rest.split(' ').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_log_line() {
        let line = r#"INFO access: connection complete src.addr=10.0.0.1:5 src.identity=spiffe://a/b error="policy rejection: by x""#;
        for (name, value) in [("src.addr", "10.0.0.1:5"), ("error", "policy rejection: by x"), ("none", "")] {
            assert_eq!(field(line, name), value);
        }
    }
}
