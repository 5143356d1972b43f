//! Results against the annotations, and against the first results: numbers with the intervals in which they lie.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::trainings::{self, Trainings};
use super::{CompareError, Costs};
use coco_eval::ResultId;
use coco_eval::{
    Clusters, Draws, Evaluator, Interval, IntervalKind, IouType, Moved, Params, Reading, Resampling, Warning,
};

/// What is compared: results of a model, or those of several trainings of one.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What it is called.
    pub name: String,
    /// Results, a file a training.
    pub results: Vec<PathBuf>,
    /// What it costs; nothing where saved results were given.
    pub costs: Option<Costs>,
}

/// On what to judge, and how intervals are made.
#[derive(Clone, Copy, Debug)]
pub struct Judging<'a> {
    /// The images, or all that are annotated.
    pub image_ids: Option<&'a [ResultId]>,
    /// Draws of the photos.
    pub resamples: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// How intervals are made of them.
    pub method: IntervalKind,
    /// What makes clusters of the photos, beside which draws of single photos stand: as [`Evaluator::clusters`] takes it.
    pub cluster: Option<&'a str>,
    /// Whether boxes or masks are compared.
    pub iou_type: IouType,
}

/// One model's numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct JudgedModel {
    /// What it is called.
    pub name: String,
    /// The twelve numbers; of several trainings their means.
    pub stats: Vec<f64>,
    /// Where each of them lies on other photos of this kind.
    pub intervals: Vec<Interval>,
    /// The same where whole clusters of photos are drawn.
    pub by_cluster: Option<Vec<Interval>>,
    /// What makes clusters of the photos, and how many there are.
    pub clusters: Option<String>,
    /// Of several trainings the AP of each.
    pub trainings: Option<Trainings>,
    /// What it costs; nothing where saved results were given.
    pub costs: Option<Costs>,
    /// How it differs from the first; nothing for the first.
    pub difference: Option<Difference>,
    /// What makes the numbers other than they seem.
    pub warnings: Vec<Warning>,
}

/// How one model differs from the first, over the same draws of photos for both.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Its numbers less the first one's.
    pub stats: Vec<f64>,
    /// Where these differences lie on other photos.
    pub intervals: Vec<Interval>,
    /// The same where whole clusters of photos are drawn.
    pub by_cluster: Option<Vec<Interval>>,
    /// Where the difference of AP lies in other trainings, on these photos; nothing where each is trained once.
    pub between_trainings: Option<Interval>,
    /// Where it lies in other trainings on other photos.
    pub in_all: Option<Interval>,
    /// AP gained, as a share of the first one's AP: the paper's +28 % from VGG-16 to ResNet-101. NaN where that is 0.
    pub relative: f64,
    /// Whether some interval of AP's difference holds 0; nothing where there is none, and so no verdict.
    pub within_noise: Option<bool>,
    /// Classes whose AP moved most: name, AP of the first, its own. None where there are several trainings.
    pub classes: Vec<Moved>,
    /// Photos whose AP moved most.
    pub photos: Vec<Moved>,
}

/// An id as evaluation's parameters write it: strings in quotation marks.
fn written(id: &ResultId) -> String {
    match id {
        ResultId::Number(id) => id.to_string(),
        ResultId::Text(id) => format!("\"{id}\""),
    }
}

/// What the evaluator is to judge.
pub(super) fn params(how: &Judging<'_>) -> Params {
    let image_ids = how.image_ids.map(|ids| ids.iter().map(written).collect());
    Params { image_ids, ..Params::of(how.iou_type) }
}

/// A candidate while it is judged.
struct Contest {
    /// The first training's results.
    input: Evaluator,
    /// AP of each training.
    aps: Vec<f64>,
    draws: Draws,
    by_cluster: Option<Draws>,
}

/// Judges results against the annotations and against the first of them.
///
/// # Errors
/// When a file cannot be read or judged, or there are no such clusters.
pub fn judge(
    annotations: &Path,
    candidates: &[Candidate],
    how: &Judging<'_>,
) -> Result<Vec<JudgedModel>, CompareError> {
    let params = params(how);
    let mut first: Option<Contest> = None;
    let mut judged = Vec::new();
    for candidate in candidates {
        let (contest, mut own) = one(annotations, candidate, &params, how)?;
        if let Some(first) = &first {
            own.difference = Some(difference(first, &contest)?);
        } else if let Some(warning) = contest.input.about_clusters().filter(|_| how.cluster.is_none()) {
            own.warnings.push(warning);
        }
        judged.push(own);
        first.get_or_insert(contest);
    }
    Ok(judged)
}

