//! TIDE: every wrong detection and every missed ground truth sorted into one of six kinds of error, and what each kind
//! costs in AP. The numbers are those of tidecv 1.0.1, whose AP is not COCO's.
//!
//! Classes are counted as tidecv counts them: in the order in which they are first met, with or without ground truth.

use rayon::prelude::*;

use super::matching::falling;

/// The kinds of error in tidecv's order.
pub const KINDS: [&str; 6] = ["Cls", "Loc", "Both", "Dupe", "Bkg", "Miss"];

const CLASS: usize = 0;
const LOCATION: usize = 1;
const BOTH: usize = 2;
const DUPLICATE: usize = 3;
const BACKGROUND: usize = 4;
const MISSED: usize = 5;

/// Detections of an image that are looked at, all classes together.
const PER_IMAGE: usize = 100;

/// IoU from which a match is one, and IoU up to which a detection is background.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TideThresholds {
    /// tidecv's `pos_threshold`.
    pub positive: f64,
    /// tidecv's `background_threshold`.
    pub background: f64,
}

impl Default for TideThresholds {
    fn default() -> Self {
        TideThresholds { positive: 0.5, background: 0.1 }
    }
}

/// What TIDE says; APs from 0 to 100.
#[derive(Clone, Debug, PartialEq)]
pub struct Tide {
    /// tidecv's AP.
    pub ap: f64,
    /// AP gained if all errors of a kind were put right, in the order of [`KINDS`].
    pub main: [f64; 6],
    /// AP gained if no detection were wrong.
    pub false_positive: f64,
    /// AP gained if no ground truth were missed.
    pub false_negative: f64,
    /// Errors of each kind.
    pub counts: [u64; 6],
}

/// A ground truth as TIDE sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TideObject {
    pub(super) class: u32,
    pub(super) bbox: [f64; 4],
    /// An ignore region.
    pub(super) crowd: bool,
    /// The place by which results know how much they overlap its mask.
    pub(super) shape: u32,
}

/// Overlap of a detection with a ground truth; with `true` the share of the detection that an ignore region covers.
pub(super) type TideIou<'a> = &'a (dyn Fn(&Guess, &TideObject, bool) -> f64 + Sync);

/// A detection as TIDE sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess {
    pub(super) class: u32,
    pub(super) bbox: [f64; 4],
    pub(super) score: f64,
    /// Place in the file.
    pub(super) order: u32,
}

/// One image's ground truths in the file's order, and its detections.
#[derive(Clone, Debug, Default)]
pub(super) struct TideImage {
    pub(super) objects: Vec<TideObject>,
    pub(super) guesses: Vec<Guess>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TideVerdict {
    Right,
    Wrong,
    /// Taken by an ignore region.
    Ignored,
}

#[derive(Clone, Copy, Debug)]
struct TideError {
    kind: usize,
    /// The detection: class, score, verdict.
    guess: Option<(u32, f64, TideVerdict)>,
    /// The class that a correction gives it, if it wins the correction; for a missed ground truth its class.
    class: Option<u32>,
}

/// What one image adds.
#[derive(Default)]
struct TideFindings {
    /// Classes of the ground truths that are no crowds.
    objects: Vec<u32>,
    points: Vec<(u32, f64, bool)>,
    errors: Vec<TideError>,
    unused: Vec<u32>,
}

/// Points and ground truths by class, the classes in order of first mention.
#[derive(Clone, Debug)]
struct TideCurves {
    order: Vec<u32>,
    met: Vec<bool>,
    points: Vec<Vec<(f64, bool)>>,
    objects: Vec<i64>,
}

/// Runs TIDE over images in the annotations' order; `None` where no class has a ground truth or a detection.
pub(super) fn run(
    scenes: &[TideImage],
    classes: usize,
    thresholds: TideThresholds,
    iou: TideIou<'_>,
) -> Option<Tide> {
    let found: Vec<TideFindings> = scenes.par_iter().map(|scene| image(scene, thresholds, iou)).collect();
    let mut base = TideCurves::new(classes);
    let mut missed = vec![0; classes];
    let mut counts = [0; 6];
    for found in &found {
        for &class in &found.objects {
            base.meet(class);
            base.objects[class as usize] += 1;
        }
        for &(class, score, right) in &found.points {
            base.add(class, score, right);
        }
        for &class in &found.unused {
            missed[class as usize] += 1;
        }
        for error in &found.errors {
            counts[error.kind] += 1;
        }
    }
    let ap = base.mean()?;
    let errors: Vec<TideError> = found.into_iter().flat_map(|found| found.errors).collect();
    // Six corrections, then all wrong ones pushed to the end, then all missed ones forgiven.
    let gains: Vec<f64> = (0..8)
        .into_par_iter()
        .map(|change| match change {
            6 => rebuilt(&base, &errors, None, |_, right| f64::from(u8::from(right)), None),
            7 => rebuilt(&base, &errors, None, |score, _| score, Some(&missed)),
            kind => rebuilt(&base, &errors, Some(kind), |score, _| score, None),
        })
        .map(|corrected| corrected.unwrap_or(0.0) - ap)
        .collect();
    let mut main = [0.0; 6];
    for (gain, change) in main.iter_mut().zip(&gains) {
        *gain = if *change > 0.0 { *change } else { 0.0 };
    }
    Some(Tide { ap, main, false_positive: gains[6], false_negative: gains[7], counts })
}

/// The first of the largest values.
fn largest(values: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
    values.enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best })
}

