//! Options about intervals, the same for every command that shows them.

use clap::ValueEnum;
use coco_eval::IntervalKind;

/// How intervals are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Intervals {
    /// halves of the images, less the bias: held 93 to 98 % in trials
    Subsampling,
    /// percentiles of the bootstrap, mirrored at the number
    Basic,
    /// percentiles of the bootstrap, as others have: too high
    Percentile,
}

/// How intervals are made, and of what.
#[derive(Debug, Default, clap::Args)]
pub(super) struct IntervalArgs {
    /// Method of the 95 % intervals; subsampling by default
    #[arg(long, value_enum, value_name = "METHOD")]
    interval: Option<Intervals>,
    /// Clusters of images that are drawn as a whole as well, as frames of one video are not independent: a field of the
    /// annotations' images, `folder`, a CSV file of file names and clusters, or a regular expression on the file name
    #[arg(long, value_name = "KEY")]
    pub(super) cluster: Option<String>,
}

impl IntervalArgs {
    /// Whether any of them is given.
    pub(super) fn given(&self) -> bool {
        self.interval.is_some() || self.cluster.is_some()
    }

    /// The kind of intervals.
    pub(super) fn method(&self) -> IntervalKind {
        match self.interval {
            Some(Intervals::Basic) => IntervalKind::Basic,
            Some(Intervals::Percentile) => IntervalKind::Percentile,
            Some(Intervals::Subsampling) | None => IntervalKind::Subsampling,
        }
    }
}
