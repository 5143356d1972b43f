//! Options about intervals, the same for every command that shows them.

use clap::ValueEnum;
use coco_eval::IntervalKind;

/// How intervals are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Intervals {
    /// Halves of the images, around the number less its estimated bias: 95 % intervals of AP held 93 to 98 % of true values where that was simulated
    Subsampling,
    /// Percentiles of the bootstrap, mirrored at the number
    Basic,
    /// Percentiles of the bootstrap, as other evaluators give them: above what they should hold
    Percentile,
}

/// How intervals are made, and of what.
#[derive(Debug, Default, clap::Args)]
pub(super) struct IntervalArgs {
    /// How the 95 % intervals are made [default: subsampling]
    #[arg(long, value_enum, value_name = "METHOD")]
    interval: Option<Intervals>,
    /// Draw whole clusters of images as well, as frames of one video are not independent: a field of the annotations' images,
    /// `folder`, a CSV file of file names and clusters, or a regular expression on the file name
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
