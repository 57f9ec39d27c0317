//! The objects by their form, the images by running them.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use serde_json::{Value, json};

use super::*;
use crate::{cache::cache_dir, image};

fn objects(deployment: &Deployment<'_>) -> Vec<Value> {
    deployment.objects().expect("the app has such a probe")
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = objects.iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[test]
fn ports_are_what_kubernetes_takes() {
    for app in App::ALL {
        let names: BTreeSet<_> = app.ports().iter().map(|port| port.name).collect();
        assert_eq!(names.len(), app.ports().len(), "{app:?}");
        // RFC 6335 5.1, as Kubernetes checks the names of ports.
        assert!(names.iter().all(|name| name.len() <= 15), "{app:?}");
    }
}

#[test]
fn services_reach_a_port_by_number_by_name_and_directly() {
    let deployment = Deployment { name: "web", ..Deployment::new(App::Nginx, "shop") };
    let objects = objects(&deployment);
    let port = |service: &str| named(&objects, "Service", service)["spec"]["ports"][0].clone();
    assert_eq!((&port("web")["port"], &port("web")["targetPort"]), (&80.into(), &8080.into()));
    assert_eq!((&port("web-named")["port"], &port("web-named")["targetPort"]), (&10080.into(), &"http".into()));
    assert_eq!((&port("web-headless")["port"], &port("web-headless")["targetPort"]), (&8080.into(), &8080.into()));
    assert_eq!(named(&objects, "Service", "web-headless")["spec"]["clusterIP"], "None");
    assert!(named(&objects, "Service", "web")["spec"].get("clusterIP").is_none());
    let pod = &named(&objects, "Deployment", "web")["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], named(&objects, "ServiceAccount", "web")["metadata"]["name"]);
    assert_eq!(pod["containers"][0]["imagePullPolicy"], "IfNotPresent");
}

#[test]
fn a_pod_runs_where_it_is_told() {
    let pod = |place| {
        let deployment = Deployment { place, labels: &[("version", "2")], ..Deployment::new(App::Echo, "shop") };
        named(&objects(&deployment), "Deployment", "echo")["spec"]["template"].clone()
    };
    assert_eq!(pod(Place::Anywhere)["metadata"]["labels"], json!({ "app": "echo", "version": "2" }));
    assert_eq!(pod(Place::Node("node1"))["spec"]["nodeName"], "node1");
    assert_eq!(pod(Place::Labelled("disk", "fast"))["spec"]["nodeSelector"], json!({ "disk": "fast" }));
    let arguments = pod(Place::Anywhere)["spec"]["containers"][0]["args"].clone();
    let expected = "serve --name echo --http 8080 --tcp 9000 --first 9001 --udp 9002 --bulk 9003";
    assert_eq!(arguments, json!(expected.split(' ').collect::<Vec<_>>()));
}

#[test]
fn probes_are_those_that_the_app_can_answer() {
    let kinds = [(Probe::Exec, "exec"), (Probe::Grpc, "grpc"), (Probe::Http, "httpGet"), (Probe::Tcp, "tcpSocket")];
    for app in App::ALL {
        for (probe, key) in kinds {
            let Some(objects) = Deployment { probe, ..Deployment::new(app, "shop") }.objects() else {
                assert_ne!(app, App::Echo, "{probe:?}");
                continue;
            };
            let pod = &named(&objects, "Deployment", app.name())["spec"]["template"]["spec"]["containers"][0];
            for each in ["startupProbe", "readinessProbe", "livenessProbe"] {
                assert!(pod[each][key].is_object() && pod[each]["periodSeconds"] == 1, "{app:?} {probe:?}");
            }
        }
    }
}

/// What the programs of the client's image do with each server, as shell words.
const TRIALS: [(App, &[&str]); 6] = [
    (
        App::Echo,
        &[
            "/usr/local/bin/echo http http://localhost:8080/",
            "/usr/local/bin/echo http http://[::1]:8080/ --http2",
            "/usr/local/bin/echo tcp 127.0.0.1:9000 --who --half-close",
            "/usr/local/bin/echo first 127.0.0.1:9001",
            "/usr/local/bin/echo udp 127.0.0.1:9002",
            "/usr/local/bin/echo bulk 127.0.0.1:9003 --bytes 10000000",
            "/usr/local/bin/echo parallel 127.0.0.1:9000",
        ],
    ),
    (
        App::Etcd,
        &[
            "/usr/bin/etcdctl --endpoints=127.0.0.1:2379 put key value",
            "/usr/bin/etcdctl --endpoints=[::1]:2379 get key",
            "/usr/local/bin/echo grpc 127.0.0.1:2379",
        ],
    ),
    (
        App::Iperf,
        &["/usr/bin/iperf3 -c 127.0.0.1 -t 1", "/usr/bin/iperf3 -c ::1 -t 1 -P 8", "/usr/bin/iperf3 -c ::1 -u -t 1"],
    ),
    (
        App::Nginx,
        &[
            "/usr/local/bin/echo http http://127.0.0.1:8080/",
            r"/usr/bin/wrk -t 1 -c 1 -d 1s http://localhost/ 2>&1 | grep Connection.refused",
            "/usr/bin/wrk -t 1 -c 64 -d 1s --latency http://[::1]:8080/",
        ],
    ),
    (App::Redis, &["/usr/bin/redis-cli set key value", "/usr/bin/redis-cli -h ::1 get key"]),
    (
        App::Smtp,
        &[
            "/usr/local/bin/echo first [::1]:2525 --banner-only",
            r"/usr/local/bin/echo first 127.0.0.1:2525 --send 'EHLO x\r\n' --expect 'HELP\r\n' \
              --send 'MAIL FROM:<a@b.test>\r\n' --expect 'Ok\r\n' --send 'RCPT TO:<c@d.test>\r\n' --expect 'ok\r\n' \
              --send 'DATA\r\n' --expect 'itself\r\n' --send 'Subject: x\r\n\r\nhello\r\n.\r\n' --expect 'delivery\r\n'",
        ],
    ),
];

#[test]
#[ignore = "needs root, packages of the distribution, and a build of echo"]
fn every_image_is_complete() {
    let work = tempfile::tempdir().expect("a folder");
    let unpacked = |app: App| {
        let folder = work.path().join(app.name());
        let config = image::unpack(&prepare(app, &cache_dir()).expect("an image"), &folder).expect("it unpacks");
        std::fs::create_dir_all(folder.join("dev")).expect("a folder");
        (folder, config)
    };
    let client = unpacked(App::Client);
    for (app, trials) in TRIALS {
        trial(&unpacked(app), &client, app, trials);
    }
}

/// Runs server and client in their images, in a network of their own so that no port of this machine is in the way.
fn trial(server: &(PathBuf, Value), client: &(PathBuf, Value), app: App, trials: &[&str]) {
    let mut serve = start(server);
    let words = server.1["Entrypoint"].as_array().into_iter().flatten().filter_map(Value::as_str);
    words.for_each(|word| serve += &format!(" '{word}'"));
    if app == App::Echo {
        serve += " serve --name echo --http 8080 --tcp 9000 --first 9001 --udp 9002 --bulk 9003";
    }
    let mut script = "set -e\nip link set lo up\n".to_owned();
    for (folder, _) in [server, client] {
        script += &format!("mount --bind /dev {}/dev\n", folder.display());
    }
    script += &format!("{serve} &\ntrap \"kill $!\" EXIT\n");
    for (number, trial) in trials.iter().enumerate() {
        let once = format!("{} {trial}", start(client));
        // The first waits until the server is up.
        script += &match number {
            0 => format!("n=0; until {once}; do n=$((n+1)); test $n -lt 40; sleep 0.2; done\n"),
            _ => format!("timeout 30 {once}\n"),
        };
    }
    let output = Command::new("unshare").args(["--net", "--mount", "sh", "-c", &script]).output().expect("it starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{app:?}: {script}\n{said}");
}

fn start((folder, config): &(PathBuf, Value)) -> String {
    let env = config["Env"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let env: Vec<String> = env.map(|variable| format!("'{variable}'")).collect();
    let user = config["User"].as_str().filter(|user| !user.is_empty()).unwrap_or("0:0");
    format!("env -i {} chroot --userspec={user} {}", env.join(" "), folder.display())
}
