//! `rcnn doctor`.

use super::Exit;

/// Tell what this machine has and what is missing
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(_args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("`rcnn doctor` is not built yet")
}
