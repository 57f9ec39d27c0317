//! What a node's link carries, captured beside a step.

use std::{
    fs::File,
    io::Read,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::accept::Lab;

/// A capture that runs.
pub struct Capture {
    child: Option<Child>,
    file: PathBuf,
}

/// What was on the wire.
pub struct Wire(Vec<u8>);

impl Capture {
    /// Captures everything on the link of a node.
    pub fn start(lab: &Lab, node: &str) -> Result<Self, String> {
        let node = lab.node(node)?;
        let file = std::env::temp_dir().join(format!("ambient-accept-{}-{}.pcap", std::process::id(), node.name));
        let out = File::create(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", node.netns.display()));
        command.args([
            "tcpdump",
            "--immediate-mode",
            "-U",
            "-n",
            "-s",
            "0",
            "-B",
            "65536",
            "-i",
            "eth0",
            "-w",
            "-",
            "tcp",
        ]);
        let mut child = command.stdout(out).stderr(Stdio::null()).spawn().map_err(|e| format!("no tcpdump: {e}"))?;
        thread::sleep(Duration::from_millis(700));
        // What does not capture must not read as a wire without a byte.
        if let Some(status) = child.try_wait().map_err(|e| format!("tcpdump: {e}"))? {
            return Err(format!("tcpdump ended at once: {status}"));
        }
        Ok(Self { child: Some(child), file })
    }

    /// Ends and returns what was captured.
    pub fn stop(mut self) -> Result<Wire, String> {
        thread::sleep(Duration::from_millis(300));
        self.end();
        let mut bytes = Vec::new();
        File::open(&self.file).and_then(|mut f| f.read_to_end(&mut bytes)).map_err(|e| e.to_string())?;
        Ok(Wire(bytes))
    }

    fn end(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // It may have ended by itself.
        let _ = Command::new("kill").arg("-INT").arg(child.id().to_string()).status();
        let _ = child.wait();
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.end();
        let _ = std::fs::remove_file(&self.file);
    }
}

impl Wire {
    /// Tells whether a text went over the wire in the clear.
    pub fn shows(&self, text: &str) -> bool {
        self.0.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// How many bytes were captured.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the TCP destination ports of all connections that were opened between two addresses (pure SYN), and the
    /// first payload bytes of each stream that a client sent.
    pub fn opened(&self, from: &str, to: &str) -> Vec<u16> {
        let parse = |text: &str| text.parse::<std::net::Ipv4Addr>().map(|a| a.octets()).ok();
        let (Some(from), Some(to)) = (parse(from), parse(to)) else { return Vec::new() };
        let mut ports = Vec::new();
        for packet in self.packets() {
            // Ethernet II, IPv4 without fragments (RFC 791), TCP (RFC 9293).
            let Some(ip) = packet.get(14..).filter(|_| packet.get(12..14) == Some(&[8, 0])) else { continue };
            let header = usize::from(ip.first().map_or(0, |b| b & 15)) * 4;
            let Some(tcp) = ip.get(header..).filter(|t| t.len() >= 20) else { continue };
            let flags = tcp[13] & 0x17;
            if ip.get(12..16) == Some(&from) && ip.get(16..20) == Some(&to) && flags == 2 {
                ports.push(u16::from_be_bytes([tcp[2], tcp[3]]));
            }
        }
        ports
    }

    /// Tells whether client payload on a port begins with a TLS record of a handshake (RFC 8446 5.1).
    pub fn is_tls(&self, port: u16) -> bool {
        self.packets().any(|packet| {
            let Some(ip) = packet.get(14..) else { return false };
            let header = usize::from(ip.first().map_or(0, |b| b & 15)) * 4;
            let Some(tcp) = ip.get(header..).filter(|t| t.len() >= 20) else { return false };
            let payload = tcp.get(usize::from(tcp[12] >> 4) * 4..).unwrap_or_default();
            u16::from_be_bytes([tcp[2], tcp[3]]) == port && payload.starts_with(&[0x16, 3])
        })
    }

    fn packets(&self) -> impl Iterator<Item = &[u8]> {
        // pcap: 24 bytes of head, then 16 bytes and the packet each; written by the machine that reads it.
        let mut at = 24;
        std::iter::from_fn(move || {
            let length = self.0.get(at + 8..at + 12)?;
            let length = u32::from_ne_bytes(length.try_into().ok()?) as usize;
            let packet = self.0.get(at + 16..at + 16 + length)?;
            at += 16 + length;
            Some(packet)
        })
    }
}
