//! Beyond the twelve numbers: intervals, comparison, TIDE, error analysis and VOC for an input that has been read.

use std::collections::HashMap;

use super::analysis::{Verdicts, judge};
use super::calibration::{Calibration, Closed, calibration};
use super::confusion::{Confused, confusion};
use super::draws::{Draws, Resampling};
use super::error::EvaluateError;
use super::evaluation::{self, rules};
use super::interval::Interval;
use super::missed::{Missed, missed};
use super::operating::{OperatingPoint, best, best_overall};
use super::overlap::overlap;
use super::params::Protocol;
use super::problem::Problem;
use super::quirk::Reading;
use super::resample::Resampler;
use super::tide::{self, Guess, Tide, TideImage, TideObject, TideThresholds};
use super::voc::{self, Sides, Voc};
use super::{Evaluator, lvis};
use crate::coco::{Among, Detections, Id, Index, IouType, Lookup, Traits};

/// What goes wrong at one IoU threshold.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Errors {
    /// The IoU threshold.
    pub iou: f64,
    /// The score to cut at for the best F1 over all categories.
    pub best_f1: Option<OperatingPoint>,
    /// The same for each category, in the categories' order.
    pub best_f1_per_class: Vec<Option<OperatingPoint>>,
    /// Whether scores mean what they say.
    pub calibration: Calibration,
    /// What is missed by any detection, whatever its score.
    pub missed: Missed,
    /// What is taken for what among the detections from `best_f1` up.
    pub confusion: Vec<Confused>,
}

/// How two results files differ.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Comparison {
    /// The numbers of the other file.
    pub other: Vec<f64>,
    /// Other less own, a number each.
    pub difference: Vec<f64>,
    /// Categories whose AP moved most.
    pub classes: Vec<Moved>,
    /// Images whose own AP moved most.
    pub images: Vec<Moved>,
}

/// Something whose AP moved.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Moved {
    /// Category or file name.
    pub name: String,
    /// An image's id as the annotations have it; none of a category.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub image_id: Option<serde_json::Value>,
    /// AP in the own results.
    pub own: f64,
    /// AP in the other results.
    pub other: f64,
}

/// Bins of the calibration.
const BINS: usize = 10;
/// Categories and images that a comparison names.
const NAMED: usize = 10;

impl Evaluator {
    /// Intervals of all numbers; none where fewer than [`LEAST_IMAGES`](super::LEAST_IMAGES) images, or clusters, have something to
    /// find, or all draws give the same.
    ///
    /// # Errors
    /// When the recall thresholds do not ascend, and as [`evaluate`](Evaluator::evaluate).
    pub fn intervals(
        &self,
        reading: Reading,
        resampling: &Resampling<'_>,
    ) -> Result<Vec<Interval>, EvaluateError> {
        Ok(self.draws(reading, resampling)?.intervals())
    }

    /// The numbers in each of many draws of the images: what intervals, means and differences are made of.
    ///
    /// # Errors
    /// As [`intervals`](Evaluator::intervals).
    pub fn draws(&self, reading: Reading, resampling: &Resampling<'_>) -> Result<Draws, EvaluateError> {
        Ok(self.resampler(reading)?.draws(resampling))
    }

    /// The numbers if every evaluated image, in order of ids, were there as often as its weight says.
    pub fn reweighted(&self, reading: Reading, weights: &[u32]) -> Result<Vec<f64>, EvaluateError> {
        Ok(self.resampler(reading)?.weighted(weights))
    }

    fn resampler(&self, reading: Reading) -> Result<Resampler, EvaluateError> {
        let groups = match self.params.protocol {
            Protocol::Coco => None,
            Protocol::Lvis => Some(lvis::groups(&self.set, &self.scope)?),
        };
        Resampler::new(&self.problem(reading)?, &self.params.read(reading), groups)
    }