fn image(scene: &TideImage, thresholds: TideThresholds, iou: TideIou<'_>) -> TideFindings {
    let TideThresholds { positive, background } = thresholds;
    let objects: Vec<&TideObject> = scene.objects.iter().filter(|object| !object.crowd).collect();
    let mut guesses: Vec<&Guess> = scene.guesses.iter().collect();
    guesses.sort_unstable_by_key(|guess| (falling(guess.score), guess.order));
    guesses.truncate(PER_IMAGE);
    let row = |guess: &Guess| objects.iter().map(|object| iou(guess, object, false)).collect();
    let overlaps: Vec<Vec<f64>> = guesses.iter().map(|guess| row(guess)).collect();
    let mut used = vec![false; objects.len()];
    let mut verdicts = vec![TideVerdict::Wrong; guesses.len()];
    for ((guess, row), verdict) in guesses.iter().zip(&overlaps).zip(&mut verdicts) {
        let own = row
            .iter()
            .zip(&objects)
            .zip(&used)
            .map(|((&iou, object), &used)| if object.class == guess.class && !used { iou } else { 0.0 });
        if let Some((place, iou)) = largest(own)
            && iou >= positive
        {
            used[place] = true;
            *verdict = TideVerdict::Right;
        }
    }
    for region in scene.objects.iter().filter(|object| object.crowd) {
        for (guess, verdict) in guesses.iter().zip(&mut verdicts) {
            let same = *verdict == TideVerdict::Wrong && region.class == guess.class;
            if same && iou(guess, region, true) > positive {
                *verdict = TideVerdict::Ignored;
            }
        }
    }
    let mut found = TideFindings {
        objects: objects.iter().map(|object| object.class).collect(),
        ..TideFindings::default()
    };
    // For each ground truth the best detection that was meant for it: score and error.
    let mut best: Vec<Option<(f64, usize)>> = vec![None; objects.len()];
    for ((guess, row), &verdict) in guesses.iter().zip(&overlaps).zip(&verdicts) {
        if verdict != TideVerdict::Ignored {
            found.points.push((guess.class, guess.score, verdict == TideVerdict::Right));
        }
        if verdict == TideVerdict::Right {
            continue;
        }
        let pick = |wanted: &dyn Fn(usize) -> bool| {
            let values = row.iter().enumerate().map(|(place, &iou)| if wanted(place) { iou } else { 0.0 });
            largest(values).unwrap_or((0, 0.0))
        };
        let same = pick(&|place| objects[place].class == guess.class);
        let other = pick(&|place| objects[place].class != guess.class);
        let taken = pick(&|place| objects[place].class == guess.class && used[place]);
        let any = pick(&|_| true);
        let (kind, target) = if objects.is_empty() {
            (BACKGROUND, None)
        } else if background <= same.1 && same.1 <= positive {
            (LOCATION, Some(same.0))
        } else if other.1 >= positive {
            (CLASS, Some(other.0))
        } else if taken.1 >= positive {
            (DUPLICATE, None)
        } else if any.1 <= background {
            (BACKGROUND, None)
        } else {
            (BOTH, None)
        };
        if let Some(place) = target.filter(|&place| !used[place])
            && best[place].is_none_or(|(score, _)| score < guess.score)
        {
            best[place] = Some((guess.score, found.errors.len()));
        }
        found.errors.push(TideError { kind, guess: Some((guess.class, guess.score, verdict)), class: None });
    }
    for (place, object) in objects.iter().enumerate() {
        if let Some((_, error)) = best[place] {
            found.errors[error].class = Some(object.class);
        }
        if !used[place] {
            found.unused.push(object.class);
            if best[place].is_none() {
                found.errors.push(TideError { kind: MISSED, guess: None, class: Some(object.class) });
            }
        }
    }
    found
}

