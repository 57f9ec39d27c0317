//! Exit codes and first words of commands that fail before they reach a cluster: the real binary, as a script would call it.

use std::{
    net::TcpListener,
    process::{Command, Stdio},
};

/// Runs the binary with a kubeconfig that leads to a closed port; returns the exit code and the standard error.
fn fails(arguments: &[&str]) -> (i32, String) {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    let folder = tempfile::tempdir().expect("a folder");
    let kubeconfig = folder.path().join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: \"https://{closed}\"}}}}]\n\
         users: [{{name: u, user: {{}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\ncurrent-context: c\n"
    );
    std::fs::write(&kubeconfig, text).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_ambient"))
        .args(arguments)
        .env_clear()
        .env("KUBECONFIG", &kubeconfig)
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts");
    assert!(output.stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_exit_code_says_whose_fault_it_was() {
    let table: [(&[&str], i32, &str); 14] = [
        (&["status"], 1, "error: cannot reach the cluster at https://127.0.0.1"),
        (&["install"], 1, "error: cannot reach the cluster at https://127.0.0.1"),
        (&["--kubeconfig", "/nonexistent", "status"], 1, "error: cannot read kubeconfig /nonexistent"),
        (&["instal"], 2, "error: unrecognized subcommand 'instal'"),
        (&["-i", "Not A Name", "status"], 2, "error: invalid value 'Not A Name'"),
        (&["install", "--set", "agent.replicas=0"], 2, "error: --set agent.replicas=0: wrong setting"),
        (&["install", "--set", "cni.binDir=opt"], 2, "error: cni.binDir is opt, which is no absolute path"),
        (&["namespace", "add"], 2, "error: nothing to enrol or release"),
        // Else one name would enrol everybody.
        (&["namespace", "add", "istio-system"], 2, "error: istio-system is the mesh's own namespace"),
        (&["-i", "mesh", "namespace", "remove", "shop", "mesh"], 2, "error: mesh is the mesh's own namespace"),
        // Codes 0 to 2 of `verify` are verdicts: no failure may look like one.
        (&["verify"], 3, "error: nothing to verify"),
        (&["verify", "web.shop"], 3, "error: the following required arguments were not provided"),
        (&["verify", "--bogus"], 3, "error: unexpected argument '--bogus'"),
        (&["verify", "-n", "shop"], 3, "error: cannot reach the cluster at https://127.0.0.1"),
    ];
    for (arguments, code, begins) in table {
        let (found, text) = fails(arguments);
        assert_eq!(found, code, "{arguments:?}: {text}");
        assert!(text.starts_with(begins), "{arguments:?}: {text}");
    }
}
