//! Options about how often, and how, the network looks at each photo; the same for every command that has them.

use clap::ValueEnum;

use crate::detector::{Augment, MergeRule};

use super::Usage;

/// How often the network looks at each photo.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "More accuracy for more time")]
pub(crate) struct ViewArgs {
    /// AugmentArg of each photo: flip adds its mirror image, in twice the time; full has three sizes around the model's own,
    /// each mirrored as well, in about eight times
    #[arg(long, value_enum, default_value_t, value_name = "VIEWS")]
    augment: AugmentArg,
    /// Sizes at which the network sees each photo, in multiples of the model's own, separated by commas
    #[arg(long, value_delimiter = ',', value_parser = scale, value_name = "S,S", conflicts_with = "augment")]
    scales: Option<Vec<f64>>,
    /// Each size mirrored as well
    #[arg(long, conflicts_with = "augment")]
    flip: bool,
    /// How what several views or models show is merged: wbf (weighted boxes fusion), nms, vote (NMS and box voting), soft-nms
    #[arg(long, value_name = "RULE")]
    merge: Option<MergeRule>,
    /// The head sees its own boxes once more, which makes them more exact
    #[arg(long)]
    refine: bool,
}

/// What `--augment` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum AugmentArg {
    #[default]
    None,
    Flip,
    Full,
}

fn scale(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.trim().parse().ok().filter(|&scale| Augment::allows(scale));
    value.ok_or_else(|| "a number from 0.1 to 10 is needed".into())
}

impl ViewArgs {
    /// Whether the head sees its own boxes once more.
    pub(crate) fn refine(&self) -> bool {
        self.refine
    }

    /// The views that the options name, for a number of models.
    pub(crate) fn augment(&self, models: usize) -> Result<Augment, Usage> {
        let mut augment = match self.augment {
            AugmentArg::None => Augment::default(),
            AugmentArg::Flip => Augment::flip(),
            AugmentArg::Full => Augment::full(),
        };
        augment.flip |= self.flip;
        if let Some(scales) = &self.scales {
            augment = augment.at_scales(scales.iter().copied());
        }
        match self.merge {
            Some(_) if augment.views() == 1 && models < 2 => Err(Usage(
                "--merge is for several views or models: give --augment, --scales, --flip or a second -m"
                    .into(),
            )),
            rule => Ok(augment.merged_by(rule.unwrap_or_default())),
        }
    }
}
