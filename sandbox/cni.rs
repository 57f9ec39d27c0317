//! Calls the chained CNI plugins of a node for a pod, as a container runtime does (CNI specification 1.1.0, section 4).

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

/// The configuration that a node begins with; the mesh chains itself to it.
const LIST: &str = "10-sandbox.conflist";
/// The plugin that stands for what the sandbox does itself: links and addresses.
const OWN: &str = "ambient-sandbox";
/// The longest that a plugin may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node's CNI directories.
#[derive(Clone, Debug)]
pub struct Directories {
    /// Where configurations are.
    pub net: PathBuf,
    /// Where plugins are.
    pub bin: PathBuf,
}

/// A pod that is about to start.
#[derive(Clone, Debug)]
pub struct Attachment<'a> {
    /// The name.
    pub name: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The unique name.
    pub uid: &'a str,
    /// Where its network namespace can be opened.
    pub netns: &'a Path,
    /// Its address.
    pub address: IpAddr,
}

impl Directories {
    /// Makes the directories, with a configuration that the mesh can chain itself to, and this program as the plugin that the
    /// mesh would otherwise copy there.
    ///
    /// # Errors
    /// A directory or file cannot be written.
    pub fn prepare(&self, program: &Path) -> std::io::Result<()> {
        fs::create_dir_all(&self.net)?;
        fs::create_dir_all(&self.bin)?;
        let list = json!({ "cniVersion": "1.0.0", "name": "sandbox", "plugins": [{ "type": OWN }] });
        fs::write(self.net.join(LIST), format!("{list:#}\n"))?;
        std::os::unix::fs::symlink(program, self.bin.join("ambient-cni"))
    }

    /// Tells the chained plugins of a new pod.
    ///
    /// # Errors
    /// What a plugin said.
    pub async fn add(&self, pod: &Attachment<'_>) -> Result<(), String> {
        let path = self.net.join(LIST);
        let text = tokio::fs::read(&path).await.map_err(|e| format!("{}: {e}", path.display()))?;
        let list: Value = serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        let bits = if pod.address.is_ipv4() { 32 } else { 128 };
        let mut result = json!({
            "cniVersion": list["cniVersion"],
            "interfaces": [{ "name": "eth0", "sandbox": pod.netns }],
            "ips": [{ "address": format!("{}/{bits}", pod.address), "interface": 0 }],
        });
        let chained = list["plugins"].as_array().into_iter().flatten().filter(|p| p["type"] != OWN);
        for plugin in chained {
            let mut config = plugin.clone();
            config["cniVersion"] = list["cniVersion"].clone();
            config["name"] = list["name"].clone();
            config["prevResult"] = result;
            result = self.call(plugin["type"].as_str().unwrap_or_default(), &config, pod).await?;
        }
        Ok(())
    }

    async fn call(&self, kind: &str, config: &Value, pod: &Attachment<'_>) -> Result<Value, String> {
        // The name becomes part of a path.
        if kind.is_empty() || kind.contains('/') {
            return Err(format!("{kind:?} names no plugin"));
        }
        let args = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE={};K8S_POD_NAME={};K8S_POD_UID={}",
            pod.namespace, pod.name, pod.uid
        );
        let mut command = Command::new(self.bin.join(kind));
        command
            .env_clear()
            .env("CNI_COMMAND", "ADD")
            .env("CNI_CONTAINERID", pod.uid)
            .env("CNI_NETNS", pod.netns)
            .env("CNI_IFNAME", "eth0")
            .env("CNI_ARGS", args)
            .env("CNI_PATH", &self.bin)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let run = async {
            let mut child = command.spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                stdin.write_all(config.to_string().as_bytes()).await?;
            }
            child.wait_with_output().await
        };
        let output = timeout(PATIENCE, run).await.map_err(|_| format!("plugin {kind} took too long"))?;
        let output = output.map_err(|e| format!("plugin {kind}: {e}"))?;
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if output.status.success() {
            return Ok(answer);
        }
        let told = answer["msg"].as_str().map(str::to_owned);
        Err(told.unwrap_or_else(|| format!("plugin {kind} ended with {}", output.status)))
    }
}
