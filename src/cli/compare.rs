//! `rcnn compare`.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use crate::compare::{
    Candidate, Contender, JudgedModel, Judging, Measured, TableForm, judge, measure, table, warnings,
};
use crate::detector::Detector;
use crate::memory;
use crate::model::{CHECKPOINT_ENDINGS, Model};
use crate::photo::{self, DecodeOptions};
use crate::run::{Annotated, FailedPhoto, Task};
use crate::runtime::Runtime;
use coco_eval::IntervalKind;
use serde::Serialize;

use super::fastest::RunAhead;
use super::interval_args::IntervalArgs;
use super::iou_type::BoxesOrMasks;
use super::memory::MemoryArgs;
use super::output::{print_report, tell};
use super::postprocess_args::PostprocessArgs;
use super::progress::ProgressLine;
use super::runtime_args::RuntimeArgs;
use super::signals::stop_on_signal;
use super::summary::tell_clipped;
use super::values::{folder as folder_to_write, whole};
use super::{Exit, Usage, say};

mod flipped;
mod folder;
mod page;
mod row;

use flipped::{GivenPhotos, ShownFlips};
use folder::ComparedModels;
use row::ComparedSetup;

/// Compare models on the same photos: accuracy, cost, and whether the difference is significant
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn compare -a gt.json -i photos/ fod-r18 models/mine mine.pth -o both
  rcnn compare -a gt.json -i photos/ fod-r18 fod-r18+flip fod-r18+resnet-34
  rcnn compare -a gt.json before.json after.json
  rcnn compare -a gt.json before.json after.json --cluster video_id
  rcnn compare -a gt.json --group r18=a.json,b.json --group r34=c.json,d.json

Differences are relative to the first. Intervals come from draws of the photos: they show how much the numbers vary with
the choice of photos alone. With several trainings of a model (`--group`) their variance stands beside it, and a
difference is called more than noise only if it is so against both.")]
pub(crate) struct CompareArgs {
    /// COCO annotations: what there is to be found
    #[arg(short, long, value_name = "GT.json", value_parser = super::file_or_pipe())]
    annotations: PathBuf,
    /// Photos: files, folders (with all folders in them), patterns, .txt files of paths; with one -i for each; where all
    /// models are saved results, only to show those that flipped on the page (-o)
    #[arg(short = 'i', long, alias = "input", value_name = "PHOTOS")]
    images: Vec<OsString>,
    /// Models (names, folders or checkpoint files) or saved results (.json, .jsonl, .gz of each). A+B are two models whose
    /// detections are merged; +flip, +full and +refine are the views and the refinement of `rcnn detect`
    #[arg(required_unless_present = "group", value_name = "MODEL")]
    models: Vec<OsString>,
    /// Trainings of one model, as models or saved results: judged together, as the mean of their numbers
    #[arg(long, value_name = "NAME=MODEL,…", value_parser = group)]
    group: Vec<Trained>,
    /// Folder for compare.json, compare.md, a page (compare.html), plots of AP against time (.svg, .png) and each model's results
    #[arg(short, long, value_name = "FOLDER", value_parser = folder_to_write())]
    out: Option<PathBuf>,
    /// Draws of the images for 95 % intervals
    #[arg(long, default_value_t = 1000, value_parser = whole::<u32>(2..), value_name = "N")]
    bootstrap: u32,
    /// Seed of what is drawn by chance
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = whole::<u64>(..))]
    seed: u64,
    /// What of an object is compared
    #[arg(long, value_enum, value_name = "TYPE", default_value_t)]
    iou_type: BoxesOrMasks,
    #[command(flatten)]
    intervals: IntervalArgs,
    /// Print the table as Markdown, to paste
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Print one JSON document on standard output, and everything else on standard error
    #[arg(long)]
    json: bool,
    /// Use what is there of truncated photos (JPEG, PNG and BMP)
    #[arg(long)]
    allow_truncated: bool,
    #[command(flatten)]
    postprocess: PostprocessArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    machine: RuntimeArgs,
}

/// Trainings of one model.
#[derive(Clone, Debug)]
struct Trained {
    name: String,
    models: Vec<OsString>,
}

fn group(text: &str) -> Result<Trained, String> {
    let (name, models) =
        text.split_once('=').ok_or("a name and its trainings expected, as in `r18=a.json,b.json`")?;
    let models: Vec<OsString> =
        models.split(',').map(str::trim).filter(|model| !model.is_empty()).map(Into::into).collect();
    match (name.trim(), models.len()) {
        ("", _) => Err("a group needs a name, as in `r18=a.json,b.json`".into()),
        (name, 0) => {
            Err(format!("`{name}` has no trainings: give them after the `=`, with commas between them"))
        }
        (name, _) => Ok(Trained { name: name.into(), models }),
    }
}