/// The mean AP with all errors of one kind corrected. tidecv puts the errors first, then what was right, so that
/// equal scores change places even where nothing is corrected.
fn rebuilt(
    base: &TideCurves,
    errors: &[TideError],
    kind: Option<usize>,
    score: impl Fn(f64, bool) -> f64,
    forgiven: Option<&[i64]>,
) -> Option<f64> {
    let mut new = TideCurves::new(base.objects.len());
    let mut objects = base.objects.clone();
    for error in errors {
        if Some(error.kind) == kind {
            match (error.guess, error.class) {
                (None, Some(class)) => objects[class as usize] -= 1,
                (Some((_, own, _)), Some(class)) => new.add(class, score(own, true), true),
                _ => {}
            }
        } else if let Some((class, own, verdict)) = error.guess
            && verdict != TideVerdict::Ignored
        {
            new.add(class, score(own, false), false);
        }
    }
    for &class in &base.order {
        for &(own, right) in &base.points[class as usize] {
            if right {
                new.add(class, score(own, true), true);
            }
        }
    }
    for &class in &base.order {
        new.meet(class);
        let forgiven = forgiven.map_or(0, |forgiven| forgiven[class as usize]);
        new.objects[class as usize] += objects[class as usize] - forgiven;
    }
    new.mean()
}

impl TideCurves {
    fn new(classes: usize) -> TideCurves {
        TideCurves {
            order: Vec::new(),
            met: vec![false; classes],
            points: vec![Vec::new(); classes],
            objects: vec![0; classes],
        }
    }

    fn meet(&mut self, class: u32) {
        if !std::mem::replace(&mut self.met[class as usize], true) {
            self.order.push(class);
        }
    }

    fn add(&mut self, class: u32, score: f64, right: bool) {
        self.meet(class);
        self.points[class as usize].push((score, right));
    }

    /// Mean over the classes that have a point or a ground truth, added up in order of first mention.
    fn mean(&self) -> Option<f64> {
        let classes = self.order.iter().map(|&class| class as usize);
        let some = classes.filter(|&class| !self.points[class].is_empty() || self.objects[class] != 0);
        let aps: Vec<f64> =
            some.map(|class| average_precision(&self.points[class], self.objects[class])).collect();
        (!aps.is_empty()).then(|| aps.iter().fold(0.0, |sum, ap| sum + ap) / aps.len() as f64)
    }
}

/// tidecv's AP: the mean precision at recalls of i / 100, times 100.
fn average_precision(points: &[(f64, bool)], objects: i64) -> f64 {
    if objects == 0 {
        return 0.0;
    }
    let mut keys: Vec<(u64, u32, bool)> =
        (0u32..).zip(points).map(|(place, &(score, right))| (falling(score), place, right)).collect();
    keys.sort_unstable();
    let (mut right, mut count) = (0u32, 0u32);
    // Only at a true positive does recall rise, and with it precision.
    let mut curve: Vec<(f64, f64)> = Vec::new();
    for (_, _, true_positive) in keys {
        count += 1;
        if true_positive {
            right += 1;
            curve.push((f64::from(right) / objects as f64, f64::from(right) / f64::from(count)));
        } else if count == 1 {
            curve.push((0.0, 0.0));
        }
    }
    for k in (1..curve.len()).rev() {
        curve[k - 1].1 = curve[k - 1].1.max(curve[k].1);
    }
    let (mut total, mut at) = (0.0, 0);
    for i in 0..=100 {
        while curve.get(at).is_some_and(|&(recall, _)| recall < f64::from(i) / 100.0) {
            at += 1;
        }
        total += curve.get(at).map_or(0.0, |&(_, precision)| precision);
    }
    total / 101.0 * 100.0
}
