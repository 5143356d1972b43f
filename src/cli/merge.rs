//! `rcnn merge`.

use std::path::PathBuf;

use crate::run::{self, Merged};

use super::values::folder;
use super::{Exit, say, summary};

/// Merge the shards of a run into one
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  rcnn detect photos/ -o shard-1 --shard 1/2
  rcnn detect photos/ -o shard-2 --shard 2/2
  rcnn merge shard-1 shard-2 -o out

leaves in out what `rcnn detect photos/ -o out` would have left there. Pictures are hard links to the shards' pictures
where the file system has them. Exit codes are those of detect.")]
pub(crate) struct MergeArgs {
    /// Folders of all shards, in any order
    #[arg(required = true, value_name = "SHARD")]
    shards: Vec<PathBuf>,
    /// Folder for the results
    #[arg(short, long, value_name = "FOLDER", value_parser = folder())]
    out: PathBuf,
    /// Replace the results of an earlier run in the folder
    #[arg(long)]
    overwrite: bool,
    /// Print one JSON document on standard output, and everything else on standard error: the run's record, run.json
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: MergeArgs) -> anyhow::Result<Exit> {
    let Merged { record, warnings } =
        run::merge(&args.shards, &args.out, args.overwrite, super::command_line())?;
    say(&warnings);
    summary::report(&record, &args.out, args.json)
}
