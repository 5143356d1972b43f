//! `run.json`: what a run was asked for, on what it ran, how much it did and how long it took.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::journal::{FailedPhoto, JournalRow, may_pass};
use super::style::PictureStyle;
use super::{ResultCategory, RunOptions, Shard};
use crate::clock::StageTimes;
use crate::detector::{Augment, Detector, OtherModel, Postprocess};
use crate::photo::{Limits, PassedOver, Unread, WideGrey};
use crate::runtime::WayChoice;
use coco_eval::ResultId;

/// Whether a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Under way, or killed.
    Running,
    /// Stopped by the user.
    Interrupted,
    /// All photos are done.
    Finished,
}

/// Everything that decides results; two runs of equal settings over equal photos give equal files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the model.
    pub model: String,
    /// SHA-256 of its `model.json`.
    pub model_sha256: String,
    /// Detections are above this score.
    pub score: f32,
    /// Names of the classes that are kept; all where there is none.
    pub classes: Option<Vec<String>>,
    /// Ids of all classes in results.
    pub category_ids: Vec<ResultId>,
    /// `exact`, `reduced` or `fast`.
    pub decoder: String,
    /// `exact`, `bfloat16` or `float16`: how networks are computed; runs of older versions may have `fast`.
    #[serde(default = "exact")]
    pub precision: String,
    /// `cpu`, `openvino` or `cuda:N`: their last bits differ, and with shorter formats more than these.
    pub device: String,
    /// Pixels are taken as stored.
    pub ignore_orientation: bool,
    /// What became of grey values of 16 bits.
    #[serde(default, skip_serializing_if = "is_clipped")]
    pub wide_grey: WideGrey,
    /// Truncated pictures are taken.
    pub allow_truncated: bool,
    /// Least score in pictures; none where none are drawn.
    pub draw_score: Option<f32>,
    /// Rows say when, where and with what photos were taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exif: bool,
    /// How pictures look.
    #[serde(default, skip_serializing_if = "PictureStyle::is_default")]
    pub style: PictureStyle,
    /// Pictures show annotated objects as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub show_truth: bool,
    /// Pictures of more pixels fail.
    #[serde(default = "most_pixels")]
    pub max_pixels: u64,
    /// Files of more bytes fail.
    #[serde(default = "most_bytes")]
    pub max_file_size: u64,
    /// What is otherwise than the model has it where boxes become detections.
    #[serde(default, skip_serializing_if = "is_own")]
    pub postprocess: Postprocess,
    /// In how many ways the network looked at each photo.
    #[serde(default, skip_serializing_if = "is_one_view")]
    pub augment: Augment,
    /// The head saw its own boxes once more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refine: bool,
    /// Detections have masks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masks: bool,
    /// Models beside the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherModel>,
    /// Large photos were looked at in tiles as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tile: bool,
    /// Which share of the photos, such as `2/8`; all where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Of a share, SHA-256 of the names and ids of all photos.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing: Option<String>,
}

/// Runs before limits were recorded.
fn most_pixels() -> u64 {
    Limits::default().pixels
}

fn most_bytes() -> u64 {
    Limits::default().file_bytes
}

fn is_clipped(wide_grey: &WideGrey) -> bool {
    *wide_grey == WideGrey::Clipped
}

fn is_own(postprocess: &Postprocess) -> bool {
    *postprocess == Postprocess::default()
}

fn is_one_view(augment: &Augment) -> bool {
    *augment == Augment::default()
}

/// Runs before there was a choice.
fn exact() -> String {
    "exact".into()
}

