//! `rcnn runtime`: what is in the cache of ONNX Runtime and its plugins.

use crate::runtime::{self, Installed, Package, RuntimeOptions};
use serde::Serialize;
use std::fmt;

use super::Exit;
use super::output::{print_report, tell};
use super::values::words;

const PACKAGES: &[(&str, &str)] = &[
    ("onnxruntime", "ONNX Runtime itself, about 25 MB"),
    ("openvino", "Intel's kernels, about 100 MB"),
    ("cuda", "ONNX Runtime for CUDA, 1.4 GB to download, 2.1 GB kept"),
];

/// Install, list and remove ONNX Runtime and its plugins
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn runtime install              ONNX Runtime itself
  rcnn runtime install openvino     for detect --device openvino
  rcnn runtime install cuda         for detect --device cuda
  rcnn runtime list
  rcnn runtime remove openvino

Other commands install ONNX Runtime as well, where it is needed. Packages come through pip and are checked against hashes that are part of this program. They are stored in the
cache, which RCNN_CACHE moves. The one for CUDA has NVIDIA's libraries under their own licences, which are stored beside
them; a driver that supports CUDA 13 is needed as well.")]
pub(crate) struct RuntimeCommandArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Put a package into the cache
    Install {
        /// Package to install
        #[arg(default_value = "onnxruntime", value_name = "PACKAGE", value_parser = words::<Package>(PACKAGES))]
        package: Package,
    },
    /// Show the packages in the cache
    List {
        /// Print one JSON document on standard output, and everything else on standard error
        #[arg(long)]
        json: bool,
    },
    /// Delete a package from the cache, in all its versions
    Remove {
        /// Package to remove
        #[arg(value_name = "PACKAGE", value_parser = words::<Package>(PACKAGES))]
        package: Package,
    },
}

/// Runs the command.
pub(crate) fn run(args: RuntimeCommandArgs) -> anyhow::Result<Exit> {
    match args.verb {
        Verb::Install { package } => {
            runtime::install(package, &RuntimeOptions::default(), &mut |line| tell!("{line}"))?;
        }
        Verb::List { json } => list(json)?,
        Verb::Remove { package } => return remove(package),
    }
    Ok(Exit::Done)
}

fn list(json: bool) -> anyhow::Result<()> {
    let rows: Vec<InstalledRow> = runtime::installed().iter().map(InstalledRow::of).collect();
    if rows.is_empty() && !json {
        tell!("nothing is installed: `rcnn runtime install` brings ONNX Runtime");
    }
    print_report(&InstalledReport(rows), json)
}

/// What is installed.
#[derive(Serialize)]
struct InstalledReport(Vec<InstalledRow>);

#[derive(Serialize)]
struct InstalledRow {
    name: &'static str,
    version: String,
    folder: String,
    bytes: u64,
    /// Why it cannot be used.
    refused: Option<String>,
}

impl InstalledRow {
    fn of(installed: &Installed) -> InstalledRow {
        InstalledRow {
            name: installed.package.name(),
            version: installed.version.clone(),
            folder: installed.folder.display().to_string(),
            bytes: installed.bytes,
            refused: runtime::check(installed).err().map(|why| why.to_string()),
        }
    }
}

impl fmt::Display for InstalledReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for InstalledRow { name, version, folder, bytes, refused } in &self.0 {
            let size = *bytes as f64 / 1e6;
            writeln!(f, "{name:12} {version:8} {size:6.1} MB  `{folder}`")?;
            if let Some(why) = refused {
                writeln!(f, "  cannot be used: {why}")?;
            }
        }
        Ok(())
    }
}

fn remove(package: Package) -> anyhow::Result<Exit> {
    let removed = runtime::remove(package)?;
    if removed.is_empty() {
        anyhow::bail!("{} is not installed: nothing to remove", package.name());
    }
    for Installed { version, folder, .. } in removed {
        tell!("removed {package} {version} from `{}`", folder.display());
    }
    Ok(Exit::Done)
}
