//! What `rcnn evaluate` found: the document of `--json`, and the lines for a person.

use std::fmt;

use coco_eval::{
    AreaNumbers, ClassRow, Comparison, Errors, Interval, IntervalKind, TIDE_KINDS, Tide, Voc, Warning,
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

/// Everything that was asked for.
#[derive(Default, Serialize)]
pub(super) struct EvaluateReport {
    pub(super) stats: Vec<f64>,
    pub(super) names: Vec<String>,
    pub(super) iou_type: &'static str,
    pub(super) warnings: Vec<Warning>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) areas: Vec<AreaNumbers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) voc: Option<VocReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_class: Option<Vec<ClassRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bootstrap: Option<BootstrapReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) versus: Option<VersusReport>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "tide")]
    pub(super) tide: Option<Tide>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) errors: Option<ErrorsReport>,
    /// For a person.
    #[serde(skip)]
    pub(super) lines: Vec<String>,
}

impl fmt::Display for EvaluateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// VOC's numbers with the categories' names.
#[derive(Serialize)]
pub(super) struct VocReport {
    #[serde(flatten)]
    pub(super) voc: Voc,
    pub(super) names: Vec<String>,
}

/// Errors with the categories' names.
#[derive(Serialize)]
pub(super) struct ErrorsReport {
    #[serde(flatten)]
    pub(super) errors: Errors,
    pub(super) categories: Vec<String>,
}

/// Intervals over images, and over whole groups of them where these are known.
#[derive(Serialize)]
pub(super) struct BootstrapReport {
    pub(super) resamples: usize,
    pub(super) seed: u64,
    pub(super) method: IntervalKind,
    pub(super) intervals: Vec<Interval>,
    pub(super) clusters: Option<ClustersReport>,
}

/// Intervals over whole groups of images.
#[derive(Serialize)]
pub(super) struct ClustersReport {
    /// What tells the groups apart.
    pub(super) key: String,
    /// How many groups there are.
    pub(super) count: usize,
    /// How many images are a group of their own.
    pub(super) images_alone: usize,
    pub(super) intervals: Vec<Interval>,
}

/// A comparison with other results: differences are theirs less ours.
#[derive(Serialize)]
pub(super) struct VersusReport {
    #[serde(flatten)]
    pub(super) comparison: Comparison,
    pub(super) warnings: Vec<Warning>,
    pub(super) intervals: Vec<Interval>,
    pub(super) clusters: Option<ClustersReport>,
    pub(super) method: IntervalKind,
}

/// TIDE by tidecv's names.
fn tide<S: Serializer>(tide: &Option<Tide>, to: S) -> Result<S::Ok, S::Error> {
    let Some(tide) = tide else { return to.serialize_none() };
    let main: Map<String, Value> =
        TIDE_KINDS.iter().zip(tide.main).map(|(kind, gain)| ((*kind).into(), gain.into())).collect();
    let counts: Map<String, Value> =
        TIDE_KINDS.iter().zip(tide.counts).map(|(kind, count)| ((*kind).into(), count.into())).collect();
    json!({
        "ap": tide.ap,
        "main": main,
        "special": {"FalsePos": tide.false_positive, "FalseNeg": tide.false_negative},
        "counts": counts,
    })
    .serialize(to)
}
