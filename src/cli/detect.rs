//! `rcnn detect`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::detector::Detector;
use crate::family::Class;
use crate::photo::{self, DecodeOptions, Decoder, Limits};
use crate::run::{self, Event, Record, Truth};
use crate::runtime::Precision;
use crate::{Annotated, Run, Shard};

use super::export_args::ExportArgs;
use super::fastest::RunAhead;
use super::memory::MemoryArgs;
use super::output::tell;
use super::picture_args::PictureArgs;
use super::postprocess_args::PostprocessArgs;
use super::progress::ProgressLine;
use super::runtime_args::RuntimeArgs;
use super::signals::stop_on_signal;
use super::streams::StreamArgs;
use super::values::{folder, whole};
use super::view_args::ViewArgs;
use super::{Exit, Usage, json_lines, summary};

mod models;

use models::Models;

/// Detect objects in photos and draw them
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn detect holiday/ -m coco                   everyday objects, into rcnn-out
  rcnn detect '*.jpg' -m coco-best --score 0.3 --classes person,dog
  find . -name '*.png' | rcnn detect - -o out --no-draw --json
  rcnn detect aerial.tif -o out --tile           small objects in large photos
  find /data -name '*.jpg' | rcnn detect - --json-lines
  rcnn detect photos/ -o shard-2 --shard 2/8     on the second of eight machines
  rcnn detect val2017/ -a instances_val2017.json -m models/mine -o out

Continues where an interrupted run stopped. Exit codes: 0 done, 1 failed, 2 wrong usage,
3 done, but some photos failed, 129, 130 and 143 stopped by SIGHUP, SIGINT and SIGTERM.")]
pub(crate) struct DetectArgs {
    /// Photos: files, folders (with all folders in them), patterns, .txt files of paths, or - for paths on standard input
    #[arg(required = true, value_name = "PHOTOS")]
    photos: Vec<OsString>,
    /// Folder for the results; rcnn-out by default, or rcnn-out-2 and so on where another run's results are there
    #[arg(short, long, value_name = "FOLDER", value_parser = folder())]
    out: Option<PathBuf>,
    /// Write no folder, and answer each path with one line of JSON on standard output, in order and as soon as it is there;
    /// with - for PHOTOS, paths are read one a line as they come, as other programs send them
    #[arg(long, conflicts_with_all = ["out", "annotations", "tile", "shard", "overwrite", "retry_failed", "json", "format", "crops", "sort_into", "exif"])]
    json_lines: bool,
    /// Model: a name, a folder or a checkpoint file; a published one that is not here is downloaded, coco for the
    /// recommended; -m A -m B looks with both and merges what they find. By default fod-r18, which knows runway debris and
    /// nothing else
    #[arg(short, long, value_name = "MODEL")]
    model: Vec<OsString>,
    /// Weights of several models or results when their detections are merged, in their order; all alike by default
    #[arg(long, value_delimiter = ',', value_parser = super::weight, requires = "model", value_name = "W,W")]
    weights: Option<Vec<f64>>,
    /// Config for what no tensor shows: of a checkpoint file, in place of the one beside it, as for `rcnn import`
    #[arg(long, value_name = "FILE", requires = "model")]
    config: Option<PathBuf>,
    /// Names of the classes: a file with one on each line, in the model's order and without a background; for a checkpoint
    /// file
    #[arg(long, value_name = "FILE", requires = "model")]
    names: Option<PathBuf>,
    /// COCO annotations: results take the ids of images (by file name) and categories (by name) from them
    #[arg(short, long, value_name = "GT.json", value_parser = super::file_or_pipe())]
    annotations: Option<PathBuf>,
    /// Score from which boxes are drawn
    #[arg(long, default_value_t = 0.5, value_parser = super::probability, value_name = "SCORE")]
    draw_score: f32,
    /// Classes to keep: names or ids, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    classes: Option<Vec<String>>,
    /// Draw the annotated objects as well, and colour boxes by what the annotations say: right (IoU of 0.5 or more with an
    /// object of the class), wrong, missed
    #[arg(long, requires = "annotations", conflicts_with = "no_draw")]
    show_truth: bool,
    #[command(flatten)]
    pictures: PictureArgs,
    /// Add to each row of detections.jsonl when, where and with what camera the photo was taken, as its EXIF data say
    #[arg(long)]
    exif: bool,
    /// Write no annotated pictures
    #[arg(long)]
    no_draw: bool,
    /// Leave out the masks of a model that has them: neither computed nor drawn
    #[arg(long)]
    no_masks: bool,
    /// Also process large photos in overlapping tiles, at full size and at each half of it, to find small objects
    #[arg(long)]
    tile: bool,
    /// Share of the photos: every N-th one, from the I-th on, into a folder of its own; `rcnn merge` merges the folders
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Replace the results of an earlier run in the folder
    #[arg(long)]
    overwrite: bool,
    /// Retry all photos that failed in an earlier start; those that could not be read, or for which there was no
    /// memory, are retried anyway
    #[arg(long)]
    retry_failed: bool,
    /// Print one JSON document on standard output, and everything else on standard error: the run's record, run.json
    #[arg(long)]
    json: bool,
    /// Photos of the same size that go through the network together; does not change results
    #[arg(long, default_value_t = 1, value_parser = whole::<u16>(1..), value_name = "N")]
    batch: u16,
    #[command(flatten)]
    postprocess: PostprocessArgs,
    #[command(flatten)]
    views: ViewArgs,
    #[command(flatten)]
    export: ExportArgs,
    #[command(flatten)]
    decode: DecodeArgs,
    #[command(flatten)]
    streams: StreamArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    machine: RuntimeArgs,
}

