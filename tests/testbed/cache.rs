//! The folder of what is fetched or built once and used by every run: components of Kubernetes, images of test programs.

use std::{env, path::PathBuf};

/// Returns the folder of the cache; it need not exist yet.
///
/// It is `$AMBIENT_CACHE`, else `$XDG_CACHE_HOME/ambient`, else `~/.cache/ambient`. A process without a home takes
/// the temporary folder, where the work is done again after a restart of the machine.
pub fn cache_dir() -> PathBuf {
    choose(|name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute()))
}

/// Relative paths are left out, as the XDG base directory specification asks: their meaning changes with the caller.
fn choose(variable: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    variable("AMBIENT_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|path| path.join("ambient")))
        .or_else(|| variable("HOME").map(|path| path.join(".cache/ambient")))
        .unwrap_or_else(|| env::temp_dir().join("ambient-cache"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_setting_wins() {
        let all = [("AMBIENT_CACHE", "/a"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
        let expected = ["/a", "/x/ambient", "/h/.cache/ambient"];
        for (first, expected) in expected.iter().enumerate() {
            let set = &all[first..];
            let chosen =
                choose(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| PathBuf::from(value)));
            assert_eq!(chosen, PathBuf::from(expected));
        }
    }
}
