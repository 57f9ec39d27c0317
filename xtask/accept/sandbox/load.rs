//! Somebody in a pod who asks without a pause, while something happens.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::lab::{Sandbox, end_of};

/// Asks until a file appears; a line for each failure, and the count at the end.
const LOOP: &str = "n=0; while [ ! -e /tmp/stop ]; do n=$((n+1)); ambient sandbox app get \"$0\" >/dev/null 2>/tmp/why$$ \
                    || echo \"failed $(cat /tmp/why$$)\"; done; echo \"asked $n\"";

/// A load that runs.
pub struct Load<'a> {
    sandbox: &'a Sandbox<'a>,
    pod: String,
    loops: Vec<(Child, JoinHandle<Vec<String>>)>,
}

/// What came of it.
pub struct Asked {
    /// How often was asked.
    pub count: u64,
    /// Why there was no answer, one line for each time.
    pub failures: Vec<String>,
}

impl<'a> Load<'a> {
    /// Starts to ask from a pod, with so many loops beside each other.
    pub fn start(sandbox: &'a Sandbox<'a>, pod: &str, url: &str, loops: usize) -> Result<Self, String> {
        sandbox.exec(pod, &["rm", "-f", "/tmp/stop"])?;
        let mut load = Self { sandbox, pod: pod.to_owned(), loops: Vec::new() };
        for _ in 0..loops {
            let mut command = sandbox.command(&["sandbox", "exec", pod, "--", "sh", "-c", LOOP, url]);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = command.spawn().map_err(|e| format!("the load does not start: {e}"))?;
            let out = child.stdout.take().ok_or("the load has no output")?;
            let heard = thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).collect());
            load.loops.push((child, heard));
        }
        Ok(load)
    }

    /// Ends it.
    pub fn stop(mut self) -> Result<Asked, String> {
        self.sandbox.exec(&self.pod, &["touch", "/tmp/stop"])?;
        let mut asked = Asked { count: 0, failures: Vec::new() };
        for (child, heard) in self.loops.drain(..) {
            let ended = end_of(child, Duration::from_secs(20));
            for line in heard.join().unwrap_or_default() {
                match line.split_once(' ') {
                    Some(("asked", count)) => asked.count += count.parse::<u64>().unwrap_or(0),
                    _ => asked.failures.push(line),
                }
            }
            ended?;
        }
        Ok(asked)
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        // What runs in the pod ends with the pod; these are the ways in.
        for (child, _) in &mut self.loops {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Asked {
    /// Says it in a line.
    pub fn told(&self) -> String {
        let first = self.failures.first().map(|f| format!(", the first: {f}")).unwrap_or_default();
        format!("{} of {} failed{first}", self.failures.len(), self.count)
    }
}