/// Runs the command.
pub(crate) fn run(mut args: CompareArgs) -> anyhow::Result<Exit> {
    let alone = args.models.len();
    args.models.extend(args.group.iter().flat_map(|group| group.models.iter().cloned()));
    let saved: Vec<bool> = args.models.iter().map(|model| is_results(model)).collect::<Result<_, _>>()?;
    let scratch = tempfile::tempdir()?;
    let names = names(&args.models);
    let run: Vec<&String> =
        names.iter().zip(&saved).filter(|(_, saved)| !**saved).map(|(name, _)| name).collect();
    let inputs: Vec<PathBuf> =
        args.models.iter().map(PathBuf::from).chain([args.annotations.clone()]).collect();
    if let Some(folder) = &args.out {
        folder::check(folder, &run, inputs.iter().map(PathBuf::as_path))?;
    }
    let (measured, given) = if run.is_empty() {
        (None, photos_of_results(&args)?)
    } else {
        let (measured, given) = run_models(&args, &names, &saved, scratch.path())?;
        (Some(measured), Some(given))
    };
    let failed = measured.as_ref().map_or(&[][..], |measured| measured.failed.as_slice());
    let results = candidates(&args.models, &names, &saved, measured.as_ref(), scratch.path())?;
    let entries = together(results, alone, &args.group)?;
    let how = Judging {
        image_ids: measured.as_ref().map(|measured| measured.image_ids.as_slice()),
        resamples: args.bootstrap as usize,
        seed: args.seed,
        method: args.intervals.method(),
        cluster: args.intervals.cluster.as_deref(),
        iou_type: args.iou_type.into(),
    };
    let judged = judge(&args.annotations, &entries, &how)?;
    tell_clipped(measured.as_ref().map_or(0, |measured| measured.clipped), "");
    for warning in warnings(&judged) {
        tell!("warning: {warning}");
    }
    let in_form = |form| {
        let masks = if args.iou_type.masks() { "\nThe numbers are of masks.\n" } else { "" };
        table(&judged, failed, form) + masks
    };
    let text = in_form(if args.markdown { TableForm::Markdown } else { TableForm::Columns });
    let compared = coco_eval::IouType::from(args.iou_type).name();
    let report = CompareReport {
        models: &judged,
        iou_type: compared,
        resamples: args.bootstrap,
        seed: args.seed,
        method: how.method,
        results: &run,
        failed,
        text: &text,
    };
    if let Some(folder) = &args.out {
        let document = format!("{}\n", serde_json::to_string_pretty(&report)?);
        let flips = match &given {
            Some(given) => ShownFlips::of(&args, given, &entries, &judged, &how)?,
            None => ShownFlips::default(),
        };
        let comparison = ComparedModels { judged: &judged, failed, flips };
        let markdown = in_form(TableForm::Markdown);
        folder::write(folder, scratch.path(), &markdown, &document, comparison, &run)?;
        tell!("comparison in `{}`", folder.display());
    }
    print_report(&report, args.json)?;
    Ok(if failed.is_empty() { Exit::Done } else { Exit::PhotosFailed })
}

/// Each model's results, which lie where they were saved or where its run has left them, and its costs if it ran.
fn candidates(
    models: &[OsString],
    names: &[String],
    saved: &[bool],
    measured: Option<&Measured>,
    scratch: &Path,
) -> anyhow::Result<Vec<Candidate>> {
    let mut costs = measured.into_iter().flat_map(|measured| measured.costs.iter().copied());
    let rows = models.iter().zip(names).zip(saved);
    rows.map(|((model, name), saved)| {
        let (results, costs) = match saved {
            true => (super::results_of(Path::new(model))?, None),
            false => (scratch.join(folder::file(name)), costs.next()),
        };
        Ok(Candidate { name: name.clone(), results: vec![results], costs })
    })
    .collect()
}

/// Models side by side.
#[derive(Serialize)]
struct CompareReport<'a> {
    models: &'a [JudgedModel],
    iou_type: &'static str,
    resamples: u32,
    seed: u64,
    method: IntervalKind,
    results: &'a [&'a String],
    failed: &'a [FailedPhoto],
    /// The table, for a person.
    #[serde(skip)]
    text: &'a str,
}