#[derive(Debug, clap::Args)]
struct DecodeArgs {
    /// Decoder of JPEGs
    #[arg(long, default_value = "exact", value_name = "DECODER")]
    decoder: DecoderArg,
    /// Ignore the EXIF orientation and take the pixels as stored
    #[arg(long)]
    ignore_orientation: bool,
    /// Use what is there of truncated photos (JPEG, PNG and BMP)
    #[arg(long)]
    allow_truncated: bool,
    /// Most pixels of a photo; larger ones are refused
    #[arg(long, default_value_t = Limits::default().pixels, value_name = "N", value_parser = whole::<u64>(1..))]
    max_pixels: u64,
    /// Most bytes of a photo's file; larger ones are refused
    #[arg(long, default_value_t = Limits::default().file_bytes, value_name = "N", value_parser = whole::<u64>(1..))]
    max_file_size: u64,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum DecoderArg {
    /// the pixels of libjpeg-turbo, as the frameworks see them
    Exact,
    /// photos of at least twice the network's size, at 1/2 to 1/8
    Reduced,
    /// differs by up to 5 levels; faster only without NASM
    Fast,
}

impl DecodeArgs {
    fn options(&self, memory: u64) -> DecodeOptions {
        DecodeOptions {
            decoder: match self.decoder {
                DecoderArg::Exact => Decoder::Exact,
                DecoderArg::Reduced => Decoder::Reduced,
                DecoderArg::Fast => Decoder::Fast,
            },
            ignore_orientation: self.ignore_orientation,
            allow_truncated: self.allow_truncated,
            wide_grey: photo::WideGrey::default(),
            limits: Limits { file_bytes: self.max_file_size, pixels: self.max_pixels, memory },
        }
    }
}

/// What is said before the model in the program looks at photos that it may not be made for.
const DEFAULT_KNOWS: &str = "the default model, fod-r18, knows 31 kinds of debris on runways and nothing else; \
     for everyday objects give -m coco (80 classes, a download of 167 MB; `rcnn models` lists others)";

/// Runs the command.
pub(crate) fn run(args: DetectArgs) -> anyhow::Result<Exit> {
    if args.json_lines {
        return answer_lines(&args);
    }
    let reduced = matches!(args.decode.decoder, DecoderArg::Reduced);
    if reduced && !args.no_draw {
        return Err(Usage("--decoder reduced leaves no whole photo to draw on: add --no-draw".into()).into());
    }
    if reduced && args.tile {
        return Err(Usage(
            "--decoder reduced leaves no whole photo to take tiles of: leave out one of both".into(),
        )
        .into());
    }
    let out = args.out.clone().unwrap_or_else(free_folder);
    let listing = super::list_photos(&args.photos, Some(&out.join("annotated")))?;
    let models = Models::find(&args)?;
    let known = &models.classes();
    let only =
        args.classes.as_ref().map(|names| chosen(names, known)).transpose().map_err(|Usage(error)| {
            let default = if args.model.is_empty() { format!("; {DEFAULT_KNOWS}") } else { String::new() };
            Usage(error + &default)
        })?;
    let annotated = args.annotations.as_deref().map(Annotated::open).transpose()?;
    let truth = annotated.as_ref().filter(|_| args.show_truth).map(Truth::of).transpose()?;
    let share = args.shard.map_or(listing.entries.len(), |shard| shard.share(listing.entries.len()));
    let stop = stop_on_signal();
    let folder = (!args.overwrite).then_some(out.as_path());
    let ahead =
        RunAhead { photos: &listing.entries, count: share, folder, streams_said: args.streams.are_said() };
    let (detector, decode) = load(&args, &models, ahead, &stop)?;
    let options = run::RunOptions {
        out: out.clone(),
        overwrite: args.overwrite,
        retry_failed: args.retry_failed,
        only,
        draw_score: (!args.no_draw).then_some(args.draw_score),
        exif: args.exif,
        truth: truth.map(Arc::new),
        font: args.pictures.font.clone(),
        style: args.pictures.style(),
        decode,
        threads: args.machine.threads(),
        batch: args.batch.into(),
        tile: args.tile,
        shard: args.shard,
    };
    if args.shard.is_some() && args.machine.precision == Precision::Fast {
        let (device, precision) = (detector.device(), detector.origin().precision);
        tell!(
            "note: fast is chosen on each machine, and `rcnn merge` joins shards that were computed alike: give all of \
             them --device {device} --precision {precision}"
        );
    }
    if args.tile {
        say_tiles(&detector, &listing, &options.decode);
    }
    let mut progress: Option<ProgressLine> = None;
    let mut exporting: Option<(&str, ProgressLine)> = None;
    let mut watch = |event: Event<'_>| {
        let now = match event {
            Event::Warning(note) => return tell!("note: {note}"),
            Event::Progress(now) => now,
            Event::Tiles { done, total } => {
                return progress.iter_mut().for_each(|line| line.within("tiles", done, total));
            }
            Event::Export { what, done, total } => {
                let (done, total) = (done as u64, total as u64);
                progress.take().inspect(ProgressLine::end);
                if exporting.as_ref().is_none_or(|(before, _)| *before != what) {
                    exporting.take().inspect(|(_, line)| line.end());
                    tell!("making {what}");
                    exporting = Some((what, ProgressLine::new("photos", 0, total)));
                }
                return exporting.iter_mut().for_each(|(_, line)| line.set(done, total, 0));
            }
        };
        let (done, total, failed) = (now.done as u64, now.total as u64, now.failed as u64);
        let progress = progress.get_or_insert_with(|| {
            if args.model.is_empty() {
                tell!("note: {DEFAULT_KNOWS}");
            }
            if now.before > 0 {
                tell!("{} of {} photos were done before", now.before, now.total);
            }
            ProgressLine::new("photos", done, total)
        });
        progress.set(done, total, failed);
    };
    let run = Run::builder(&detector)
        .listing(listing)
        .annotated(annotated)
        .options(options)
        .export(args.export.options())
        .command(super::command_line())
        .stop(&stop)
        .prepare()?;
    let outcome = run.start(&mut watch);
    progress.into_iter().chain(exporting.map(|(_, line)| line)).for_each(|line| line.end());
    let record = outcome?;
    summary::report(&record, &out, args.json)
}

