//! The page itself: what there is to say about a run and about its evaluation, as one HTML file that needs no other.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use askama::Template;

use super::found::{Bar, DOUBT, RunFindings, bars};
use super::gallery::{Album, GalleryPhoto, SeenPhoto};
use super::judged::{Bootstrap, EvaluationReport, NamedErrors};
use super::lines::DrawnPlot;
use super::matrix::Matrix;
use super::mistakes::worst;
use super::plot;
use crate::photo::{DecodeOptions, Limits, PhotoEntry};
use crate::run::{self, JournalRow, NotARun, Pictures, Record, RunState, Task};
use coco_eval::{Interval, IntervalKind, LEAST_IMAGES, MissedShare, ResultId};

/// Confusions that are listed.
const CONFUSIONS: usize = 20;

/// What pages look like.
pub(super) const STYLE: &str = include_str!("page.css");
/// What a reader can do with pages.
pub(super) const SCRIPT: &str = include_str!("page.js");

/// What a page can be made from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A run's folder.
    pub run: Option<PathBuf>,
    /// What an evaluation said.
    pub judged: Option<EvaluationReport>,
    /// The photos, to be shown without what the run has drawn on them.
    pub photos: Vec<PhotoEntry>,
    /// Most pictures of each kind.
    pub pictures: usize,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The folder holds no run.
    #[error(transparent)]
    NotARun(#[from] NotARun),
    /// A plot could not be drawn.
    #[error(transparent)]
    Plot(#[from] plot::PlotError),
    /// The page could not be written down.
    #[error("cannot make the page: {0}")]
    Template(#[from] askama::Error),
}

/// The page as text, and sentences about photos that it could not show.
///
/// # Errors
/// When the run's folder cannot be read.
pub fn page(sources: &Sources) -> Result<(String, Vec<String>), PageError> {
    let Sources { run, judged, photos, pictures } = sources;
    let (mut title, mut drawn) = ("Evaluation".to_owned(), None);
    let (mut run_part, mut notes) = (None, Vec::new());
    if let Some(folder) = run {
        let failed = |file| NotARun::of(folder, file);
        let record = Record::open(folder).map_err(failed("run.json"))?;
        let journal = "detections.jsonl";
        let album = if photos.is_empty() {
            record.settings.draw_score.map(|drawn_from| Album::Annotated {
                pictures: Pictures::recorded(folder),
                drawn_from: f64::from(drawn_from),
            })
        } else {
            let (album, left_out) = album(folder, &record, photos).map_err(failed(journal))?;
            notes.extend(left_out);
            Some(album)
        };
        let cut =
            judged.as_ref().and_then(|judged| Some(judged.errors.as_ref()?.errors.best_f1?.score as f32));
        let shown_from = cut.filter(|_| !photos.is_empty()).unwrap_or(record.settings.shown_from());
        let mut found = RunFindings::new(if album.is_some() { *pictures } else { 0 }, shown_from);
        for row in run::rows(folder).map_err(failed(journal))? {
            let row = row.map_err(failed(journal))?;
            found.add(row);
        }
        title = format!(
            "{}, {} of score {shown_from:.2} or more",
            plural(record.counts.photos, "photo"),
            if found.shown() == 1 { "1 box".into() } else { format!("{} boxes", found.shown()) }
        );
        run_part = Some(RunPart::new(record, found, album.as_ref()));
        drawn = album;
    }
    let judged = judged
        .as_ref()
        .map(|judged| JudgedPart::new(judged, drawn.as_ref(), run.as_deref(), *pictures))
        .transpose()?;
    notes.extend(drawn.as_ref().and_then(Album::lost));
    let mut html =
        Page { title, version: env!("CARGO_PKG_VERSION"), classes: BTreeSet::new(), run: run_part, judged };
    html.classes = html.pictures().flat_map(GalleryPhoto::classes).map(str::to_owned).collect();
    let html = html.render()?;
    Ok((html, notes))
}

/// The photos themselves, by the names that they have in the run, and what is to be said of those left out.
fn album(folder: &Path, record: &Record, photos: &[PhotoEntry]) -> io::Result<(Album, Vec<String>)> {
    let settings = &record.settings;
    let options = DecodeOptions {
        ignore_orientation: settings.ignore_orientation,
        wide_grey: settings.wide_grey,
        allow_truncated: settings.allow_truncated,
        limits: Limits {
            pixels: settings.max_pixels,
            file_bytes: settings.max_file_size,
            ..Limits::default()
        },
        ..DecodeOptions::default()
    };
    let mut rows = BTreeMap::new();
    for row in run::rows(folder)? {
        let row = row?;
        let size = match &row {
            JournalRow::Found(row) => Some((row.width, row.height)),
            JournalRow::Failed(_) => None,
        };
        rows.insert(row.image_id().clone(), (row.file().to_owned(), size));
    }
    let seen: Vec<(ResultId, &str)> =
        rows.iter().map(|(id, (file, _))| (id.clone(), file.as_str())).collect();
    let (tasks, notes) = run::match_seen(photos.to_vec(), &seen);
    // A photo that failed is not shown.
    let photo = |task: Task| {
        let (file, size) = rows.get(&task.image_id)?;
        Some((file.clone(), SeenPhoto { path: task.entry.path, size: Some((*size)?) }))
    };
    let photos = tasks.into_iter().filter_map(photo).collect();
    Ok((Album::Photos { photos, options, lost: RefCell::default() }, notes))
}

fn plural(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[derive(Template)]
#[template(path = "page.html", config = "src/report/askama.toml")]
struct Page {
    title: String,
    version: &'static str,
    /// Names of all classes that pictures may show.
    classes: BTreeSet<String>,
    run: Option<RunPart>,
    judged: Option<JudgedPart>,
}

/// What a run found.
struct RunPart {
    facts: Vec<(&'static str, String)>,
    classes: Vec<Bar>,
    scores: Vec<Bar>,
    areas: Vec<Bar>,
    kinds: Vec<Bar>,
    failures: Vec<run::FailedPhoto>,
    more_failures: usize,
    best: Vec<GalleryPhoto>,
    doubtful: Vec<GalleryPhoto>,
    shown_from: String,
    doubtful_from: String,
    without_pictures: Option<&'static str>,
}

impl Page {
    const STYLE: &'static str = STYLE;
    const SCRIPT: &'static str = SCRIPT;

    /// All pictures.
    fn pictures(&self) -> impl Iterator<Item = &GalleryPhoto> {
        let of_run = self.run.iter().flat_map(|run| run.best.iter().chain(&run.doubtful));
        of_run.chain(self.judged.iter().flat_map(|judged| &judged.mistakes))
    }

    /// Whether there are pictures, which can be filtered.
    fn has_pictures(&self) -> bool {
        self.pictures().next().is_some()
    }

    /// Whether pictures show masks, which can be left out.
    fn has_masks(&self) -> bool {
        self.pictures().any(GalleryPhoto::has_masks)
    }

    /// Whether pictures show what is right, wrong and missed.
    fn has_mistakes(&self) -> bool {
        self.judged.as_ref().is_some_and(|judged| !judged.mistakes.is_empty())
    }
}

impl RunPart {
    fn new(record: Record, mut found: RunFindings, album: Option<&Album>) -> RunPart {
        let Record { counts, settings, machine, .. } = &record;
        let state = match record.state {
            RunState::Finished => "",
            RunState::Interrupted => " (interrupted)",
            RunState::Running => " (not finished)",
        };
        let mut facts = vec![
            ("photos", format!("{}{state}", counts.photos)),
            ("photos that failed", counts.failed.to_string()),
            ("photos without a box", found.empty.to_string()),
            ("boxes", found.shown().to_string()),
            ("boxes of lower score", (counts.detections as u64).saturating_sub(found.shown()).to_string()),
            ("lowest score kept", settings.score.to_string()),
            ("model", settings.model.clone()),
            ("computed on", format!("{}, {}", machine.device, settings.precision)),
        ];
        if record.wall > 0.0 {
            let new = counts.photos.saturating_sub(record.photos_before) as f64;
            facts.push(("photos a second", format!("{:.1}", new / record.wall)));
        }
        let best = album.map(|album| found.best_pictures(album)).unwrap_or_default();
        let without_pictures = match album {
            None => Some("The run drew no pictures: with the photos given (-i) they are shown here."),
            Some(album) if best.is_empty() && found.wants_pictures() => Some(if album.is_drawn() {
                "The run's pictures are not in its folder any more."
            } else {
                "None of the photos given is one of the run's: they are told by their names and folders."
            }),
            Some(_) => None,
        };
        RunPart {
            facts,
            classes: found.classes(),
            scores: found.scores(),
            areas: found.areas(),
            kinds: bars(counts.failures.iter().map(|(kind, count)| (kind.clone(), *count as u64))),
            more_failures: counts.failed.saturating_sub(found.failures.len()),
            best,
            shown_from: format!("{:.2}", found.shown_from()),
            doubtful_from: format!("{:.2}", found.shown_from() - DOUBT),
            doubtful: album.map(|album| found.doubtful_pictures(album)).unwrap_or_default(),
            failures: found.failures,
            without_pictures,
        }
    }
}

/// What an evaluation says, ready to be read.
struct JudgedPart {
    stats: Vec<Stat>,
    masks: bool,
    drawn: Option<String>,
    by_cluster: Option<String>,
    warnings: Vec<String>,
    precision: Option<DrawnPlot>,
    /// Precision at IoU 0.5 of each class at recalls from 0 to 1, as JSON; empty where it was not measured.
    class_curves: String,
    calibration: Option<(DrawnPlot, String)>,
    classes: Vec<ClassLine>,
    tide: Vec<(Bar, String)>,
    tide_ap: Option<String>,
    cut: Option<String>,
    confusions: Vec<(String, String, u64)>,
    matrix: Option<Matrix>,
    missed: Vec<(&'static str, Vec<MissedLine>)>,
    mistakes: Vec<GalleryPhoto>,
    flawless: Option<(usize, usize)>,
    /// Which detections are looked at for mistakes and confusions.
    looked_at: String,
}

struct Stat {
    name: String,
    value: String,
    interval: String,
    by_cluster: String,
}

struct ClassLine {
    name: String,
    boxes: usize,
    numbers: Vec<String>,
    cut: [String; 3],
}

struct MissedLine {
    label: String,
    missed: u64,
    count: u64,
    share: f64,
}

impl JudgedPart {
    fn new(
        judged: &EvaluationReport,
        album: Option<&Album>,
        run: Option<&Path>,
        pictures: usize,
    ) -> Result<JudgedPart, plot::PlotError> {
        let errors = judged.errors.as_ref();
        let calibration = judged.calibration_plot()?.zip(errors);
        let evaluated = judged.mistakes.len();
        Ok(JudgedPart {
            stats: stats(judged),
            masks: judged.iou_type == "segm",
            drawn: judged.bootstrap.as_ref().map(drawn),
            by_cluster: judged
                .bootstrap
                .as_ref()
                .and_then(|bootstrap| bootstrap.clusters.as_ref())
                .map(|clusters| format!("by cluster ({}: {})", clusters.key, clusters.count)),
            warnings: judged.warnings.iter().map(|warning| warning.message.clone()).collect(),
            precision: judged.precision_plot()?,
            class_curves: judged.class_curves_json(),
            calibration: calibration.map(|(plot, named)| (plot, format!("{:.3}", named.errors.calibration.ece))),
            classes: classes(judged),
            tide: tide(judged),
            tide_ap: judged.tide.as_ref().and_then(|tide| tide.ap).map(|ap| format!("{ap:.1}")),
            cut: errors.and_then(|named| named.errors.best_f1).map(|cut| {
                format!(
                    "Over all categories F1 is best ({:.3}) with detections from score {:.3} up: {:.1} % of them are \
                     right, and {:.1} % of all objects are found.",
                    cut.f1,
                    cut.score,
                    100.0 * cut.precision,
                    100.0 * cut.recall
                )
            }),
            confusions: errors.map(confusions).unwrap_or_default(),
            matrix: errors.and_then(Matrix::of),
            missed: errors.map(missed).unwrap_or_default(),
            mistakes: album.zip(run).map(|(album, run)| worst(judged, album, run, pictures)).unwrap_or_default(),
            looked_at: errors.and_then(|named| named.errors.best_f1).map_or_else(
                || "All detections".into(),
                |cut| format!("Detections of score {:.2} or more", cut.score),
            ),
            flawless: (evaluated > 0)
                .then(|| (judged.mistakes.iter().filter(|image| image.count() == 0).count(), evaluated)),
        })
    }
}

/// -1 stands for nothing to measure.
fn number(value: f64) -> String {
    if value <= -1.0 { "–".into() } else { format!("{value:.3}") }
}

/// How the intervals are made.
fn drawn(bootstrap: &Bootstrap) -> String {
    let count = bootstrap.resamples;
    let how = match bootstrap.method {
        IntervalKind::Subsampling => format!(
            "from {count} draws of half of the images, with what few images add to the number taken off"
        ),
        IntervalKind::Basic => {
            format!("from {count} draws of the images with replacement, mirrored at the number")
        }
        IntervalKind::Percentile => format!("95 of 100 of {count} draws of the images, with replacement"),
    };
    format!("Intervals: {how}; none where fewer than {LEAST_IMAGES} images have an object.")
}

fn stats(judged: &EvaluationReport) -> Vec<Stat> {
    let intervals = judged.bootstrap.as_ref().map_or(&[][..], |bootstrap| &bootstrap.intervals);
    let clusters = judged.bootstrap.as_ref().and_then(|bootstrap| bootstrap.clusters.as_ref());
    let clusters = clusters.map_or(&[][..], |clusters| &clusters.intervals);
    let interval = |interval: Option<&Interval>| match interval {
        Some(interval) if interval.exists() => format!("{:.3} to {:.3}", interval.low, interval.high),
        Some(interval) if interval.images > 0 => interval.why_none(),
        _ => String::new(),
    };
    let named = judged.names.iter().zip(&judged.stats).enumerate();
    named
        .map(|(place, (name, &value))| Stat {
            name: name.clone(),
            value: number(value),
            interval: interval(intervals.get(place)),
            by_cluster: interval(clusters.get(place)),
        })
        .collect()
}

/// Categories with something to find, the worst first.
fn classes(judged: &EvaluationReport) -> Vec<ClassLine> {
    let Some(rows) = &judged.per_class else { return Vec::new() };
    let cuts = judged.errors.as_ref().map_or(&[][..], |named| &named.errors.best_f1_per_class);
    let mut rows: Vec<_> = rows.iter().enumerate().filter(|(_, row)| row.numbers[0] > -1.0).collect();
    rows.sort_by(|a, b| a.1.numbers[0].total_cmp(&b.1.numbers[0]));
    rows.into_iter()
        .map(|(place, row)| {
            let cut = cuts.get(place).copied().flatten();
            ClassLine {
                name: row.name.clone(),
                boxes: row.boxes,
                numbers: row.numbers.iter().map(|&value| number(value)).collect(),
                cut: cut.map_or([const { String::new() }; 3], |cut| {
                    [cut.score, cut.precision, cut.recall].map(|value| format!("{value:.2}"))
                }),
            }
        })
        .collect()
}

/// TIDE's kinds with what each costs, in points of AP.
fn tide(judged: &EvaluationReport) -> Vec<(Bar, String)> {
    let Some(tide) = &judged.tide else { return Vec::new() };
    let words = |kind: &str| {
        match kind {
            "Cls" => "wrong class",
            "Loc" => "wrong place",
            "Both" => "wrong class and place",
            "Dupe" => "found twice",
            "Bkg" => "background taken for an object",
            "Miss" => "missed",
            other => other,
        }
        .to_owned()
    };
    let most = tide.main.values().copied().fold(f64::MIN_POSITIVE, f64::max);
    let mut kinds: Vec<(&String, f64)> = tide.main.iter().map(|(kind, &gain)| (kind, gain)).collect();
    kinds.sort_by(|a, b| b.1.total_cmp(&a.1));
    kinds
        .into_iter()
        .map(|(kind, gain)| {
            let count = tide.counts.get(kind).copied().unwrap_or(0);
            (Bar { label: words(kind), count, share: 100.0 * gain.max(0.0) / most }, format!("{gain:.1}"))
        })
        .collect()
}

/// What is taken for another thing, most often first.
fn confusions(named: &NamedErrors) -> Vec<(String, String, u64)> {
    let name = |place: Option<usize>, none: &str| match place {
        Some(place) => named.categories.get(place).cloned().unwrap_or_default(),
        None => none.to_owned(),
    };
    let mut cells: Vec<_> =
        named.errors.confusion.iter().filter(|cell| cell.truth != cell.detection).collect();
    cells.sort_by(|a, b| b.count.cmp(&a.count).then(a.cmp(b)));
    let cells = cells.into_iter().take(CONFUSIONS);
    cells.map(|cell| (name(cell.truth, "(nothing)"), name(cell.detection, "(missed)"), cell.count)).collect()
}

fn missed(named: &NamedErrors) -> Vec<(&'static str, Vec<MissedLine>)> {
    let lines = |shares: &[MissedShare]| {
        let there = shares.iter().filter(|share| share.count > 0);
        there
            .map(|share| MissedLine {
                label: share.label.clone(),
                missed: share.missed,
                count: share.count,
                share: 100.0 * share.missed as f64 / share.count as f64,
            })
            .collect()
    };
    let missed = &named.errors.missed;
    vec![("by size", lines(&missed.by_size)), ("by neighbours", lines(&missed.by_crowding))]
}