impl Settings {
    /// Those of a detector with these options; `classes` have the ids that results use.
    pub fn of(detector: &Detector, classes: &[ResultCategory], options: &RunOptions) -> Settings {
        let origin = detector.origin();
        let name = |&place: &usize| Some(classes.get(place)?.name.clone());
        Settings {
            model: origin.model.clone(),
            model_sha256: origin.model_sha256.clone(),
            score: detector.score_threshold(),
            classes: options.only.as_ref().map(|only| only.iter().filter_map(name).collect()),
            category_ids: classes.iter().map(|class| class.id.clone()).collect(),
            decoder: options.decode.decoder.name().into(),
            precision: origin.precision.to_string(),
            device: detector.device().to_string(),
            ignore_orientation: options.decode.ignore_orientation,
            wide_grey: detector.reading(&options.decode).wide_grey,
            allow_truncated: options.decode.allow_truncated,
            draw_score: options.draw_score,
            exif: options.exif,
            style: options.style,
            show_truth: options.truth.is_some(),
            max_pixels: options.decode.limits.pixels,
            max_file_size: options.decode.limits.file_bytes,
            postprocess: detector.postprocess().clone(),
            augment: detector.augment().clone(),
            refine: detector.refine(),
            masks: detector.gives_masks(),
            others: detector.others(),
            tile: options.tile,
            shard: options.shard,
            listing: None,
        }
    }

    /// The score from which boxes are shown, or would be.
    pub fn shown_from(&self) -> f32 {
        self.draw_score.unwrap_or(SHOWN_FROM)
    }

    /// The first thing in which another run differs, in words.
    pub fn difference(&self, other: &Settings) -> Option<String> {
        let differs = [
            (self.model_sha256 != other.model_sha256, format!("another model (`{}`)", other.model)),
            (self.others != other.others, "other models beside the first (-m, --weights)".into()),
            (self.refine != other.refine, if other.refine { "--refine" } else { "no --refine" }.into()),
            (self.masks != other.masks, if other.masks { "no --no-masks" } else { "--no-masks" }.into()),
            (self.augment != other.augment, format!("other views ({})", other.augment.description())),
            (self.score != other.score, format!("--score {}", other.score)),
            (self.classes != other.classes, "other --classes".into()),
            (self.category_ids != other.category_ids, "other category ids (-a)".into()),
            (self.decoder != other.decoder, format!("--decoder {}", other.decoder)),
            (self.precision != other.precision, format!("--precision {}", other.precision)),
            (self.device != other.device, format!("--device {}", other.device)),
            (self.ignore_orientation != other.ignore_orientation, "another --ignore-orientation".into()),
            (self.allow_truncated != other.allow_truncated, "another --allow-truncated".into()),
            (self.draw_score != other.draw_score, "other pictures (--draw-score, --no-draw)".into()),
            (self.style != other.style, "other pictures (--label, --line-width, --text-size)".into()),
            (self.exif != other.exif, if other.exif { "--exif" } else { "no --exif" }.into()),
            (
                self.show_truth != other.show_truth,
                if other.show_truth { "--show-truth" } else { "no --show-truth" }.into(),
            ),
            (self.max_pixels != other.max_pixels, format!("--max-pixels {}", other.max_pixels)),
            (self.tile != other.tile, if other.tile { "--tile" } else { "no --tile" }.into()),
            (
                self.shard != other.shard,
                other.shard.map_or("no --shard".into(), |shard| format!("--shard {shard}")),
            ),
            (self.max_file_size != other.max_file_size, format!("--max-file-size {}", other.max_file_size)),
        ];
        let found = differs.into_iter().find(|(differs, _)| *differs).map(|(_, difference)| difference);
        found.or_else(|| self.postprocess.difference(&other.postprocess))
    }
}

/// On what a run ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// ONNX Runtime's version.
    pub runtime: String,
    /// ONNX Runtime's file.
    pub runtime_path: String,
    /// `cpu`, `openvino` or `cuda:N`.
    pub device: String,
    /// Threads.
    pub threads: usize,
    /// Photos a batch at most.
    pub batch: usize,
    /// Photos, or batches, in the network at once, each on its share of the threads.
    #[serde(default = "one")]
    #[serde(alias = "lanes")]
    pub streams: usize,
    /// What was chosen where `--precision fast` was asked for, and from what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<WayChoice>,
}

impl Machine {
    /// That of a detector.
    pub fn of(detector: &Detector, options: &RunOptions) -> Machine {
        let origin = detector.origin();
        Machine {
            runtime: origin.runtime.clone(),
            runtime_path: origin.runtime_path.display().to_string(),
            device: detector.device().to_string(),
            threads: options.threads,
            batch: options.batch,
            streams: detector.streams(),
            choice: origin.choice.clone(),
        }
    }
}

