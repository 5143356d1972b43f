//! `rcnn quantize`: a float32 model becomes an int8 model folder, and the user learns what it costs in accuracy.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use crate::compare::{Candidate, Contender, JudgedModel, Judging, judge, measure, warnings};
use crate::model::{Files, Model, Quantization};
use crate::photo::{DecodeOptions, PhotoEntry};
use crate::quantize::{LayerReport, Method, QuantizeOptions, QuantizeStep, Quantized, quantize, saturates};
use crate::run::{Annotated, Task};
use crate::runtime::Runtime;
use coco_eval::IntervalKind;
use serde::Serialize;

use super::compare::warm_up;
use super::fastest::RunAhead;
use super::memory::MemoryArgs;
use super::model_and_photos::ModelAndPhotos;
use super::output::{print_watched_report, tell};
use super::progress::ProgressLine;
use super::runtime_args::RuntimeArgs;
use super::signals::stop_on_signal;
use super::summary::tell_clipped;
use super::values::{folder, whole, words};
use super::{Exit, Usage, say};

mod gain;

use gain::Int8Gain;

/// Quantize a model to int8, which processors compute faster
#[derive(Debug, clap::Args)]
#[command(override_usage = "rcnn quantize [OPTIONS] <MODEL> --images <PHOTOS>... --out <FOLDER>")]
#[command(after_help = "Examples:
  rcnn quantize fod-r18 -i photos/ -o models/int8
  rcnn quantize models/mine -i photos/ -o models/int8 -a gt.json

Ranges of the network's values are taken from the photos, which should be of the kind that the model is for.
The table shows how far each layer's output is from float32 when that layer alone is int8, as a signal-to-noise
ratio; layers below --min-snr stay float32. At the end both models are timed on this machine; with -a, they run on the
annotated photos.")]
pub(crate) struct QuantizeArgs {
    #[command(flatten)]
    both: ModelAndPhotos,
    /// Folder for the model
    #[arg(short, long, value_name = "FOLDER", value_parser = folder())]
    out: PathBuf,
    /// Photos to take ranges from; chosen by chance where there are more
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = whole::<u32>(1..))]
    photos: u32,
    /// Seed of what is drawn by chance
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = whole::<u64>(..))]
    seed: u64,
    /// Method by which ranges are chosen
    #[arg(long, default_value_t, value_name = "METHOD", value_parser = words::<Method>(METHODS))]
    method: Method,
    /// Percentage of the values that --method percentile covers
    #[arg(long, default_value_t = QuantizeOptions::default().percentile, value_name = "P", value_parser = percent)]
    percentile: f64,
    /// Signal-to-noise ratio, in decibels, below which layers stay float32
    #[arg(long, default_value_t = QuantizeOptions::default().min_snr, value_name = "DB", allow_negative_numbers = true)]
    min_snr: f64,
    /// Weights of 7 bits, for x86-64 processors without VNNI, whose 8-bit sums may overflow; --reduce-range alone is yes
    #[arg(long, default_value = "auto", value_enum, value_name = "WHEN", num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    reduce_range: ReduceRange,
    /// COCO annotations: both models run on the annotated photos as well, and the AP before and after is printed
    #[arg(short, long, value_name = "GT.json", value_parser = super::file_or_pipe())]
    annotations: Option<PathBuf>,
    /// Print one JSON document on standard output, and everything else on standard error
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    machine: RuntimeArgs,
}

const METHODS: &[(&str, &str)] = &[
    ("mse", "least squared error"),
    ("entropy", "least divergence"),
    ("percentile", "what --percentile says"),
    ("min-max", "smallest to largest value"),
];

/// When weights have 7 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ReduceRange {
    /// if this machine needs it
    Auto,
    /// always
    Yes,
    /// never
    No,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| *number > 0.0 && *number <= 100.0);
    number.ok_or_else(|| "it is a number above 0, up to 100".into())
}

