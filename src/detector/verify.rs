//! Comparing a model with what its framework recorded, stage by stage, and saying where they part first.
//!
//! A reference folder holds `config.json` (the picture that the stages belong to, and tolerances),
//! `expected.json` (detections a picture) and `stages.safetensors`. Knows no family: only numbers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

use super::{Detector, Input, Prediction, Trace};
use crate::checkpoint::{self, Checkpoint};
use crate::geometry::BBox;
use crate::photo::{self, Photo};
use coco_eval::Rle;

/// Proposals further than this from every recorded one, in pixels, count as unmatched.
const UNMATCHED: f64 = 0.25;

/// Allowed where a reference says nothing: a box coordinate in pixels, and anything else.
const BOX_TOLERANCE: f64 = 0.05;
const OTHER_TOLERANCE: f64 = 1e-3;

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct StageComparison {
    /// What was compared: `input`, `features.0` …, `proposals`, `box.logits`, `mask.logits`, `detections`, `scores`,
    /// `masks` (pixels that differ, as a share of those that may).
    pub stage: String,
    /// The picture.
    pub file: String,
    /// Largest absolute difference; infinite where the shapes or the counts differ.
    pub difference: f64,
    /// What is allowed.
    pub allowed: f64,
    /// Why there is no number, where there is none.
    pub note: Option<String>,
}

impl StageComparison {
    /// Whether the difference is within what is allowed.
    pub fn agrees(&self) -> bool {
        self.difference <= self.allowed
    }
}

/// All comparisons, in the order of the computation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verification {
    /// Stages of one picture first, then the detections of every picture.
    pub steps: Vec<StageComparison>,
}

impl Verification {
    /// Where model and reference part first; nothing where they agree.
    pub fn first_difference(&self) -> Option<&StageComparison> {
        self.steps.iter().find(|step| !step.agrees())
    }

    /// Largest difference of a stage over all pictures.
    pub fn worst(&self, stage: &str) -> Option<f64> {
        self.steps.iter().filter(|step| step.stage == stage).map(|step| step.difference).reduce(f64::max)
    }
}

/// What is wrong with a file of a reference.
#[derive(Debug, thiserror::Error)]
pub enum InvalidReference {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It is no JSON of that kind.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It is no picture.
    #[error("{}", .0.detail)]
    Picture(#[from] photo::DecodeError),
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file of the reference cannot be read.
    #[error("cannot read `{}`: {cause}", path.display())]
    Reference {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        cause: InvalidReference,
    },
    /// The recorded tensors cannot be read.
    #[error("cannot read `{}`: {cause}", path.display())]
    Stages {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        cause: checkpoint::CheckpointError,
    },
    /// A picture is not where it is looked for.
    #[error(
        "the picture `{0}` is neither in the reference folder nor in an `images` folder in it or beside it"
    )]
    NoPicture(String),
    /// The model failed.
    #[error(transparent)]
    Detector(#[from] super::DetectorError),
}

#[derive(Deserialize)]
struct ReferenceConfig {
    stage_image: Option<String>,
    #[serde(default)]
    tolerance: serde_json::Map<String, serde_json::Value>,
}

impl ReferenceConfig {
    /// The tolerance of a stage: under `stages`, or beside the others.
    fn allowed(&self, stage: &str) -> Option<f64> {
        let within = self.tolerance.get("stages").and_then(|stages| stages.get(stage));
        within.or_else(|| self.tolerance.get(stage)).and_then(serde_json::Value::as_f64)
    }

    fn allowed_or(&self, stage: &str, otherwise: f64) -> f64 {
        self.allowed(stage).unwrap_or(otherwise)
    }
}

#[derive(Deserialize)]
struct ReferenceDetections {
    images: Vec<ExpectedImage>,
}

#[derive(Deserialize)]
struct ExpectedImage {
    file: String,
    detections: Vec<ExpectedDetection>,
}

#[derive(Deserialize)]
struct ExpectedDetection {
    label: usize,
    score: f64,
    #[serde(rename = "box")]
    corners: [f64; 4],
    /// Of a model with masks, in the picture's own pixels.
    mask: Option<Rle>,
    /// Pixels in which a mask may differ.
    mask_pixels_allowed: Option<u32>,
}

