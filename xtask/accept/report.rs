//! The rows of an acceptance: requirement, measured, required, ok.

use std::time::Instant;

/// One requirement and what was measured.
struct Row {
    requirement: String,
    measured: String,
    required: String,
    ok: bool,
}

/// All rows so far; each is printed as it comes.
pub struct Report {
    rows: Vec<Row>,
    section: String,
    begun: Instant,
    /// Whether speed and memory count.
    timed: bool,
}

impl Report {
    /// Starts without rows. Where others use the machine as well, speed and memory are shown and do not count.
    pub fn new(timed: bool) -> Self {
        Self { rows: Vec::new(), section: String::new(), begun: Instant::now(), timed }
    }

    /// Starts a section, whose name the rows carry.
    pub fn section(&mut self, name: &str) {
        name.clone_into(&mut self.section);
        println!("\n== {name} (after {:.0} s)", self.begun.elapsed().as_secs_f64());
    }

    /// Adds a row.
    pub fn row(
        &mut self,
        requirement: impl Into<String>,
        measured: impl Into<String>,
        required: impl Into<String>,
        ok: bool,
    ) {
        let row = Row {
            requirement: format!("{}: {}", self.section, requirement.into()),
            measured: measured.into(),
            required: required.into(),
            ok,
        };
        println!("{}", line(&row));
        self.rows.push(row);
    }

    /// Adds a row for a figure of speed or memory; `done` tells whether there is one at all.
    pub fn figure(
        &mut self,
        requirement: impl Into<String>,
        measured: impl Into<String>,
        required: impl Into<String>,
        done: bool,
        good: bool,
    ) {
        let (required, counts) = (required.into(), self.timed);
        let required = if counts { required } else { format!("{required}; not counted here") };
        self.row(requirement, measured, required, done && (good || !counts));
    }

    /// Adds a row for something that is so or not.
    pub fn holds(&mut self, requirement: impl Into<String>, ok: bool, measured: impl Into<String>) {
        let measured = measured.into();
        let measured = if measured.is_empty() { if ok { "yes" } else { "no" }.to_owned() } else { measured };
        self.row(requirement, measured, "yes", ok);
    }

    /// Adds a row for a step that could not even be done.
    pub fn failed(&mut self, requirement: impl Into<String>, error: &str) {
        self.row(requirement, error, "done", false);
    }

    /// Prints what does not hold, and the count in the form that test runners have.
    pub fn finish(self) -> Result<(), String> {
        let failed = self.rows.iter().filter(|row| !row.ok).count();
        if failed > 0 {
            println!("\n== what does not hold");
            self.rows.iter().filter(|row| !row.ok).for_each(|row| println!("{}", line(row)));
        }
        println!("\n{} passed, {failed} failed", self.rows.len() - failed);
        match failed {
            0 if self.rows.is_empty() => Err("nothing was checked".to_owned()),
            0 => Ok(()),
            _ => Err(format!("{failed} of {} requirements do not hold", self.rows.len())),
        }
    }
}

fn line(row: &Row) -> String {
    let short = |text: &str| {
        let text = text.trim().replace('\n', " | ");
        if text.chars().count() > 300 { text.chars().take(300).collect::<String>() + "…" } else { text }
    };
    let mark = if row.ok { "ok  " } else { "FAIL" };
    format!("{mark} | {} | {} | {}", row.requirement, short(&row.measured), short(&row.required))
}
