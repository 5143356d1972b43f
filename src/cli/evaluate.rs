//! `rcnn evaluate`.

use super::Exit;

/// Judge detections against COCO annotations
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(_args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("`rcnn evaluate` is not built yet")
}
