//! What a process holds of its own binary.

use std::{fs, io};

use nix::sys::mman::{MmapAdvise, madvise};

/// Lets go of the pages of code that are mapped now; those that are used come back from the page cache by themselves.
///
/// For a process that has started: starting takes code that is never needed again, and the kernel maps the neighbours of what is
/// touched with it. Returns how many bytes of code there are.
///
/// # Errors
/// A kernel that does not tell of its mappings.
pub fn release_code() -> io::Result<usize> {
    let mut released = 0;
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        let Some((start, length)) = code(line) else { continue };
        // SAFETY: the range is a private mapping of a file that may be read and executed and never written, so no page of it
        // differs from the file, and the next access brings the same bytes back.
        unsafe { madvise(start, length, MmapAdvise::MADV_DONTNEED) }?;
        released += length;
    }
    Ok(released)
}

/// Reads a line of proc_pid_maps(5): the range, if it is code of a file.
fn code(line: &str) -> Option<(std::ptr::NonNull<libc::c_void>, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let path = words.nth(3)?;
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    let is_code = rights == "r-xp" && path.starts_with('/');
    let start_at = std::ptr::NonNull::new(std::ptr::with_exposed_provenance_mut(start))?;
    (is_code && start < end).then_some((start_at, end - start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_let_go_and_the_process_goes_on() {
        let of = |line| code(line).map(|(_, length)| length);
        assert_eq!(
            of("55d0c0000000-55d0c0002000 r-xp 00001000 fe:00 42                 /usr/local/bin/ambient"),
            Some(0x2000)
        );
        for other in [
            "55d0c0000000-55d0c0002000 r--p 00001000 fe:00 42 /usr/local/bin/ambient",
            "55d0c0000000-55d0c0002000 rwxp 00001000 fe:00 42 /usr/local/bin/ambient",
            "7ffd0000-7ffd2000 r-xp 00000000 00:00 0 [vdso]",
            "7ffd0000-7ffd2000 r-xp 00000000 00:00 0",
            "nonsense",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert!(release_code().expect("allowed") > 0);
        assert!(release_code().expect("still running") > 0);
    }
}
