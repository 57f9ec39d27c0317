//! The scene: applications on both nodes, in a namespace that is enrolled and in one that is not.

use std::time::Duration;

use testbed::apps::{self, App, Deployment, Place, Probe};

use crate::accept::Lab;

/// The namespace that is enrolled.
pub const SHOP: &str = "shop";
/// The namespace that is not.
pub const OUT: &str = "outside";
/// The nodes.
pub const NEAR: &str = "node0";
/// The other node.
pub const FAR: &str = "node1";
/// Clients with service accounts of their own, all on [`NEAR`].
pub const CLIENT: &str = "client";
/// A second identity.
pub const INTRUDER: &str = "intruder";

/// Puts everything there, if it is not.
pub fn prepare(lab: &Lab) -> Result<(), String> {
    let place =
        |app, name, node, probe| Deployment { name, probe, place: Place::Node(node), ..Deployment::new(app, SHOP) };
    let inside = [
        place(App::Client, CLIENT, NEAR, Probe::None),
        place(App::Client, INTRUDER, NEAR, Probe::None),
        place(App::Echo, "near", NEAR, Probe::Http),
        place(App::Echo, "far", FAR, Probe::Grpc),
        place(App::Echo, "exec", FAR, Probe::Exec),
        place(App::Nginx, "nginx", FAR, Probe::Http),
        place(App::Redis, "redis", FAR, Probe::Tcp),
        place(App::Smtp, "smtp", FAR, Probe::Tcp),
        place(App::Etcd, "etcd", FAR, Probe::Grpc),
    ];
    let outside = [
        Deployment { place: Place::Node(NEAR), ..Deployment::new(App::Client, OUT) },
        Deployment { place: Place::Node(FAR), ..Deployment::new(App::Echo, OUT) },
    ];
    let mut objects = vec![apps::namespace(SHOP, &[]), apps::namespace(OUT, &[])];
    for deployment in inside.iter().chain(&outside) {
        objects.extend(deployment.objects().ok_or("no such probe")?);
    }
    lab.apply(&apps::list(objects).to_string())?;
    lab.ready(SHOP, Duration::from_secs(120))?;
    lab.ready(OUT, Duration::from_secs(120))
}

/// Returns the pod of an app in the shop.
pub fn pod(lab: &Lab, app: &str) -> Result<String, String> {
    lab.pod(SHOP, &format!("app={app}"), None)
}
