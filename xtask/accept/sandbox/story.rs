//! A story that is told step by step, with somebody who does something between the steps.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::lab::{Sandbox, end_of};

/// How long a step may take.
const STEP: Duration = Duration::from_secs(60);

/// A story that waits before each step.
pub struct Story {
    child: Child,
    input: ChildStdin,
    /// What has been told and not yet heard here; the thread ends with the story.
    lines: (Arc<Mutex<Vec<String>>>, thread::JoinHandle<()>),
    errors: thread::JoinHandle<String>,
    told: Vec<String>,
}

/// How a story ended.
pub struct Outcome {
    /// The exit code.
    pub code: i32,
    /// What was written as the error.
    pub error: String,
}

impl Story {
    /// Begins it.
    pub fn begin(sandbox: &Sandbox<'_>) -> Result<Self, String> {
        let mut command = sandbox.command(&["sandbox", "demo", "--pause"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("the story does not begin: {e}"))?;
        let (Some(input), Some(out), Some(mut err)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("the story has no streams".to_owned());
        };
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = told.clone();
        let reader = thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let errors = thread::spawn(move || {
            let mut text = String::new();
            let _ = err.read_to_string(&mut text);
            text
        });
        Ok(Self { child, input, lines: (told, reader), errors, told: Vec::new() })
    }

    /// Lets it go on until it waits before this step, from 2.
    pub fn before(&mut self, step: usize) -> Result<(), String> {
        let waits = |told: &[String]| told.iter().filter(|l| l.contains("(Enter goes on)")).count();
        while waits(&self.told) < step - 1 {
            if waits(&self.told) > 0 && self.told.last().is_some_and(|l| l.contains("(Enter goes on)")) {
                self.enter();
            }
            self.hear()?;
        }
        Ok(())
    }

    /// Lets it go on to its end without a pause.
    pub fn end(mut self, limit: Duration) -> Result<Outcome, String> {
        let _ = self.input.write_all("\n".repeat(20).as_bytes());
        let code = end_of(self.child, limit)?;
        Ok(Outcome { code, error: self.errors.join().unwrap_or_default() })
    }

    fn enter(&mut self) {
        // It may have ended, which the next line tells.
        let _ = self.input.write_all(b"\n");
    }

    fn hear(&mut self) -> Result<(), String> {
        let end = Instant::now() + STEP;
        loop {
            // First whether more can come: what comes last must not be missed.
            let over = self.lines.1.is_finished();
            let mut lines = self.lines.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !lines.is_empty() {
                // One at a time, since callers act on what was told last.
                self.told.push(lines.remove(0));
                return Ok(());
            }
            drop(lines);
            if over || Instant::now() > end {
                let how = if over { "ended" } else { "silent" };
                return Err(format!("{how} after {:?}", self.told.last()));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}
