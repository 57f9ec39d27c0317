//! Progress of what is waited for: moving bars on a terminal, one line per change elsewhere.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    io::Write,
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::screen::Screen;

/// The things that are waited for, by name.
#[derive(Debug)]
pub struct Progress {
    bars: MultiProgress,
    live: bool,
    silent: bool,
    items: RefCell<HashMap<String, Item>>,
    notes: RefCell<HashSet<String>>,
}

/// Without a terminal, of more parts than these not each is worth a line.
const MANY: usize = 20;

#[derive(Debug)]
struct Item {
    bar: ProgressBar,
    last: String,
}

impl Progress {
    /// Starts with nothing.
    pub fn new(screen: &Screen) -> Self {
        Self { live: screen.live, silent: false, ..Self::silent() }
    }

    /// Starts one that tells of no parts, for a caller that has its own way to: notes are told.
    pub fn silent() -> Self {
        let (items, notes) = (RefCell::default(), RefCell::default());
        Self { bars: MultiProgress::new(), live: false, silent: true, items, notes }
    }

    /// Reports that `done` of `all` parts of a thing are there. Nothing is said of a thing without parts: how many there
    /// are to be is not known yet.
    pub fn set(&self, name: &str, done: usize, all: usize) {
        if all == 0 || self.silent {
            return;
        }
        let mut items = self.items.borrow_mut();
        let item = items.entry(name.to_owned()).or_insert_with(|| Item { bar: self.bar(name), last: String::new() });
        let text = format!("{done}/{all}");
        if self.live {
            item.bar.set_length(all as u64);
            item.bar.set_position(done as u64);
        } else if item.last != text && (all <= MANY || done == all || done.is_multiple_of(all.div_ceil(MANY))) {
            print(&format!("{name} {text}"));
        }
        item.last = text;
    }

    /// Says something above the bars, once.
    pub fn note(&self, text: &str) {
        if !self.notes.borrow_mut().insert(text.to_owned()) {
            return;
        }
        if self.live {
            self.bars.suspend(|| print(text));
        } else {
            print(text);
        }
    }

    /// Takes the bars off the screen.
    pub fn clear(&self) {
        if self.live {
            // The terminal may be gone; there is nothing left to clear then.
            let _ = self.bars.clear();
        }
    }

    fn bar(&self, name: &str) -> ProgressBar {
        if !self.live {
            return ProgressBar::hidden();
        }
        let bar = self.bars.add(ProgressBar::new(1));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg:13} [{bar:24}] {pos}/{len}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }
}

/// Progress that nobody reads is no reason to stop.
fn print(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
