//! Programs that the harness runs, files that it writes, and waits: each with an error that says enough to act on.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What goes wrong outside of this program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that is missing or may not run.
    #[error("{command} does not start")]
    Start {
        /// The program and its arguments.
        command: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A program that ends with an error.
    #[error("{command} failed: {status}{stderr}")]
    Failed {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it wrote.
        stderr: String,
    },
    /// Something that does not happen in time.
    #[error("{what} within {seconds} s{log}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// The end of the log that tells why.
        log: String,
    },
    /// A file that cannot be read or written.
    #[error("{path} cannot be {action}")]
    File {
        /// The file.
        path: PathBuf,
        /// Read, written or removed.
        action: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// How much of a log an error shows.
const TAIL: usize = 12;

/// The program of util-linux that sets which signal a process gets when its parent ends.
const TIE: [&str; 4] = ["setpriv", "--pdeathsig", "KILL", "--"];

/// What a quick program may take: it is only reached when something hangs.
pub const QUICK: Duration = Duration::from_secs(60);

/// Returns a command.
pub fn command(program: impl AsRef<Path>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(arguments);
    command
}

/// Returns a command that ends with the thread that starts it: a killed caller leaves no long wait behind.
///
/// Not for what must not be cut off half-way, as the installation of packages.
pub fn tied(program: impl AsRef<Path>, arguments: &[&str]) -> Command {
    let mut command = command(TIE[0], &TIE[1..]);
    command.arg(program.as_ref()).args(arguments);
    command
}

/// Runs a program to its end, and returns what it wrote.
pub fn run(program: impl AsRef<Path>, arguments: &[&str]) -> Result<String, Error> {
    finish(&mut command(program, arguments), &[], QUICK)
}

/// Runs a program to its end with text as its input, and returns what it wrote.
pub fn run_with(program: impl AsRef<Path>, arguments: &[&str], input: &str) -> Result<String, Error> {
    finish(&mut command(program, arguments), input.as_bytes(), QUICK)
}

/// Runs a program to its end, within a limit, and returns what it wrote.
pub fn finish(command: &mut Command, input: &[u8], limit: Duration) -> Result<String, Error> {
    let output = output(command, input, limit)?;
    success(command, output)
}

/// Runs a program to its end with a file as its input, and returns what it wrote.
pub fn finish_from(command: &mut Command, input: File, limit: Duration) -> Result<String, Error> {
    let output = complete(command.stdin(input), &[], limit)?;
    success(command, output)
}

/// Runs a program to its end, within a limit, whatever its status is.
pub fn output(command: &mut Command, input: &[u8], limit: Duration) -> Result<Output, Error> {
    let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    complete(command.stdin(stdin), input, limit)
}

fn success(command: &Command, output: Output) -> Result<String, Error> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    // Some programs, `ctr` among them, put their errors on the standard output.
    let written = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    Err(Error::Failed {
        command: shown(command),
        status: output.status.to_string(),
        stderr: last_lines(&String::from_utf8_lossy(written)),
    })
}

fn complete(command: &mut Command, input: &[u8], limit: Duration) -> Result<Output, Error> {
    let text = shown(command);
    let failed = |source| Error::Start { command: text.clone(), source };
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        // A program may end without reading its input: then the error is in its status, not in this pipe.
        let _writing = scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input)));
        let stdout = scope.spawn(move || collect(stdout));
        let stderr = scope.spawn(move || collect(stderr));
        let ended = wait_until(limit, || child.try_wait().ok().flatten());
        if ended.is_none() {
            // Its pipes end with it, so that the threads do too.
            let _gone = child.kill().and_then(|()| child.wait());
        }
        let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
        let log = || last_lines(&String::from_utf8_lossy(&stderr));
        let status = ended.ok_or_else(|| Error::Late {
            what: format!("{text} did not end"),
            seconds: limit.as_secs(),
            log: log(),
        })?;
        Ok(Output { status, stdout, stderr })
    })
}

/// Waits until a probe has a result; else the error shows the end of a log.
pub fn wait<T>(what: &str, limit: Duration, log: &Path, probe: impl FnMut() -> Option<T>) -> Result<T, Error> {
    wait_until(limit, probe).ok_or_else(|| Error::Late {
        what: format!("no {what}"),
        seconds: limit.as_secs(),
        log: fs::read(log)
            .map(|text| format!("; {} ends with:{}", log.display(), last_lines(&String::from_utf8_lossy(&text))))
            .unwrap_or_default(),
    })
}

/// Waits until a probe has a result, or a limit is over.
pub fn wait_until<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    // Short at first, because most things waited for here take milliseconds.
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(result) = probe() {
            return Some(result);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Says what a slow step does and how long it took.
pub fn progress<T>(what: &str, step: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let start = Instant::now();
    eprintln!("{what} ...");
    let result = step()?;
    eprintln!("{what}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(result)
}

/// Writes a file and the folders above it.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Error> {
    let failed = |source| Error::File { path: path.to_owned(), action: "written", source };
    path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, content)).map_err(failed)
}

/// Makes a folder and those above it.
pub fn folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::File { path: path.to_owned(), action: "made", source })
}

fn collect(pipe: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What came before a read error is still worth showing.
        let _read = pipe.read_to_end(&mut bytes);
    }
    bytes
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let tie = if command.get_program() == TIE[0] { TIE.len() } else { 0 };
    words.skip(tie).map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.iter().skip(lines.len().saturating_sub(TAIL)).map(|line| format!("\n    {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_command_and_what_it_wrote() {
        let error = run("sh", &["-c", "echo first >&2; echo second >&2; exit 3"]).expect_err("status 3");
        let text = error.to_string();
        assert!(
            text.starts_with("sh -c ") && text.contains("exit status: 3") && text.ends_with("\n    first\n    second"),
            "{text}"
        );
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let error = finish(&mut command("sleep", &["600"]), &[], Duration::from_millis(50)).expect_err("too late");
        assert!(matches!(error, Error::Late { .. }), "{error}");
    }

    #[test]
    fn a_tied_program_is_shown_without_its_tie() {
        let text = finish(&mut tied("false", &["one"]), &[], QUICK).expect_err("status 1").to_string();
        assert!(text.starts_with("false one failed: exit status: 1"), "{text}");
    }

    #[test]
    fn input_reaches_the_program() {
        assert_eq!(run_with("cat", &[], "text").expect("cat"), "text");
    }
}