    /// Compares with other results on the same annotations: what moved. [`Draws::less`] says whether that is more than chance.
    ///
    /// # Errors
    /// As [`evaluate`](Evaluator::evaluate).
    pub fn compare(&self, other: &Evaluator, reading: Reading) -> Result<Comparison, EvaluateError> {
        let (own, others) = (self.evaluate_as(reading, true)?, other.evaluate_as(reading, true)?);
        let all: Vec<usize> = (0..self.params.iou_thresholds.len()).collect();
        let last = own.arrays.shape[4] - 1;
        let classes = self.category_names().into_iter().enumerate().map(|(k, name)| Moved {
            name,
            image_id: None,
            own: own.arrays.category_ap(k, &all, 0, last),
            other: others.arrays.category_ap(k, &all, 0, last),
        });
        let images = self.image_aps(reading)?.into_iter().zip(other.image_aps(reading)?);
        let names: HashMap<Id, &str> = self.set.named_images().collect();
        let images = self.scope.images.iter().zip(images).map(|(id, (own, other))| Moved {
            name: names
                .get(id)
                .map_or_else(|| self.set.ids.show(*id).to_string(), |name| (*name).to_string()),
            image_id: Some(self.set.id_json(*id)),
            own,
            other,
        });
        Ok(Comparison {
            difference: own.stats.iter().zip(&others.stats).map(|(own, other)| other - own).collect(),
            other: others.stats,
            classes: most_moved(classes.collect()),
            images: most_moved(images.collect()),
        })
    }

    /// AP of every image on its own: the mean over its categories with ground truth; -1 where it has none.
    fn image_aps(&self, reading: Reading) -> Result<Vec<f64>, EvaluateError> {
        let problem = self.problem(reading)?;
        let rules = rules(&self.params, problem.images);
        let made = evaluation::each_category(&problem, &rules, true, |category, matched| {
            super::image_ap::of_category(&category.truths, &matched, &rules)
        });
        let mut sums = vec![(0.0, 0u32); problem.images];
        for (image, ap) in made.into_iter().flatten() {
            let sum = &mut sums[image as usize];
            *sum = (sum.0 + ap, sum.1 + 1);
        }
        Ok(sums
            .into_iter()
            .map(|(sum, count)| if count == 0 { -1.0 } else { sum / f64::from(count) })
            .collect())
    }

    /// TIDE of boxes or masks, with tidecv's numbers; `None` where there is no class at all.
    ///
    /// # Errors
    /// When key points are compared, of which TIDE knows nothing, and when the results cannot be read once more.
    pub fn tide(&self, thresholds: TideThresholds) -> Result<Option<Tide>, EvaluateError> {
        if self.params.iou_type == IouType::Keypoints {
            return Err(EvaluateError::Params("TIDE has no key points: leave out `--tide`".into()));
        }
        // tidecv counts classes that the data set does not list; only then are the results read once more.
        let foreign: Vec<Id> = self.detections.noticed.foreign_categories.keys().copied().collect();
        let own_annotations = self.set.annotations().map(|annotation| annotation.category);
        let mut classes = self.scope.categories.clone();
        if self.params.category_ids.is_none() {
            classes.extend(foreign.iter().copied().chain(own_annotations));
            let mut met = std::collections::HashSet::new();
            classes.retain(|&id| met.insert(id));
        }
        let index = Index::new(&classes);
        let boxes = self.params.iou_type == IouType::Bbox;
        let reread = if boxes && (foreign.is_empty() || self.params.category_ids.is_some()) {
            None
        } else {
            let mut lookup = self.lookup_across();
            lookup.categories = index.clone();
            lookup.category_count = classes.len();
            Some(Detections::open(self.detections.path(), &lookup)?)
        };
        let detections = reread.as_ref().unwrap_or(&self.detections);
        let mut scenes = vec![TideImage::default(); self.scope.images.len()];
        for annotation in self.set.annotations() {
            let places = self.scope.image(annotation.image).zip(index.get(annotation.category));
            let usable = match boxes {
                true => !annotation.traits.has(Traits::NO_BOX),
                false => !self.set.shape_troubles().all.contains_key(&annotation.shape),
            };
            if let Some((image, class)) = places.filter(|_| usable) {
                let (crowd, shape) = (annotation.traits.has(Traits::IGNORED), annotation.shape);
                scenes[image as usize].objects.push(TideObject {
                    class,
                    bbox: annotation.bbox,
                    crowd,
                    shape,
                });
            }
        }
        for class in 0..classes.len() {
            for (_, row) in detections.rows.of_group(class) {
                let guess = Guess { class: class as u32, bbox: row.bbox, score: row.score, order: row.order };
                scenes[row.image as usize].guesses.push(guess);
            }
        }
        // Images in the file's order, which decides between equal scores.
        let mut order: Vec<u32> =
            self.set.images().iter().filter_map(|image| self.scope.image(image.id)).collect();
        let mut met = vec![false; scenes.len()];
        order.retain(|&image| !std::mem::replace(&mut met[image as usize], true));
        let scenes: Vec<TideImage> =
            order.iter().map(|&image| std::mem::take(&mut scenes[image as usize])).collect();
        let iou = |guess: &Guess, object: &TideObject, crowd: bool| match detections.overlaps.as_deref() {
            None => overlap(&guess.bbox, &object.bbox, crowd),
            Some(overlaps) => overlaps.of(guess.order, object.shape, crowd),
        };
        Ok(tide::run(&scenes, classes.len(), thresholds, &iou))
    }