/// Judges all trainings of a candidate.
fn one(
    annotations: &Path,
    candidate: &Candidate,
    params: &Params,
    how: &Judging<'_>,
) -> Result<(Contest, JudgedModel), CompareError> {
    let reading = Reading::default();
    let mut judged =
        JudgedModel { name: candidate.name.clone(), costs: candidate.costs, ..JudgedModel::default() };
    let (mut input, mut aps, mut draws, mut by_cluster) = (None, Vec::new(), Vec::new(), Vec::new());
    let mut stats: Vec<Vec<f64>> = Vec::new();
    for path in &candidate.results {
        let own = Evaluator::open(annotations, path, params, false)?;
        let evaluation = own.evaluate_as(reading, true)?;
        for warning in own.warnings(&evaluation, reading) {
            if !judged.warnings.contains(&warning) {
                judged.warnings.push(warning);
            }
        }
        let clusters = how.cluster.map(|key| own.clusters(key)).transpose()?;
        let resampling =
            |clusters| Resampling { count: how.resamples, seed: how.seed, method: how.method, clusters };
        draws.push(own.draws(reading, &resampling(None))?);
        if let Some(clusters) = &clusters {
            by_cluster.push(own.draws(reading, &resampling(Some(clusters)))?);
            judged.clusters = Some(Clusters::description(clusters));
        }
        aps.push(evaluation.stats.first().copied().unwrap_or(-1.0));
        stats.push(evaluation.stats);
        input.get_or_insert(own);
    }
    let mean = |of: &[Draws]| Draws::mean(&of.iter().collect::<Vec<_>>());
    let (Some(input), Some(draws)) = (input, mean(&draws)) else {
        return Err(CompareError::NoResults { name: candidate.name.clone() });
    };
    let by_cluster = mean(&by_cluster);
    judged.stats = if stats.len() == 1 { stats.swap_remove(0) } else { draws.stats().to_vec() };
    judged.intervals = draws.intervals();
    judged.by_cluster = by_cluster.as_ref().map(Draws::intervals);
    judged.trainings = Trainings::of(&aps);
    Ok((Contest { input, aps, draws, by_cluster }, judged))
}

/// All warnings, each once with the names of the models that it concerns.
pub fn warnings(judged: &[JudgedModel]) -> Vec<String> {
    let mut messages: Vec<(&str, Vec<&str>)> = Vec::new();
    for model in judged {
        for warning in &model.warnings {
            match messages.iter_mut().find(|(message, _)| *message == warning.message) {
                Some((_, names)) => names.push(&model.name),
                None => messages.push((&warning.message, vec![&model.name])),
            }
        }
    }
    messages
        .iter()
        .map(|(message, names)| format!("{}: {message}", names.join(", ").escape_debug()))
        .collect()
}

fn difference(first: &Contest, own: &Contest) -> Result<Difference, CompareError> {
    let gain = own.draws.less(&first.draws);
    let intervals = gain.intervals();
    let by_cluster = own
        .by_cluster
        .as_ref()
        .zip(first.by_cluster.as_ref())
        .map(|(own, first)| own.less(first).intervals());
    let ap = gain.stats().first().copied().unwrap_or(0.0);
    let of_photos = intervals.first().copied().filter(Interval::exists);
    let of_clusters = by_cluster.as_ref().and_then(|all| all.first().copied());
    let between_trainings = trainings::between(&first.aps, &own.aps);
    // Photos of one cluster are not independent: where clusters are known, theirs is the interval that counts.
    let of_draws = of_clusters.or(of_photos).filter(Interval::exists);
    let in_all =
        between_trainings.zip(of_draws).map(|(trained, drawn)| trainings::together(ap, &trained, &drawn));
    let moved = match (first.aps.len(), own.aps.len()) {
        (1, 1) => Some(first.input.compare(&own.input, Reading::default())?),
        _ => None,
    };
    let before = first.draws.stats().first().copied().unwrap_or(0.0);
    let (classes, photos) = moved.map(|moved| (moved.classes, moved.images)).unwrap_or_default();
    let verdicts = of_photos.map(|photos| {
        let others = [by_cluster.as_ref().and(of_clusters), between_trainings, in_all];
        // An interval by cluster that does not exist is no reason to believe in a difference.
        !photos.excludes_zero() || others.iter().flatten().any(|interval| !interval.excludes_zero())
    });
    Ok(Difference {
        relative: if before > 0.0 { ap / before } else { f64::NAN },
        within_noise: verdicts
            .filter(|_| by_cluster.is_none() || of_clusters.is_some_and(|clusters| clusters.exists())),
        stats: gain.stats().to_vec(),
        intervals,
        by_cluster,
        between_trainings,
        in_all,
        classes,
        photos,
    })
}
