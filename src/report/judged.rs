//! What an evaluation says, read from what `rcnn evaluate --json` prints or measured anew.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::lines::{DrawnPlot, Lines};
use super::plot;
use coco_eval::{
    ClassRow, Closed, Errors, EvaluateError, Evaluation, Evaluator, Interval, IntervalKind, IouType,
    Mistakes, Params, Reading, Resampling, TIDE_KINDS, TideThresholds, per_class, stat_names,
};

/// Draws for the intervals.
const RESAMPLES: usize = 1000;
/// IoU from which a detection is right, where errors are shown.
const IOU: f64 = 0.5;

/// Everything that is there; a part that nobody asked for is absent.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct EvaluationReport {
    /// COCO's or lvis' numbers.
    pub stats: Vec<f64>,
    /// Their names.
    pub names: Vec<String>,
    /// pycocotools' word for what of objects is compared.
    #[serde(default)]
    pub iou_type: String,
    /// What the evaluator warns of.
    #[serde(default)]
    pub warnings: Vec<WarningReport>,
    /// Intervals of the numbers.
    pub bootstrap: Option<Bootstrap>,
    /// Numbers of each category.
    pub per_class: Option<Vec<ClassRow>>,
    /// TIDE's kinds of errors.
    pub tide: Option<TideReport>,
    /// What goes wrong at one IoU threshold.
    pub errors: Option<NamedErrors>,
    /// Precision at 101 recalls, over all categories.
    #[serde(skip)]
    pub(super) curves: Vec<(String, Vec<(f64, f64)>)>,
    /// By category its precision at IoU 0.5 and recalls from 0 to 1; only those with something to find.
    #[serde(skip)]
    pub(super) class_curves: Vec<(String, Vec<f64>)>,
    /// What is right and wrong in each image, with the names of the categories.
    #[serde(skip)]
    pub(super) mistakes: Vec<Mistakes>,
}

/// A sentence of the evaluator's.
#[derive(Clone, Debug, Deserialize)]
pub struct WarningReport {
    /// The sentence.
    pub message: String,
}

/// Intervals from images drawn anew.
#[derive(Clone, Debug, Deserialize)]
pub struct Bootstrap {
    /// How many draws.
    pub resamples: usize,
    /// How intervals are made of them; percentiles where an older version does not say.
    #[serde(default = "percentile")]
    pub method: IntervalKind,
    /// One a number.
    pub intervals: Vec<Interval>,
    /// The same where whole clusters of images are drawn.
    pub clusters: Option<ByCluster>,
}

fn percentile() -> IntervalKind {
    IntervalKind::Percentile
}

/// Intervals from clusters of images drawn anew.
#[derive(Clone, Debug, Deserialize)]
pub struct ByCluster {
    /// What makes the clusters.
    pub key: String,
    /// How many clusters there are.
    pub count: usize,
    /// One a number.
    pub intervals: Vec<Interval>,
}

/// TIDE by tidecv's names; APs from 0 to 100.
#[derive(Clone, Debug, Deserialize)]
pub struct TideReport {
    /// tidecv's own AP.
    pub ap: Option<f64>,
    /// AP gained if all errors of a kind were put right.
    pub main: BTreeMap<String, f64>,
    /// Errors of each kind.
    pub counts: BTreeMap<String, u64>,
}

/// Errors, and the categories that they number.
#[derive(Clone, Debug, Deserialize)]
pub struct NamedErrors {
    /// What goes wrong.
    #[serde(flatten)]
    pub errors: Errors,
    /// The categories' names.
    pub categories: Vec<String>,
}

impl EvaluationReport {
    /// Judges boxes or masks of results by annotations, with everything that can be said; intervals by cluster as well where `cluster` says what
    /// belongs together, as [`Evaluator::clusters`] takes it.
    ///
    /// # Errors
    /// When either file cannot be read or does not fit the other, or there are no such clusters.
    pub fn measure(
        annotations: &Path,
        results: &Path,
        method: IntervalKind,
        cluster: Option<&str>,
        iou_type: IouType,
    ) -> Result<EvaluationReport, EvaluateError> {
        let params = Params::of(iou_type);
        let reading = Reading::default();
        let input = Evaluator::open(annotations, results, &params, false)?;
        let evaluation = input.evaluate_as(reading, true)?;
        let clusters = cluster.map(|key| input.clusters(key)).transpose()?;
        let mut warnings = input.warnings(&evaluation, reading);
        if clusters.is_none() {
            warnings.extend(input.about_clusters());
        }
        let intervals =
            |clusters| input.intervals(reading, &Resampling { count: RESAMPLES, seed: 0, method, clusters });
        let by_cluster = match &clusters {
            Some(clusters) => Some(ByCluster {
                key: clusters.key.clone(),
                count: clusters.count,
                intervals: intervals(Some(clusters))?,
            }),
            None => None,
        };
        let tide = input.tide(TideThresholds::default())?;
        Ok(EvaluationReport {
            names: stat_names(&params),
            iou_type: iou_type.name().into(),
            warnings: warnings
                .into_iter()
                .map(|warning| WarningReport { message: warning.message })
                .collect(),
            bootstrap: Some(Bootstrap {
                resamples: RESAMPLES,
                method,
                intervals: intervals(None)?,
                clusters: by_cluster,
            }),
            per_class: Some(per_class(&input, &evaluation, &params)),
            tide: tide.map(|tide| TideReport {
                ap: Some(tide.ap),
                main: named(tide.main),
                counts: named(tide.counts),
            }),
            errors: Some(NamedErrors {
                errors: input.errors(reading, IOU, Closed::default())?,
                categories: input.category_names(),
            }),
            curves: curves(&evaluation, &params),
            class_curves: class_curves(&evaluation, &params, &input.category_names()),
            mistakes: input.mistakes(reading, IOU)?,
            stats: evaluation.stats,
        })
    }

