//! nginx as a router without tunnels.

use std::{fmt::Write, path::Path, process::Command};

use testbed::apps::{Packages, Root};

use super::{
    bed::{Bed, Core, NGINX, Process, shown},
    case::{CASES, Case, PORTS, Port, server},
};
use crate::accept::chain;

/// Returns the distribution's program and the libraries that come with it, fetched into the cache if they are not there.
pub fn program(cache: &Path) -> Result<Root, String> {
    Packages::open(cache).and_then(|packages| packages.keep("nginx", cache)).map_err(chain)
}

/// Starts one.
pub fn start(bed: &Bed, root: &Root) -> Result<Process, String> {
    let config = shown(&bed.write("nginx.conf", &config(bed))?);
    let libraries = root.libraries("/usr/sbin/nginx").map_err(chain)?;
    let (_, loader) = libraries.first().ok_or("no loader")?;
    let folders: Vec<String> = libraries.iter().skip(1).filter_map(|(_, file)| Some(shown(file.parent()?))).collect();
    let mut command = Command::new(loader);
    command.args(["--inhibit-cache", "--library-path", &folders.join(":")]);
    command.arg(root.file("/usr/sbin/nginx")).args(["-e", "stderr", "-c", &config]);
    bed.start("nginx", Core::Proxy, &mut command)
}

fn config(bed: &Bed) -> String {
    let mut text = format!(
        "daemon off; master_process off; worker_processes 1; error_log stderr; pid {0}/nginx.pid;\n\
         events {{ worker_connections 8192; }}\n\
         http {{\naccess_log off; keepalive_timeout 1h; keepalive_requests 1000000000;\n",
        shown(&bed.path("."))
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(text, "{kind}_temp_path {};", shown(&bed.path(&format!("nginx-{kind}"))));
    }
    for port in &PORTS {
        let _ = writeln!(
            text,
            "upstream {} {{ server {}; keepalive 256; keepalive_requests 1000000000; }}",
            port.name,
            upstream(port)
        );
    }
    for case in CASES {
        case.ports().iter().for_each(|port| text += &listener(bed, case, port));
    }
    text + "}\n"
}

/// It speaks HTTP/2 to clients, and to a server gRPC alone.
fn upstream(port: &Port) -> String {
    let target = if port.name == "grpc" { port } else { &PORTS[0] };
    server(target).to_string()
}

fn listener(bed: &Bed, case: Case, port: &Port) -> String {
    let http2 = if port.target == 8080 { "" } else { " http2" };
    let mut text = format!("server {{ listen {NGINX}:{} backlog=4096{http2};\n", case.plain(port));
    if case.logged {
        let _ = writeln!(text, "access_log {};", shown(&bed.path("nginx-access.log")));
    }
    for prefix in case.prefixes() {
        let name = port.name;
        let pass = if name == "grpc" {
            format!("grpc_pass grpc://{name};")
        } else {
            format!("proxy_pass http://{name}; proxy_http_version 1.1; proxy_set_header Connection \"\";")
        };
        let _ = writeln!(text, "location {prefix} {{ {pass} }}");
    }
    text + "}\n"
}