/// Runs the command.
pub(crate) fn run(args: QuantizeArgs) -> anyhow::Result<Exit> {
    if args.min_snr.is_nan() {
        return Err(Usage("--min-snr is a number of decibels".into()).into());
    }
    let (name, photos) = args.both.split()?;
    let listing = super::list_photos(&photos, None)?;
    // What would fail after the calibration fails before it.
    let annotated = args.annotations.as_deref().map(Annotated::open).transpose()?;
    let tasks = match &annotated {
        Some(annotated) => {
            let (tasks, warnings) = annotated.photos(listing.entries.clone())?;
            say(&warnings);
            tasks
        }
        None => Vec::new(),
    };
    Model::check_folder(&args.out)?;
    let model = super::find_model(&name, args.machine.offline())?;
    let runtime = args.machine.open()?;
    let stop = stop_on_signal();
    let options = QuantizeOptions {
        photos: args.photos as usize,
        seed: args.seed,
        method: args.method,
        percentile: args.percentile,
        min_snr: args.min_snr,
        reduce_range: match args.reduce_range {
            ReduceRange::Auto => saturates(),
            ReduceRange::Yes => true,
            ReduceRange::No => false,
        },
        threads: args.machine.threads(),
        decode: args.memory.one_by_one(DecodeOptions::default()),
    };
    let quantized = calibrate(&model, &runtime, &listing.entries, &options, &stop)?;
    say(quantized.skipped());
    let layers = quantized.layers().to_vec();
    let written = quantized.named(&super::model_name(&args.out)).write(&args.out)?;
    let judged = match &annotated {
        Some(annotated) => judge_both(&args, annotated, &runtime, &tasks, [&model, &written], &stop)?,
        None => Vec::new(),
    };
    for warning in warnings(&judged) {
        tell!("warning: {warning}");
    }
    let gain = if args.annotations.is_some() {
        Int8Gain::of_judged(&judged)
    } else {
        Int8Gain::measured(&args.machine, &runtime, [&model, &written], &listing.entries, &stop)?
    };
    let manifest = written.manifest();
    let report = QuantizeReport {
        model: args.out.display().to_string(),
        name: &manifest.name,
        sha256: written.hash(),
        quantization: manifest.provenance.quantization.as_ref(),
        files: &manifest.files,
        layers: &layers,
        models: &judged,
        gain: gain.as_ref(),
    };
    print_watched_report(&report, args.json)?;
    Ok(Exit::Done)
}

fn calibrate(
    model: &Model,
    runtime: &Runtime,
    photos: &[PhotoEntry],
    options: &QuantizeOptions,
    stop: &AtomicBool,
) -> anyhow::Result<Quantized> {
    let mut bar: Option<(QuantizeStep, ProgressLine)> = None;
    let mut watch = |step: QuantizeStep, done: usize, total: usize| {
        if bar.as_ref().is_none_or(|(old, _)| *old != step) {
            if let Some((_, progress)) = &bar {
                progress.end();
            }
            let things = if step == QuantizeStep::Ranges { "photos for ranges" } else { "runs for noise" };
            bar = Some((step, ProgressLine::new(things, 0, total as u64)));
        }
        if let Some((_, progress)) = &mut bar {
            progress.set(done as u64, total as u64, 0);
        }
    };
    let quantized = quantize(model, runtime, photos, options, stop, &mut watch);
    if let Some((_, progress)) = &bar {
        progress.end();
    }
    Ok(quantized?)
}