    /// Precision over recall as SVG; none where it was not measured.
    pub(super) fn precision_plot(&self) -> Result<Option<DrawnPlot>, plot::PlotError> {
        if self.curves.is_empty() {
            return Ok(None);
        }
        let series = self.curves.clone();
        Lines { x_label: "recall", y_label: "precision, mean of all categories", series }.svg().map(Some)
    }

    /// The categories' curves as JSON that can stand in HTML: names, and precision with three digits.
    pub(super) fn class_curves_json(&self) -> String {
        if self.class_curves.is_empty() {
            return String::new();
        }
        let round = |value: &f64| (value * 1000.0).round() / 1000.0;
        let curves = self.class_curves.iter().map(|(name, precision)| {
            serde_json::json!([name, precision.iter().map(round).collect::<Vec<f64>>()])
        });
        serde_json::Value::from_iter(curves).to_string().replace('<', "\\u003c")
    }

    /// The share of right detections over their score as SVG.
    pub(super) fn calibration_plot(&self) -> Result<Option<DrawnPlot>, plot::PlotError> {
        let Some(NamedErrors { errors, .. }) = &self.errors else { return Ok(None) };
        let bins = errors.calibration.bins.iter().filter(|bin| bin.count > 0);
        let series = vec![
            ("scores as they are".into(), bins.map(|bin| (bin.confidence, bin.accuracy)).collect()),
            ("scores that mean what they say".into(), vec![(0.0, 0.0), (1.0, 1.0)]),
        ];
        Lines { x_label: "score", y_label: "share that is right", series }.svg().map(Some)
    }
}

fn named<T: Copy>(values: [T; 6]) -> BTreeMap<String, T> {
    TIDE_KINDS.iter().map(|kind| (*kind).to_owned()).zip(values).collect()
}

/// Most categories that have curves of their own on a page: more would make it large.
const MOST_CURVES: usize = 400;

fn class_curves(evaluation: &Evaluation, params: &Params, names: &[String]) -> Vec<(String, Vec<f64>)> {
    let [_, recalls, categories, _, limits] = evaluation.arrays.shape;
    let Some(threshold) = params.iou_thresholds.iter().position(|&iou| iou == IOU) else { return Vec::new() };
    let curve = |category: usize| {
        let at = |recall| evaluation.arrays.precision_at(threshold, recall, category, 0, limits - 1);
        let curve: Vec<f64> = (0..recalls).map(at).collect();
        let name = names.get(category)?.clone();
        curve.iter().all(|&precision| precision > -1.0).then_some((name, curve))
    };
    (0..categories).filter_map(curve).take(MOST_CURVES).collect()
}

/// Precision over recall at two IoU thresholds and as the mean of all, each the mean of the categories that have
/// something to find.
fn curves(evaluation: &Evaluation, params: &Params) -> Vec<(String, Vec<(f64, f64)>)> {
    let [thresholds, recalls, categories, _, limits] = evaluation.arrays.shape;
    let curve = |chosen: &[usize]| -> Vec<(f64, f64)> {
        let at = |recall: usize| {
            let (mut sum, mut count) = (0.0, 0u32);
            for &threshold in chosen {
                for category in 0..categories {
                    let precision =
                        evaluation.arrays.precision_at(threshold, recall, category, 0, limits - 1);
                    if precision > -1.0 {
                        (sum, count) = (sum + precision, count + 1);
                    }
                }
            }
            (params.recall_thresholds[recall], if count == 0 { 0.0 } else { sum / f64::from(count) })
        };
        (0..recalls).map(at).collect()
    };
    let place = |wanted: f64| params.iou_thresholds.iter().position(|&iou| iou == wanted);
    let single =
        [0.5, 0.75].into_iter().filter_map(|iou| Some((format!("IoU {iou}"), curve(&[place(iou)?]))));
    let all: Vec<usize> = (0..thresholds).collect();
    single.chain([("mean of IoU 0.5 to 0.95".to_owned(), curve(&all))]).collect()
}
