//! What is generated from the binary, or says the same as it: completions, the command line's reference, the settings.
//!
//! `UPDATE=1 cargo test --test main reference` writes the generated files anew.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Runs the binary as a script would: no terminal, a fixed width, nothing of the caller's environment.
fn ambient(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ambient"))
        .args(arguments)
        .env_clear()
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

fn printed(arguments: &[&str]) -> String {
    let output = ambient(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Compares a file of the repository with what it should hold, or writes it when `UPDATE` asks for that.
fn is_up_to_date(file: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        fs::write(&path, wanted).expect("the file can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let line = found.lines().zip(wanted.lines()).take_while(|(found, wanted)| found == wanted).count() + 1;
    // Not `assert_eq`: a completion script is 70 kB.
    assert!(
        found == wanted,
        "{file} differs from the binary at line {line}; `UPDATE=1 cargo test --test main reference` writes it anew"
    );
}

#[test]
fn completions_are_those_of_the_binary() {
    for (shell, file) in [
        ("bash", "completions/ambient.bash"),
        ("fish", "completions/ambient.fish"),
        ("powershell", "completions/ambient.ps1"),
        ("zsh", "completions/_ambient"),
    ] {
        is_up_to_date(file, &printed(&["completion", shell]));
    }
}

#[test]
fn the_reference_shows_the_help_of_every_command() {
    let mut text = "# Command line\n\n\
        The help of every command, as `--help` prints it; generated from the binary by `tests/reference.rs`.\n\
        The global options are listed once, under `ambient`; every command takes them.\n"
        .to_owned();
    describe(&mut text, &mut Vec::new());
    is_up_to_date("docs/reference/cli.md", &text);
}

/// Adds a command and all below it.
fn describe(text: &mut String, command: &mut Vec<String>) {
    let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = printed(&arguments);
    let title = ["ambient"].into_iter().chain(command.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    *text += &format!("\n## {title}\n\n```text\n{}\n```\n", shown(&help, command.is_empty()).trim_end());
    for name in subcommands(&help) {
        command.push(name);
        describe(text, command);
        command.pop();
    }
}

/// Leaves out trailing spaces and, unless they are wanted, the global options.
fn shown(help: &str, global_options: bool) -> String {
    let mut skipping = false;
    let mut kept = String::new();
    for line in help.lines() {
        if !line.is_empty() && !line.starts_with(' ') {
            skipping = line == "Global options:" && !global_options;
        }
        if !skipping {
            kept += line.trim_end();
            kept.push('\n');
        }
    }
    kept
}

/// Reads the names in the section `Commands:`; a description that goes on in the next line stands further right.
fn subcommands(help: &str) -> Vec<String> {
    let section = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = section.filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    names.filter_map(|rest| rest.split(' ').next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The rows of the settings' table in the documentation: key and default.
fn documented() -> Vec<(String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/install.md");
    let text = fs::read_to_string(file).expect("the documentation of install");
    let section = text.lines().skip_while(|line| *line != "## Settings").skip(1).take_while(|l| !l.starts_with("## "));
    let rows = section.filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
        (cells.next().expect("a key"), cells.next().expect("a default"))
    })
    .collect()
}

#[test]
fn every_setting_is_documented_with_its_default() {
    let documented = documented();
    let mut known = BTreeSet::new();
    keys_below("", &mut known);
    assert_eq!(documented.iter().map(|(key, _)| key.clone()).collect::<BTreeSet<_>>(), known);

    let sets: Vec<String> = documented.iter().map(|(key, default)| format!("{key}={default}")).collect();
    let arguments = sets.iter().flat_map(|set| ["--set", set]);
    let all: Vec<&str> = ["manifest"].into_iter().chain(arguments).collect();
    assert!(printed(&all) == printed(&["manifest"]), "a documented default is not the one in force");
}

/// Asks the binary which keys it knows: what it says about a key that cannot exist names all others.
fn keys_below(prefix: &str, found: &mut BTreeSet<String>) {
    const NOBODY: &str = "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq";
    let output = ambient(&["manifest", "--set", &format!("{prefix}{NOBODY}=x")]);
    let text = String::from_utf8_lossy(&output.stderr);
    match text.lines().find_map(|line| line.strip_prefix("hint: known here: ")) {
        Some(keys) => keys.split(", ").for_each(|key| keys_below(&format!("{prefix}{key}."), found)),
        // A value, or a map whose keys are the operator's.
        None => drop(found.insert(prefix.trim_end_matches('.').to_owned())),
    }
}
