//! What the sandbox builds on, in the real kernel and without any program of the system: a node and pods as
//! namespaces made here. Needs root, or to be root of a user namespace; without it every test fails and says so.
#![allow(clippy::unwrap_used)] // a failed step is the test's result
#![allow(unsafe_code)] // `pre_exec`, to try in a child what changes a process for good

mod capture;
mod links;
mod pods;
mod process;
mod services;

/// Everything above once more, without privileges over the machine.
#[test]
fn all_of_it_works_rootless() {
    if std::env::var_os("AMBIENT_TEST_ROOTLESS").is_some() {
        return;
    }
    let mut again = std::process::Command::new("unshare");
    again.args(["--user", "--map-root-user", "--net", "--mount"]).arg(std::env::current_exe().unwrap());
    let output = again.env("AMBIENT_TEST_ROOTLESS", "1").output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains(" passed"), "{text}");
}