/// Compares a model with a reference folder: the stages of one picture where they are recorded, and the detections
/// of every picture.
///
/// # Errors
/// When the folder cannot be read, or a session fails. A difference is no error but part of the [`Verification`].
pub fn verify(detector: &Detector, folder: &Path) -> Result<Verification, VerifyError> {
    let config: ReferenceConfig = read_json(&folder.join("config.json"))?;
    let expected: ReferenceDetections = read_json(&folder.join("expected.json"))?;
    let mut verdict = Verification::default();
    let stages = folder.join("stages.safetensors");
    if let (Some(file), true) = (&config.stage_image, stages.is_file()) {
        let recorded = read_stages(&stages)?;
        let photo = read_picture(detector, folder, file)?;
        compare_stages(detector, &config, file, &photo, &recorded, &mut verdict.steps)?;
        if let Some(image) = expected.images.iter().find(|image| image.file == *file) {
            compare_mask_logits(detector, &config, image, &photo, &recorded, &mut verdict.steps)?;
        }
    }
    for image in &expected.images {
        let found = detector.predict(&read_picture(detector, folder, &image.file)?)?;
        compare_detections(&config, image, &found, &mut verdict.steps);
    }
    Ok(verdict)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, VerifyError> {
    let wrong = |cause| VerifyError::Reference { path: path.into(), cause };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.into()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.into()))
}

fn read_stages(path: &Path) -> Result<BTreeMap<String, ArrayD<f32>>, VerifyError> {
    let wrong = |cause| VerifyError::Stages { path: path.into(), cause };
    let file = Checkpoint::open(path).map_err(wrong)?;
    let array = |tensor: &checkpoint::Tensor| {
        let values = tensor.to_f32(&file).map_err(wrong)?;
        // A checkpoint's tensor has as many values as its shape says.
        let array = ArrayD::from_shape_vec(IxDyn(tensor.shape()), values).unwrap_or_default();
        Ok((tensor.name().to_owned(), array))
    };
    file.tensors().map(array).collect()
}

fn read_picture(detector: &Detector, folder: &Path, file: &str) -> Result<Photo, VerifyError> {
    let homes = [folder.join("images"), folder.join("../images"), folder.into()];
    let path = homes.iter().map(|home| home.join(file)).find(|path| path.is_file());
    let path = path.ok_or_else(|| VerifyError::NoPicture(file.escape_debug().to_string()))?;
    let decoded = photo::decode(&path, &detector.reading(&photo::DecodeOptions::default()));
    decoded.map_err(|error| VerifyError::Reference { path, cause: error.into() })
}

fn compare_stages(
    detector: &Detector,
    config: &ReferenceConfig,
    file: &str,
    photo: &Photo,
    recorded: &BTreeMap<String, ArrayD<f32>>,
    steps: &mut Vec<StageComparison>,
) -> Result<(), VerifyError> {
    let own = detector.prepare(photo)?;
    let compare = |stage: &str, mine: ArrayViewD<'_, f32>, steps: &mut Vec<StageComparison>| {
        if let Some(theirs) = recorded.get(stage) {
            let (difference, note) = compare_arrays(&mine, &theirs.view());
            let allowed = config.allowed_or(stage, OTHER_TOLERANCE);
            steps.push(StageComparison { stage: stage.into(), file: file.into(), difference, allowed, note });
        }
    };
    let shape = [1, 3, own.padded.0, own.padded.1];
    if let Ok(mine) = ArrayViewD::from_shape(IxDyn(&shape), &own.tensor) {
        compare("input", mine, steps);
    }
    // Later stages are judged from the recorded input, so that a difference shows once, where it begins.
    let input = match recorded.get("input") {
        Some(theirs) if theirs.shape() == shape => Input { tensor: theirs.iter().copied().collect(), ..own },
        _ => own,
    };
    let boxes: Option<Vec<BBox>> = recorded.get("proposals").map(boxes);
    let of_head = ["box.logits", "box.deltas"].map(str::to_owned);
    let trace = detector.trace(input, boxes.as_deref(), &[], &of_head)?;
    for kind in ["features", "rpn.logits", "rpn.deltas"] {
        for level in 0.. {
            let stage = format!("{kind}.{level}");
            let Some(map) = trace.trunk.get(&stage) else { break };
            compare(&stage, map.view().map_err(super::DetectorError::from)?, steps);
        }
    }
    compare_proposals(config, file, &trace, recorded, steps);
    let several = trace.heads.len() > 1;
    for (place, head) in trace.heads.iter().enumerate() {
        let numbered = |name: &str| if several { format!("{name}.{place}") } else { name.to_owned() };
        if place > 0 {
            let corners = head.boxes.iter().flat_map(|b| [b.x1, b.y1, b.x2, b.y2]).collect();
            if let Ok(boxes) = ArrayD::from_shape_vec(IxDyn(&[head.boxes.len(), 4]), corners) {
                compare(&numbered("proposals"), boxes.view(), steps);
            }
        }
        for name in &of_head {
            if let Some(rows) = head.rows(name)? {
                compare(&numbered(name), rows.view(), steps);
            }
        }
    }
    Ok(())
}