    /// How results are read to be compared with annotations of all categories.
    fn lookup_across(&self) -> Lookup {
        Lookup { among: Among::All, ..self.lookup.clone() }
    }

    /// What goes wrong at one IoU threshold.
    pub fn errors(&self, reading: Reading, iou: f64, closed: Closed) -> Result<Errors, EvaluateError> {
        // Masks and key points of other categories have not been compared: the results are read once more for it.
        let across = match &self.lookup.truths {
            None => None,
            Some(_) => Some(Detections::open(self.detections.path(), &self.lookup_across())?),
        };
        let detections = across.as_ref().unwrap_or(&self.detections);
        let problem = Problem::new(&self.set, detections, &self.scope, &self.params, reading)?;
        let verdicts: Vec<Verdicts> = judge(&problem, iou, self.largest_limit());
        let cut = best_overall(&verdicts);
        let whole = |low: f64, high: f64| low <= 0.0 && high >= 1e10;
        let ranges: Vec<_> =
            self.params.area_ranges.iter().filter(|range| !whole(range.low, range.high)).cloned().collect();
        Ok(Errors {
            iou,
            best_f1: cut,
            best_f1_per_class: verdicts.iter().map(best).collect(),
            calibration: calibration(&verdicts, BINS, closed),
            missed: missed(&problem, &verdicts, &ranges, &self.category_names()),
            confusion: confusion(&problem, &verdicts, cut.map_or(f64::NEG_INFINITY, |cut| cut.score), iou),
        })
    }

    /// The most detections of an image and category that count.
    pub(super) fn largest_limit(&self) -> u32 {
        self.params.max_dets.iter().max().map_or(u32::MAX, |&limit| limit.min(u32::MAX as usize) as u32)
    }

    /// PASCAL VOC's two average precisions at one IoU threshold.
    pub fn voc(&self, reading: Reading, iou: f64, sides: Sides) -> Result<Voc, EvaluateError> {
        if self.params.iou_type != IouType::Bbox {
            return Err(EvaluateError::Params("VOC's AP is of boxes: leave out `--iou-type`".into()));
        }
        let difficult: Vec<bool> = self
            .set
            .annotations()
            .map(|annotation| {
                annotation.traits.has(Traits::IGNORED) || annotation.traits.has(Traits::IGNORE_KEY)
            })
            .collect();
        Ok(voc::run(&self.problem(reading)?, iou, sides, |place| difficult[place as usize]))
    }
}

/// Those that moved, most first; what has no AP on a side did not move.
fn most_moved(mut all: Vec<Moved>) -> Vec<Moved> {
    let change = |moved: &Moved| (moved.other - moved.own).abs();
    all.retain(|moved| moved.own >= 0.0 && moved.other >= 0.0 && moved.own != moved.other);
    all.sort_by(|a, b| change(b).total_cmp(&change(a)).then_with(|| a.name.cmp(&b.name)));
    all.truncate(NAMED);
    all
}
