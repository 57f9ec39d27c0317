//! Regenerates the code of every `.proto` file in the workspace and compares it with what is checked in.
//!
//! `AMBIENT_BLESS=1 cargo test -p xds --test generated` writes it anew.

use std::{fs, path::Path};

#[test]
fn generated_code_is_that_of_the_proto_files() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates folder");
    check(&crates.join("xds"), &["workload.proto", "authorization.proto", "discovery.proto", "status.proto"], true);
    check(&crates.join("identity"), &["ca.proto"], false);
    check(&crates.join("../waypoint"), &["external_auth.proto", "rate_limit.proto"], false);
}

fn check(folder: &Path, files: &[&str], shared_bytes: bool) {
    let descriptors = protox::compile(files, [folder.join("proto")]).expect("the proto files are valid");
    let out = tempfile::tempdir().expect("a folder for the output");
    let mut builder = tonic_prost_build::configure().out_dir(out.path()).build_transport(false);
    if shared_bytes {
        // A resource is encoded once and its bytes are shared by every client.
        builder = builder.extern_path(".google.protobuf.Any", "crate::Any");
    }
    builder.compile_fds(descriptors).expect("code is generated");
    for entry in fs::read_dir(out.path()).expect("the output is readable") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("generated text");
        let kept = folder.join("gen").join(path.file_name().expect("a file name"));
        if std::env::var_os("AMBIENT_BLESS").is_some() {
            fs::write(&kept, &text).expect("the tree is writable");
        }
        assert_eq!(
            fs::read_to_string(&kept).unwrap_or_default(),
            text,
            "{} differs: see this test's header",
            kept.display()
        );
    }
}