/// Runs the model before and after on the annotated photos, in turns.
fn judge_both(
    args: &QuantizeArgs,
    annotated: &Annotated,
    runtime: &Runtime,
    tasks: &[Task],
    models: [&Model; 2],
    stop: &AtomicBool,
) -> anyhow::Result<Vec<JudgedModel>> {
    let path = args.annotations.as_deref().unwrap_or(Path::new(""));
    let decode = args.memory.one_by_one(DecodeOptions::default());
    let mut contenders = Vec::new();
    for (name, model) in ["float32", "int8"].into_iter().zip(models) {
        let manifest = model.manifest();
        let (classes, warnings) = annotated.classes(&manifest.classes);
        if name == "float32" {
            say(&warnings);
        }
        let ahead = RunAhead::default();
        let computing = args.machine.computing(runtime, &[model], NonZeroUsize::MIN, ahead, stop)?;
        let detector = computing.load(model, runtime)?;
        warm_up(&detector, tasks, &decode)?;
        contenders.push(Contender {
            name: name.into(),
            detector,
            classes,
            parameters: manifest.parameters.layers + manifest.parameters.norms,
            memory: None,
        });
    }
    let folder = tempfile::tempdir()?;
    let total = tasks.len() as u64;
    let mut progress = ProgressLine::new("photos", 0, total);
    let mut watch = |done: usize| progress.set(done as u64, total, 0);
    let measured = measure(&contenders, tasks, &decode, folder.path(), stop, &mut watch);
    progress.end();
    let measured = measured?;
    tell_clipped(measured.clipped, "");
    for failed in &measured.failed {
        tell!("warning: `{}` is left out: {}", failed.file.escape_debug(), failed.error.detail);
    }
    let results = contenders.iter().zip(measured.costs);
    let results: Vec<_> = results
        .map(|(contender, cost)| {
            let path = folder.path().join(format!("{}.json", contender.name));
            Candidate { name: contender.name.clone(), results: vec![path], costs: Some(cost) }
        })
        .collect();
    let how = Judging {
        iou_type: coco_eval::IouType::Bbox,
        image_ids: Some(&measured.image_ids),
        resamples: 1000,
        seed: args.seed,
        method: IntervalKind::default(),
        cluster: None,
    };
    Ok(judge(path, &results, &how)?)
}

/// What became of a model, layer by layer, and what that costs or gains.
#[derive(Serialize)]
struct QuantizeReport<'a> {
    model: String,
    name: &'a str,
    sha256: &'a str,
    quantization: Option<&'a Quantization>,
    files: &'a Files,
    layers: &'a [LayerReport],
    /// Before and after, where annotations tell.
    models: &'a [JudgedModel],
    /// How much faster it is here.
    gain: Option<&'a Int8Gain>,
}

impl fmt::Display for QuantizeReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(f, self)
    }
}

fn write_all(text: &mut fmt::Formatter<'_>, report: &QuantizeReport<'_>) -> fmt::Result {
    let QuantizeReport { model, layers, models, .. } = report;
    let int8 = layers.iter().filter(|layer| layer.int8).count();
    if let Some(how) = report.quantization {
        let (bits, method, photos) = (how.weight_bits, &how.method, how.photos);
        writeln!(
            text,
            "{model}: {int8} of {} layers int8, weights of {bits} bits, ranges by {method} from {photos} photos",
            layers.len()
        )?;
    }
    writeln!(text, "signal-to-noise ratio of each layer, dB:")?;
    for layer in *layers {
        let ratio = layer.snr_db.map_or_else(|| "     -".to_owned(), |ratio| format!("{ratio:6.1}"));
        let kind = match (layer.int8, layer.kept) {
            (true, _) => "int8".to_owned(),
            (false, Some(why)) => format!("float32: it {why}"),
            (false, None) => "float32: below the least ratio".to_owned(),
        };
        writeln!(text, "  {:34} {:5} {ratio}  {kind}", layer.name, layer.op)?;
    }
    if let [before, after] = models {
        let ap = |model: &JudgedModel| model.stats.first().copied().unwrap_or(f64::NAN);
        write!(text, "AP {:.4} before, {:.4} after", ap(before), ap(after))?;
        let interval = after.difference.as_ref().and_then(|difference| difference.intervals.first());
        if let Some(interval) = interval.filter(|interval| interval.exists()) {
            write!(text, " (95 % interval of the change: {:+.4} to {:+.4})", interval.low, interval.high)?;
        }
        writeln!(text)?;
    }
    let Some(gain) = report.gain else { return Ok(()) };
    let (before, after) = (gain.float32_ms, gain.int8_ms);
    writeln!(text, "{before:.1} ms a photo before, {after:.1} after on this machine: {:.2} x", gain.times())
}
