//! A story that is told step by step, with somebody who does something between the steps.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use super::lab::{Sandbox, end_of};

/// How long a step may take.
const STEP: Duration = Duration::from_secs(60);

/// A story that waits before each step.
pub struct Story {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
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
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let errors = thread::spawn(move || {
            let mut text = String::new();
            let _ = err.read_to_string(&mut text);
            text
        });
        Ok(Self { child, input, lines, errors, told: Vec::new() })
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

    /// Lets it go on until it says this.
    pub fn until_said(&mut self, words: &str) -> Result<(), String> {
        self.enter();
        while !self.told.last().is_some_and(|line| line.contains(words)) {
            self.hear()?;
        }
        Ok(())
    }

    /// Lets it go on to its end without a pause.
    pub fn end(mut self, limit: Duration) -> Result<Outcome, String> {
        let _ = self.input.write_all(b"\n\n\n\n\n\n\n\n\n");
        let code = end_of(self.child, limit)?;
        Ok(Outcome { code, error: self.errors.join().unwrap_or_default() })
    }

    fn enter(&mut self) {
        // It may have ended, which the next line tells.
        let _ = self.input.write_all(b"\n");
    }

    fn hear(&mut self) -> Result<(), String> {
        match self.lines.recv_timeout(STEP) {
            Ok(line) => self.told.push(line),
            Err(RecvTimeoutError::Timeout) => return Err(format!("silent after {:?}", self.told.last())),
            Err(RecvTimeoutError::Disconnected) => return Err(format!("ended after {:?}", self.told.last())),
        }
        Ok(())
    }
}