impl fmt::Display for CompareReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// Entries of which those behind the first `alone` are trainings of the groups.
fn together(mut entries: Vec<Candidate>, alone: usize, groups: &[Trained]) -> Result<Vec<Candidate>, Usage> {
    let mut trainings = entries.split_off(alone).into_iter();
    for group in groups {
        if entries.iter().any(|entry| entry.name == group.name) {
            return Err(Usage(format!(
                "two of the models are called `{}`: give the groups other names",
                group.name
            )));
        }
        let own: Vec<Candidate> = trainings.by_ref().take(group.models.len()).collect();
        entries.push(Candidate {
            name: group.name.clone(),
            costs: own.iter().find_map(|training| training.costs),
            results: own.into_iter().flat_map(|training| training.results).collect(),
        });
    }
    Ok(entries)
}

/// Whether a model is given as saved results, which its name tells: a file of theirs, a run's folder; a pipe can be nothing
/// else.
fn is_results(model: &OsStr) -> Result<bool, Usage> {
    let path = Path::new(model);
    if path.exists() && !path.is_file() && !path.is_dir() {
        let unread = |cause| Usage(format!("cannot read `{}`: {cause}", path.display()));
        return crate::once::keep(path).map(|()| true).map_err(unread);
    }
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let named = name.ends_with(".json") || name.ends_with(".jsonl");
    if named && !path.exists() {
        return Err(Usage(format!("no such results file `{}`", path.display())));
    }
    let run = || path.join("detections.jsonl").is_file() && !path.join("model.json").exists();
    Ok(named && path.is_file() || run())
}

/// Endings of saved results.
const RESULTS_ENDINGS: [&str; 3] = ["gz", "json", "jsonl"];

/// The last part of a path without the endings of a file that models are given as; a point elsewhere belongs to the name, as in
/// `run-0.1`.
fn stem(path: &Path) -> Option<String> {
    let mut name = path.file_name()?.to_string_lossy().into_owned();
    for ending in RESULTS_ENDINGS.iter().chain(&CHECKPOINT_ENDINGS) {
        let own = name.strip_suffix(ending).and_then(|name| name.strip_suffix('.'));
        if let Some(own) = own.filter(|own| !own.is_empty()) {
            name = own.to_owned();
        }
    }
    Some(name)
}

/// What `-o` writes beside the models' results is called this, in any case of its letters.
const OWN: &str = "compare";

/// The last part of a path without its ending; the folder's where that says nothing.
fn short(part: &OsStr) -> String {
    let path = Path::new(part);
    let own = stem(path).unwrap_or_else(|| part.to_string_lossy().into_owned());
    let generic = ["model", "detections", "model_final"].contains(&own.as_str());
    if generic { path.parent().and_then(stem).unwrap_or(own) } else { own }
}

/// Short names, with a number where two are alike or one is ours.
fn names(models: &[OsString]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for model in models {
        let name = ComparedSetup::parts(model).iter().map(|part| short(part)).collect::<Vec<_>>().join(" + ");
        let taken = |name: &str| {
            let name = name.to_lowercase();
            name == OWN || names.iter().any(|other| other.to_lowercase() == name)
        };
        let numbered = (2..).map(|number: usize| format!("{name} ({number})"));
        names.extend(std::iter::once(name.clone()).chain(numbered).find(|name| !taken(name)));
    }
    names
}

/// Runs the models on the photos.
fn run_models(
    args: &CompareArgs,
    names: &[String],
    saved: &[bool],
    folder: &Path,
) -> anyhow::Result<(Measured, GivenPhotos)> {
    if args.images.is_empty() {
        return Err(Usage("models need photos to run on: give them with -i".into()).into());
    }
    let (annotated, tasks) = photos(args)?;
    let runtime = args.machine.open()?;
    let stop = stop_on_signal();
    let decode = DecodeOptions { allow_truncated: args.allow_truncated, ..DecodeOptions::default() };
    let mut contenders = Vec::new();
    for ((model, name), saved) in args.models.iter().zip(names).zip(saved) {
        if !saved {
            contenders.push(contender(model, name, args, &annotated, &runtime, &tasks, &stop)?);
        }
    }
    let decode = args.memory.one_by_one(decode);
    let total = tasks.len() as u64;
    let mut progress = ProgressLine::new("photos", 0, total);
    let measured =
        measure(&contenders, &tasks, &decode, folder, &stop, &mut |done| progress.set(done as u64, total, 0));
    progress.end();
    let decode = contenders.first().map_or(decode, |contender| contender.detector.reading(&decode));
    Ok((measured?, GivenPhotos::of_run(&tasks, decode)))
}