/// Where results go that have no place of their own: the first of `rcnn-out`, `rcnn-out-2` … that is free, or that a
/// run of the same command has begun.
fn free_folder() -> PathBuf {
    let names =
        (1u32..).map(|number| if number == 1 { "rcnn-out".into() } else { format!("rcnn-out-{number}") });
    let usable = |folder: &PathBuf| match folder.symlink_metadata() {
        Ok(_) => Record::open(folder).is_ok_and(|record| record.command == super::command_line()),
        Err(_) => true,
    };
    names.map(PathBuf::from).find(usable).unwrap_or_default()
}

/// Most photos whose headers are read before a run, to say how much work it will be.
const LOOKED_AT: usize = 500;

/// Says how many tiles there will be, which is what a run with tiles takes its time for.
fn say_tiles(detector: &Detector, listing: &photo::Listing, options: &DecodeOptions) {
    let looked_at = listing.entries.iter().take(LOOKED_AT);
    // A photo that is turned has as many.
    let opened = looked_at.filter_map(|entry| photo::Opened::open(&entry.path, options, &|full| full).ok());
    let tiles: usize = opened.map(|opened| detector.tiles(opened.stored()).len()).sum();
    let first =
        if listing.entries.len() > LOOKED_AT { format!("the first {LOOKED_AT} of ") } else { String::new() };
    let photos = summary::plural(listing.entries.len(), "photo");
    tell!("{} in {first}{photos}, beside the photos themselves", summary::plural(tiles, "tile"));
}

