//! How the kernel schedules a thread.

use std::io;

/// Lets the calling thread be woken without taking the processor from whoever has it (`SCHED_BATCH`, sched(7)).
///
/// For a proxy whose clients and servers run beside it: while the processor is busy, what they do in the meantime is waiting
/// when the proxy comes to run, and is served in one go; an idle processor is taken at once, as ever. The share of processor
/// time stays the same.
///
/// # Errors
/// A sandbox that forbids the call.
pub fn batch() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: `parameters` outlives the call; thread 0 is the caller.
    let outcome = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_thread_alone_is_changed() {
        // SAFETY: asks only.
        let policy = || unsafe { libc::sched_getscheduler(0) };
        let before = policy();
        let changed = std::thread::spawn(move || super::batch().map(|()| policy()));
        assert_eq!(changed.join().expect("ends").expect("allowed"), libc::SCHED_BATCH);
        assert_eq!(policy(), before);
    }
}