/// What the mask heads give for the recorded detections, in their order.
fn compare_mask_logits(
    detector: &Detector,
    config: &ReferenceConfig,
    image: &ExpectedImage,
    photo: &Photo,
    recorded: &BTreeMap<String, ArrayD<f32>>,
    steps: &mut Vec<StageComparison>,
) -> Result<(), VerifyError> {
    let there = recorded.keys().any(|name| name.starts_with("mask.logits"));
    if !there || image.detections.is_empty() {
        return Ok(());
    }
    let input = detector.prepare(photo)?;
    let (x, y) = input.on_its_way().forth();
    let boxes = image.detections.iter().map(|one| {
        let [x1, y1, x2, y2] = one.corners.map(|corner| corner as f32);
        BBox::new(x1, y1, x2, y2).scale(x, y)
    });
    let heads = detector.trace_masks(input, boxes.collect())?;
    for (place, logits) in heads.iter().enumerate() {
        let stage = if heads.len() > 1 { format!("mask.logits.{place}") } else { "mask.logits".into() };
        let Some(theirs) = recorded.get(&stage) else { continue };
        let (difference, note) = compare_arrays(&logits.view(), &theirs.view());
        let allowed = config.allowed_or(&stage, OTHER_TOLERANCE);
        steps.push(StageComparison { stage, file: image.file.clone(), difference, allowed, note });
    }
    Ok(())
}

/// Boxes of an array of (boxes, 4); none of another.
fn boxes(array: &ArrayD<f32>) -> Vec<BBox> {
    if array.ndim() != 2 {
        return Vec::new();
    }
    let corners = array.axis_iter(Axis(0)).filter(|row| row.len() == 4);
    corners.map(|row| BBox::new(row[0], row[1], row[2], row[3])).collect()
}

/// Background rows that one framework has and the other leaves out are the family's business: shapes must agree.
fn compare_arrays(mine: &ArrayViewD<'_, f32>, theirs: &ArrayViewD<'_, f32>) -> (f64, Option<String>) {
    if mine.shape() != theirs.shape() {
        let note = format!("its shape is {:?}, {:?} recorded", mine.shape(), theirs.shape());
        return (f64::INFINITY, Some(note));
    }
    let differences = mine.iter().zip(theirs).map(|(a, b)| distance(f64::from(*a), f64::from(*b)));
    (differences.fold(0.0, f64::max), None)
}

/// Absolute difference; infinite where either is NaN.
fn distance(a: f64, b: f64) -> f64 {
    let difference = (a - b).abs();
    if difference.is_nan() { f64::INFINITY } else { difference }
}

fn furthest(a: &BBox, b: &BBox) -> f64 {
    let corners = |b: &BBox| [b.x1, b.y1, b.x2, b.y2].map(f64::from);
    corners(a).into_iter().zip(corners(b)).map(|(a, b)| distance(a, b)).fold(0.0, f64::max)
}