/// Runs before there were several.
fn one() -> usize {
    1
}

/// How much a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Photos, with the failed ones.
    pub photos: usize,
    /// Photos that failed.
    pub failed: usize,
    /// Boxes in all results.
    pub detections: usize,
    /// Boxes by class name.
    pub by_class: BTreeMap<String, usize>,
    /// Of these, those that pictures show, or would show: from `draw_score` up, or from [`SHOWN_FROM`].
    #[serde(default)]
    pub shown_by_class: BTreeMap<String, usize>,
    /// Failures by kind.
    pub failures: BTreeMap<String, usize>,
    /// Photos whose grey values were cut off.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clipped: usize,
    /// Pictures that could not be written, by the failure's kind; their photos did not fail.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unwritten: BTreeMap<String, usize>,
}

/// From this score up boxes are shown to people unless they say otherwise, 0 to 1.
pub const SHOWN_FROM: f32 = 0.5;

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Counts {
    /// Pictures that could not be written.
    pub fn without_picture(&self) -> usize {
        self.unwritten.values().sum()
    }

    /// Failures that may pass: the next start tries them again.
    pub fn may_pass(&self) -> usize {
        let all = self.failures.iter().chain(&self.unwritten);
        all.filter(|(kind, _)| may_pass(kind)).map(|(_, count)| count).sum()
    }

    /// Boxes that pictures show, or would show.
    pub fn drawn(&self) -> usize {
        self.shown_by_class.values().sum()
    }

    /// Counts a photo more; its boxes of a score of `shown_from` or more are shown.
    pub(super) fn add(&mut self, row: &JournalRow, shown_from: f32) {
        self.photos += 1;
        match row {
            JournalRow::Found(found) => {
                self.detections += found.detections.len();
                self.clipped += usize::from(found.clipped);
                if let Some(error) = &found.error {
                    *self.unwritten.entry(error.kind.clone()).or_default() += 1;
                }
                for item in &found.detections {
                    count(&mut self.by_class, &item.label);
                    if item.score >= shown_from {
                        count(&mut self.shown_by_class, &item.label);
                    }
                }
            }
            JournalRow::Failed(failed) => {
                self.failed += 1;
                *self.failures.entry(failed.error.kind.clone()).or_default() += 1;
            }
        }
    }
}

/// One more of a name.
fn count(counts: &mut BTreeMap<String, usize>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(counts.insert(name.to_owned(), 1)),
    }
}

/// What a finished run was given as besides its own files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Exported {
    /// What was made: `crops`, `rows`, `label files`, `links to photos`.
    pub what: String,
    /// The file or folder.
    pub place: PathBuf,
    /// How many there are.
    pub files: usize,
    /// How many photos or objects could not be exported.
    pub failed: usize,
    /// The first of them, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failure: Option<String>,
}

impl Exported {
    /// Nothing yet.
    #[cfg(feature = "convert")]
    pub(crate) fn new(what: &str, place: &Path) -> Exported {
        Exported { what: what.into(), place: place.to_owned(), files: 0, failed: 0, first_failure: None }
    }

    /// Counts one that cannot be made.
    #[cfg(feature = "convert")]
    pub(crate) fn fail(&mut self, name: &str, why: &str) {
        self.failed += 1;
        self.first_failure.get_or_insert_with(|| format!("`{}`: {why}", name.escape_debug()));
    }
}

/// Which part held the others up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bottleneck {
    /// `decoding`, `network` or `pictures`.
    pub part: String,
    /// Share of the wall time, 0 to 1, that its threads were at work.
    pub busy: f64,
}

