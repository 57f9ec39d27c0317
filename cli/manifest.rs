//! `ambient manifest`: the manifests that install applies, for review or for another tool to apply.

use kube::api::DynamicObject;

use crate::{
    args::Global,
    error::Error,
    install::{Settings, render::render, values::Values},
    screen::Screen,
};

/// Print the manifests that install applies
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ambient manifest > mesh.yaml
  ambient manifest --set image.tag=dev | kubectl diff -f -")]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global, screen: &Screen) -> Result<u8, Error> {
    let values = Values::read(&args.settings.filename, &args.settings.set)?;
    print(&render(&values, &global.istio_namespace)?, screen)
}

/// Prints objects as documents of one YAML stream.
pub fn print(objects: &[DynamicObject], screen: &Screen) -> Result<u8, Error> {
    for object in objects {
        let text =
            serde_yaml::to_string(object).map_err(|error| Error::internal("cannot write YAML").caused_by(&error))?;
        screen.text(&format!("---\n{text}"))?;
    }
    Ok(0)
}