/// Pairs each recorded proposal with the nearest of ours: rounding swaps those of almost equal score.
fn compare_proposals(
    config: &ReferenceConfig,
    file: &str,
    trace: &Trace,
    recorded: &BTreeMap<String, ArrayD<f32>>,
    steps: &mut Vec<StageComparison>,
) {
    let Some(theirs) = recorded.get("proposals").map(boxes) else { return };
    let scores = recorded.get("proposals.scores");
    let (mut box_worst, mut score_worst, mut unmatched) = (0.0f64, 0.0f64, 0usize);
    for (i, theirs) in theirs.iter().enumerate() {
        let score = scores.and_then(|scores| scores.get(i)).map(|&score| f64::from(score));
        let apart = |score_of: f32| score.map_or(0.0, |score| distance(f64::from(score_of), score));
        let nearest = trace.proposals.iter().map(|mine| (furthest(&mine.bbox, theirs), apart(mine.score)));
        match nearest.min_by(|a, b| (a.0 + a.1).total_cmp(&(b.0 + b.1))) {
            Some((far, apart)) if far < UNMATCHED => {
                box_worst = box_worst.max(far);
                score_worst = score_worst.max(apart);
            }
            _ => unmatched += 1,
        }
    }
    unmatched = unmatched.max(trace.proposals.len().abs_diff(theirs.len()));
    let mut push = |stage: &str, difference: f64, allowed: f64, note| {
        steps.push(StageComparison { stage: stage.into(), file: file.into(), difference, allowed, note });
    };
    let counts =
        (unmatched > 0).then(|| format!("{} proposals, {} recorded", trace.proposals.len(), theirs.len()));
    push("proposals.unmatched", unmatched as f64, config.allowed_or("proposals.unmatched", 0.0), counts);
    push("proposals", box_worst, config.allowed_or("proposals", BOX_TOLERANCE), None);
    if scores.is_some() {
        push("proposals.scores", score_worst, config.allowed_or("proposals.scores", OTHER_TOLERANCE), None);
    }
}

/// Same count, and for each expected detection the nearest found one of its class that no other has taken.
fn compare_detections(
    config: &ReferenceConfig,
    image: &ExpectedImage,
    found: &[Prediction],
    steps: &mut Vec<StageComparison>,
) {
    let (mut box_worst, mut score_worst, mut note) = (0.0f64, 0.0f64, None);
    let mut mask_worst: Option<f64> = None;
    let mut left: Vec<&Prediction> = found.iter().collect();
    if found.len() != image.detections.len() {
        note = Some(format!("{} detections, {} expected", found.len(), image.detections.len()));
    }
    for expected in &image.detections {
        let apart = |d: &Prediction| {
            let corners = [d.bbox.x1, d.bbox.y1, d.bbox.x2, d.bbox.y2].map(f64::from);
            let far =
                corners.iter().zip(&expected.corners).map(|(a, b)| distance(*a, *b)).fold(0.0, f64::max);
            (far, distance(f64::from(d.score), expected.score))
        };
        let same_class = left.iter().enumerate().filter(|(_, d)| d.class == expected.label);
        let nearest =
            same_class.map(|(i, d)| (i, apart(d))).min_by(|a, b| (a.1.0 + a.1.1).total_cmp(&(b.1.0 + b.1.1)));
        match nearest {
            Some((i, (far, score))) => {
                let found = left.remove(i);
                if let Some(mask) = &expected.mask {
                    let share = share_of_allowed(mask, found, expected);
                    mask_worst = Some(mask_worst.map_or(share, |worst| worst.max(share)));
                }
                box_worst = box_worst.max(far);
                score_worst = score_worst.max(score);
            }
            None if note.is_none() => {
                note = Some(format!("the class {} is found too rarely", expected.label))
            }
            None => {}
        }
    }
    if note.is_some() {
        box_worst = f64::INFINITY;
    }
    let step = |stage: &str, difference, allowed, note| StageComparison {
        stage: stage.into(),
        file: image.file.clone(),
        difference,
        allowed,
        note,
    };
    steps.push(step("detections", box_worst, config.allowed_or("box_px", BOX_TOLERANCE), note));
    steps.push(step("scores", score_worst, config.allowed_or("score", OTHER_TOLERANCE), None));
    steps.extend(mask_worst.map(|share| step("masks", share, 1.0, None)));
}

/// Pixels in which a mask differs from the expected one, as a share of those that may; infinite where there is none.
fn share_of_allowed(mask: &Rle, found: &Prediction, expected: &ExpectedDetection) -> f64 {
    let Some(own) = &found.mask else { return f64::INFINITY };
    let own = own.paste((mask.width(), mask.height()));
    let both = [own, mask.clone()];
    let differing = Rle::merge(&both, false).area() - Rle::merge(&both, true).area();
    f64::from(differing) / f64::from(expected.mask_pixels_allowed.unwrap_or(0).max(1))
}
