//! What a cluster needs of its host: root, and folders to mount its own ones over.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::cluster::command::{self, Error};

/// Returns whether this process may make namespaces and mounts.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Returns what tells this start of the machine from others: process records of an earlier one mean nothing.
pub fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Makes folders, and notes in a file those that were not there, after those that are noted in it already.
pub fn make_folders(note: &Path, folders: &[&Path]) -> Result<(), Error> {
    let mut made = noted(note);
    for folder in folders {
        made.extend(folder.ancestors().take_while(|path| !path.exists()).map(Path::to_owned));
    }
    made.sort();
    made.dedup();
    let lines: String = made.iter().map(|path| format!("{}\n", path.display())).collect();
    command::write(note, lines)?;
    folders.iter().try_for_each(|folder| command::folder(folder))
}

/// Removes the folders that were made, and the note.
///
/// Not while a node has something mounted over one of them: the kernel would take that mount away with the folder.
pub fn remove_folders(note: &Path) {
    // The deepest first. What holds anything by now is no longer ours.
    for folder in noted(note).iter().rev() {
        let _kept = fs::remove_dir(folder);
    }
    let _gone = fs::remove_file(note);
}

fn noted(note: &Path) -> Vec<PathBuf> {
    fs::read_to_string(note).unwrap_or_default().lines().map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_that_were_made_go_again() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |path: &str| root.path().join(path);
        let note = at("note");
        fs::create_dir_all(at("etc/others")).expect("a folder");
        make_folders(&note, &[&at("etc/cni/net.d"), &at("var/lib/kept")]).expect("folders");
        make_folders(&note, &[&at("etc/cni/net.d")]).expect("folders that are there");
        fs::write(at("var/lib/kept/file"), "").expect("a file");
        remove_folders(&note);
        assert!(!at("etc/cni").exists() && at("etc/others").exists() && at("var/lib/kept/file").exists());
        assert!(!note.exists());
    }
}