/// The annotations' tables, and the photos that are annotated.
fn photos(args: &CompareArgs) -> anyhow::Result<(Annotated, Vec<Task>)> {
    let listing = super::list_photos(&args.images, None)?;
    let annotated = Annotated::open(&args.annotations)?;
    let (tasks, warnings) = annotated.photos(listing.entries)?;
    say(&warnings);
    Ok((annotated, tasks))
}

/// The photos that saved results were found in, where they are given and a page shows them.
fn photos_of_results(args: &CompareArgs) -> anyhow::Result<Option<GivenPhotos>> {
    if args.images.is_empty() {
        return Ok(None);
    }
    if args.out.is_none() {
        let what = "photos (-i) are for models, or for the page of saved results: give its folder with -o";
        return Err(Usage(what.into()).into());
    }
    let (annotated, tasks) = photos(args)?;
    let decode = DecodeOptions { allow_truncated: args.allow_truncated, ..DecodeOptions::default() };
    Ok(Some(GivenPhotos::of_saved(&tasks, &annotated, decode)))
}

/// Loads the models of a row and lets them see the first photo, which is not timed.
fn contender(
    row: &OsStr,
    name: &str,
    args: &CompareArgs,
    annotated: &Annotated,
    runtime: &Runtime,
    tasks: &[Task],
    stop: &AtomicBool,
) -> anyhow::Result<Contender> {
    let before = memory::resident();
    let row = ComparedSetup::read(row);
    if row.models.is_empty() {
        return Err(Usage(format!("`{name}` names no model, only what is to be done with one")).into());
    }
    let find = |model: &OsString| super::find_model(model, args.machine.offline());
    let models = row.models.iter().map(find).collect::<anyhow::Result<Vec<Model>>>()?;
    let counts = models.iter().map(|model| model.manifest().parameters);
    let parameters = counts.map(|counts| counts.layers + counts.norms).sum();
    let photos: Vec<_> = tasks.iter().map(|task| task.entry.clone()).collect();
    let ahead = RunAhead { photos: &photos, count: photos.len(), ..RunAhead::default() };
    let all: Vec<&Model> = models.iter().collect();
    let computing = args.machine.computing(runtime, &all, NonZeroUsize::MIN, ahead, stop)?;
    let mut detector = computing.load_all(all.into_iter().map(|model| (model, 1.0)), runtime)?;
    // What they take is of no use any more, and is not to be counted.
    drop((models, photos));
    args.postprocess.apply(&mut detector)?;
    detector.set_augment(row.augment)?;
    detector.set_refine(row.refine);
    if args.iou_type.masks() && !detector.gives_masks() {
        return Err(Usage(format!("`{name}` gives no masks: --iou-type bbox compares boxes")).into());
    }
    detector.set_masks(args.iou_type.masks());
    let (classes, warnings) = annotated.classes(detector.classes());
    say(&warnings);
    let decode = DecodeOptions { allow_truncated: args.allow_truncated, ..DecodeOptions::default() };
    warm_up(&detector, tasks, &decode)?;
    let memory = memory::resident().zip(before).map(|(after, before)| after.saturating_sub(before));
    Ok(Contender { name: name.into(), detector, classes, parameters, memory })
}

/// Lets a detector see the first photo that can be decoded, which takes longer than others.
pub(super) fn warm_up(detector: &Detector, tasks: &[Task], decode: &DecodeOptions) -> anyhow::Result<()> {
    let decode = detector.reading(decode);
    if let Some(photo) = tasks.iter().find_map(|task| photo::decode(&task.entry.path, &decode).ok()) {
        detector.predict(&photo)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_short_and_different() {
        let models = ["fod-r18", "a/resnet-34", "b/resnet-34", "x/model.pth", "runs/one/detections.json"];
        let names = super::names(&models.map(Into::into));
        assert_eq!(names, ["fod-r18", "resnet-34", "resnet-34 (2)", "x", "one"]);
        let models = ["run-0.1", "run-0.2/model.pth", "run-0.3/detections.jsonl.gz", "R50.1x.ckpt"];
        let names = super::names(&models.map(Into::into));
        assert_eq!(names, ["run-0.1", "run-0.2", "run-0.3", "R50.1x"]);
        // `compare.json` is the comparison's own, and file systems may not tell the cases of letters apart.
        let models = ["compare", "Compare", "a/x", "b/X", "x (2)"];
        let names = super::names(&models.map(Into::into));
        assert_eq!(names, ["compare (2)", "Compare (3)", "x", "X (2)", "x (2) (2)"]);
    }
}
