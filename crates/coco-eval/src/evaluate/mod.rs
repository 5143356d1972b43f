//! Judging detections against annotations, bit for bit as pycocotools and lvis do, and explaining the outcome.
//!
//! Never sees a network, nor a terminal. [`Evaluator::new`] reads the two files, [`Evaluator::evaluate`] gives the numbers,
//! [`Evaluator::warnings`] says what in the files makes them other than they seem.

mod analysis;
mod bias;
mod calibration;
mod cluster;
mod confusion;
mod curve;
mod draws;
mod error;
mod evaluation;
mod explain;
mod frame;
mod image_ap;
mod interval;
mod lvis;
mod matching;
mod mean;
mod misread;
mod missed;
mod mistakes;
mod npy;
mod operating;
mod overlap;
mod params;
mod per_class;
mod problem;
mod quirk;
mod resample;
mod rows_check;
mod sample;
mod scope;
mod seen;
mod summary;
mod tide;
mod voc;
mod warnings;

use std::path::Path;

pub use calibration::{Calibration, CalibrationBin, Closed};
pub use cluster::Clusters;
pub use confusion::Confused;
pub use draws::{Draws, Resampling};
pub use error::EvaluateError;
pub use evaluation::{Arrays, Evaluation};
pub use explain::{Comparison, Errors, Moved};
pub use interval::{Interval, IntervalKind, LEAST_IMAGES, student};
pub use missed::{Missed, MissedShare};
pub use mistakes::{Boxed, Mistakes};
pub use operating::OperatingPoint;
pub use overlap::overlap;
pub use params::{AreaRange, MOST_RANGES, MOST_THRESHOLDS, Params, Protocol, linspace};
pub use per_class::{ClassRow, per_class};
pub use quirk::Reading;
pub use seen::{Seen, SeenSource};
pub use summary::{
    AreaNumbers, COCO_NAMES, KEYPOINT_NAMES, LVIS_NAMES, area_lines, names as stat_names,
    text as summary_lines,
};
pub use tide::{KINDS as TIDE_KINDS, Tide, TideThresholds};
pub use voc::{Sides, Voc, VocAp};
pub use warnings::Warning;

pub(crate) use mean::pairwise;

use crate::coco::{Among, DataSet, Detections, IouType, Lookup, ReadError, Want};
use problem::Problem;
use scope::Scope;

/// Two files that belong together, and how to judge the one by the other.
#[derive(Debug)]
pub struct Evaluator {
    set: DataSet,
    detections: Detections,
    scope: Scope,
    lookup: Lookup,
    params: Params,
    /// Images that are left out, as nobody has looked at them.
    left_out: usize,
}

impl Evaluator {
    /// Reads annotations and results, to be judged with pycocotools' parameters.
    ///
    /// # Errors
    /// When a file cannot be read, or the two do not belong together.
    pub fn new(annotations: impl AsRef<Path>, results: impl AsRef<Path>) -> Result<Evaluator, EvaluateError> {
        Evaluator::open(annotations.as_ref(), results.as_ref(), &Params::default(), false)
    }

    /// Reads annotations and results. With `by_name`, images and categories are matched by file name and name where
    /// the results file has names.
    pub fn open(
        annotations: &Path,
        results: &Path,
        params: &Params,
        by_name: bool,
    ) -> Result<Evaluator, EvaluateError> {
        evaluation::check(params)?;
        let want = match params.iou_type {
            IouType::Bbox => Want::All,
            kind => Want::Shapes(kind),
        };
        let set = DataSet::read(annotations, want)?;
        Evaluator::of(set, params, by_name, |lookup| Detections::open(results, lookup))
    }