/// A detector of the models, with all that was chosen for it, and how its photos are decoded.
fn load(
    args: &DetectArgs,
    models: &Models,
    ahead: RunAhead<'_>,
    stop: &AtomicBool,
) -> anyhow::Result<(Detector, DecodeOptions)> {
    let batch = args.batch.into();
    let runtime = args.machine.open()?;
    let augment = args.views.augment(args.model.len())?;
    let networks = models.networks(augment.largest());
    let streams = args.streams.count(&args.machine, &networks, ahead.count, batch, args.memory.whole());
    let computing = args.machine.computing(&runtime, &models.all(), streams, ahead, stop)?;
    let mut detector = models.load(&runtime, &computing)?;
    args.postprocess.apply(&mut detector)?;
    detector.set_augment(augment)?;
    detector.set_refine(args.views.refine());
    detector.set_masks(!args.no_masks);
    Ok((detector, args.decode.options(args.memory.for_photos(&networks, computing.streams.get(), batch))))
}

/// A line of JSON for every path.
fn answer_lines(args: &DetectArgs) -> anyhow::Result<Exit> {
    if matches!(args.decode.decoder, DecoderArg::Reduced) {
        return Err(Usage(
            "--decoder reduced is for runs that write a folder: leave out --json-lines".into(),
        )
        .into());
    }
    let models = Models::find(args)?;
    let only = args.classes.as_ref().map(|names| chosen(names, &models.classes())).transpose()?;
    // They may come for ever, and none of them is there yet.
    let ahead = RunAhead { count: usize::MAX, ..RunAhead::default() };
    let (detector, options) = load(args, &models, ahead, &stop_on_signal())?;
    let threads = args.machine.threads();
    if args.photos == ["-"] {
        return json_lines::answer(detector, json_lines::lines(), options, threads, only.as_deref());
    }
    let listed = super::list_photos(&args.photos, None)?.entries.into_iter();
    json_lines::answer(detector, listed.map(|entry| Ok(entry.path)), options, threads, only.as_deref())
}

/// Places of the classes that the user names or numbers, in the model's order and each once.
fn chosen(names: &[String], classes: &[Class]) -> Result<Vec<usize>, Usage> {
    let place = |name: &String| {
        let by_name = classes.iter().position(|class| class.is_called(name));
        let by_id =
            || name.trim().parse::<u64>().ok().and_then(|id| classes.iter().position(|class| class.id == id));
        by_name.or_else(by_id).ok_or_else(|| {
            let known: Vec<String> =
                classes.iter().map(|class| class.name.escape_debug().to_string()).collect();
            Usage(format!("the model has no class `{}`: it has {}", name.escape_debug(), known.join(", ")))
        })
    };
    let mut places = names.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    places.sort_unstable();
    places.dedup();
    Ok(places)
}