/// The whole of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The program and its version.
    pub program: String,
    /// The arguments as typed.
    pub command: Vec<String>,
    /// Whether it came to its end.
    pub state: RunState,
    /// What decides results.
    pub settings: Settings,
    /// On what it ran.
    pub machine: Machine,
    /// How much it did.
    pub counts: Counts,
    /// The first failures, those of pictures alone among them; all of them are in the journal.
    pub first_failures: Vec<FailedPhoto>,
    /// Folders that could not be read: the photos in them are not among those counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// Pictures and films in the folders that are of forms that are not read, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub passed_over: BTreeMap<String, PassedOver>,
    /// Of the photos, done by an earlier start.
    pub photos_before: usize,
    /// Seconds by stage, without those of an earlier start.
    pub times: StageTimes,
    /// Seconds from start to end, without those of an earlier start.
    pub wall: f64,
    /// Of these, seconds in which at least one of ONNX Runtime's sessions was at work.
    pub session_wall: f64,
    /// Which part held the others up.
    pub bottleneck: Option<Bottleneck>,
    /// What else was made of the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<Exported>,
}

impl Record {
    /// What is known before a run.
    pub fn new(command: Vec<String>, settings: Settings, machine: Machine) -> Record {
        Record {
            program: concat!("rcnn ", env!("CARGO_PKG_VERSION")).into(),
            command,
            state: RunState::Running,
            settings,
            machine,
            counts: Counts::default(),
            first_failures: Vec::new(),
            unread: Vec::new(),
            passed_over: BTreeMap::new(),
            photos_before: 0,
            times: StageTimes::default(),
            wall: 0.0,
            session_wall: 0.0,
            bottleneck: None,
            exports: Vec::new(),
        }
    }

    /// That of a run's folder.
    ///
    /// # Errors
    /// When there is no `run.json`, or another program's.
    pub fn open(folder: &Path) -> std::io::Result<Record> {
        serde_json::from_slice(&std::fs::read(folder.join("run.json"))?).map_err(std::io::Error::other)
    }

    /// State and settings of a run, if a file tells them.
    pub(super) fn read(path: &Path) -> Option<(RunState, Settings)> {
        #[derive(Deserialize)]
        struct RunFields {
            state: RunState,
            settings: Settings,
        }
        let text = std::fs::read(path).ok()?;
        serde_json::from_slice::<RunFields>(&text).ok().map(|fields| (fields.state, fields.settings))
    }

    pub(super) fn note(&mut self, row: &JournalRow) {
        if let Some(error) = row.failure().filter(|_| self.first_failures.len() < 10) {
            let (image_id, file, error) = (row.image_id().clone(), row.file().to_owned(), error.clone());
            self.first_failures.push(FailedPhoto { image_id, file, error });
        }
    }

    /// `wall` and `session_wall` are in seconds; decoding and drawing had `threads` threads each.
    pub(super) fn finish(
        &mut self,
        counts: Counts,
        times: StageTimes,
        wall: f64,
        session_wall: f64,
        threads: usize,
    ) {
        let rounded = |seconds: f64| (seconds * 1e6).round() / 1e6;
        self.counts = counts;
        self.times = times;
        (self.wall, self.session_wall) = (rounded(wall), rounded(session_wall));
        self.bottleneck = bottleneck(&times, self.wall, self.session_wall, threads.max(1) as f64);
    }

    /// Share of the wall time, 0 to 1, in which no session was at work.
    pub fn overhead(&self) -> f64 {
        if self.wall > 0.0 { (1.0 - self.session_wall / self.wall).max(0.0) } else { 0.0 }
    }
}

/// The part whose threads had the least rest.
fn bottleneck(times: &StageTimes, wall: f64, session_wall: f64, threads: f64) -> Option<Bottleneck> {
    let parts = [
        ("decoding", (times.decode + times.prepare) / threads),
        ("network", session_wall),
        ("pictures", (times.draw + times.write) / threads),
    ];
    let (part, busy) = parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (wall > 0.0 && busy > 0.0).then(|| Bottleneck { part: part.into(), busy: (busy / wall).min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_part_is_the_bottleneck() {
        let times = StageTimes { decode: 6.0, prepare: 2.0, trunk: 3.0, draw: 1.0, ..StageTimes::default() };
        let found = bottleneck(&times, 5.0, 3.0, 2.0).unwrap();
        assert_eq!((found.part.as_str(), found.busy), ("decoding", 0.8));
        assert!(bottleneck(&StageTimes::default(), 5.0, 0.0, 2.0).is_none());
    }
}