    /// As [`Evaluator::open`], of a data set that is there already and results that `read` reads against it.
    ///
    /// # Errors
    /// As [`Evaluator::open`].
    pub fn of(
        mut set: DataSet,
        params: &Params,
        by_name: bool,
        read: impl FnOnce(&Lookup) -> Result<Detections, ReadError>,
    ) -> Result<Evaluator, EvaluateError> {
        evaluation::check(params)?;
        if params.digits_are_numbers {
            set = set.with_numbers();
        }
        for (key, needed) in
            [("images", true), ("categories", true), ("annotations", params.protocol == Protocol::Lvis)]
        {
            if needed && !set.has(key) {
                return Err(EvaluateError::set(&set, format!("the annotations have no `{key}`")));
            }
        }
        let scope = Scope::new(&mut set, params)?;
        let mut lookup = scope.lookup(&set, params, by_name);
        lookup.truths = scope.truths(&mut set, params);
        lookup.among = match params.iou_type {
            _ if !params.class_agnostic => Among::Own,
            IouType::Keypoints => Among::None,
            _ => Among::All,
        };
        let detections = read(&lookup)?;
        let input = Evaluator { set, detections, scope, lookup, params: params.clone(), left_out: 0 };
        input.check_images(by_name)?;
        Ok(input)
    }

    /// The data set.
    pub fn set(&self) -> &DataSet {
        &self.set
    }

    /// The detections.
    pub fn detections(&self) -> &Detections {
        &self.detections
    }

    /// How the two are judged under a reading.
    pub fn params(&self, reading: Reading) -> Params {
        self.params.read(reading)
    }

    /// Names of the evaluated categories, in the arrays' order; one where all are one.
    pub fn category_names(&self) -> Vec<String> {
        if self.scope.together.is_some() {
            return vec!["all categories".into()];
        }
        self.scope.categories.iter().map(|&id| self.set.category_name(id)).collect()
    }

    /// Evaluates as pycocotools does, its quirks included, with all arrays.
    ///
    /// # Errors
    /// When ids have no common order, or areas or boxes are missing.
    pub fn evaluate(&self) -> Result<Evaluation, EvaluateError> {
        self.evaluate_as(Reading::default(), true)
    }

    /// The arrays under other thresholds, limits and area ranges than the evaluator's own; which images and categories are
    /// evaluated stays.
    ///
    /// # Errors
    /// As [`evaluate`](Evaluator::evaluate).
    pub fn arrays(&self, params: &Params) -> Result<Arrays, EvaluateError> {
        evaluation::check(params)?;
        let problem = self.problem(Reading::default())?;
        Ok(evaluation::run(&problem, params, None, true).arrays)
    }

    /// Evaluates under a reading of the files. With `full`, the arrays are complete; else they hold only what the
    /// summary needs.
    ///
    /// # Errors
    /// As [`evaluate`](Evaluator::evaluate).
    pub fn evaluate_as(&self, reading: Reading, full: bool) -> Result<Evaluation, EvaluateError> {
        self.evaluate_detections(&self.detections, reading, full)
    }

    fn evaluate_detections(
        &self,
        detections: &Detections,
        reading: Reading,
        full: bool,
    ) -> Result<Evaluation, EvaluateError> {
        self.evaluate_in(&self.scope, detections, reading, full)
    }

    fn evaluate_in(
        &self,
        scope: &Scope,
        detections: &Detections,
        reading: Reading,
        full: bool,
    ) -> Result<Evaluation, EvaluateError> {
        self.evaluate_set(&self.set, scope, detections, reading, full)
    }

    fn evaluate_set(
        &self,
        set: &DataSet,
        scope: &Scope,
        detections: &Detections,
        reading: Reading,
        full: bool,
    ) -> Result<Evaluation, EvaluateError> {
        let problem = Problem::new(set, detections, scope, &self.params, reading)?;
        let groups = match self.params.protocol {
            Protocol::Coco => None,
            Protocol::Lvis => Some(lvis::groups(set, scope)?),
        };
        Ok(evaluation::run(&problem, &self.params.read(reading), groups.as_deref(), full))
    }

    fn problem(&self, reading: Reading) -> Result<Problem<'_>, EvaluateError> {
        Problem::new(&self.set, &self.detections, &self.scope, &self.params, reading)
    }
}
