//! Options about how often, and how, the network looks at each photo; the same for every command that has them.

use clap::ValueEnum;

use crate::detector::{Augment, MergeRule};

use super::Usage;
use super::values::{MERGE_RULES, words};

/// How often the network looks at each photo.
#[derive(Debug, clap::Args)]
pub(crate) struct ViewArgs {
    /// Views of each photo
    #[arg(long, value_enum, default_value_t, value_name = "VIEWS")]
    augment: AugmentArg,
    /// Sizes at which the network sees each photo, in multiples of the model's own, separated by commas
    #[arg(long, value_delimiter = ',', value_parser = scale, value_name = "S,S", conflicts_with = "augment")]
    scales: Option<Vec<f64>>,
    /// Add the mirror image of each size
    #[arg(long, conflicts_with = "augment")]
    flip: bool,
    /// Rule by which what several views, models or results show is merged; wbf by default
    #[arg(long, value_name = "RULE", value_parser = words::<MergeRule>(MERGE_RULES))]
    merge: Option<MergeRule>,
    /// Let the head see its own boxes once more, which makes them more exact
    #[arg(long)]
    refine: bool,
}

/// What `--augment` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum AugmentArg {
    /// the photo alone
    #[default]
    None,
    /// its mirror image as well, in twice the time
    Flip,
    /// three sizes, each mirrored as well, in about eight times
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
