//! `rcnn import`.

use super::Exit;

/// Turn a checkpoint into a model folder
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(_args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("`rcnn import` is not built yet")
}
