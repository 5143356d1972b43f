//! `rcnn detect`.

use super::Exit;

/// Find objects in photos
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(_args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("`rcnn detect` is not built yet")
}
