//! `rcnn classify`: the classes of whole photos, and the error against known labels.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use crate::classify::{Classification, Classifier, Crops};
use crate::family::{Class, ClassifierFilter, ImportOptions};
use crate::model::{ClassifierModel, read_config};
use crate::photo::{self, DecodeOptions, Decoded, Photo};
use crate::runtime::Precision;
use anyhow::{Context, bail};
use serde_json::{Value as Json, json};

use super::Exit;
use super::memory::MemoryArgs;
use super::output::{Out, tell};
use super::runtime_args::RuntimeArgs;
use super::signals::{self, stop_on_signal};
use super::summary::tell_clipped;
use super::values::whole;

/// Classify whole photos with a ResNet
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn classify cat.jpg -m resnet50-0676ba61.pth
  rcnn classify val/ -m models/resnet50 --views ten --labels val.txt
  rcnn classify val/ -m models/resnet50 --views scales --scales 224,256,384,480,640")]
pub(crate) struct ClassifyArgs {
    /// Photos: files, folders (with all folders in them), patterns, .txt files of paths, or - for paths on standard input
    #[arg(required = true, value_name = "PHOTOS")]
    photos: Vec<OsString>,
    /// Model: a name, a folder or a checkpoint file, of a classifier
    #[arg(short, long, value_name = "MODEL")]
    model: PathBuf,
    /// Crops of a photo, whose probabilities are averaged
    #[arg(long, default_value = "centre", value_name = "VIEWS")]
    views: ViewsArg,
    /// Shorter sides of `--views scales`, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = Crops::PAPER, value_name = "N,N",
          value_parser = whole::<u32>(1..=8192))]
    scales: Vec<u32>,
    /// Shorter side after resizing; the model's own by default
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1..=8192))]
    resize: Option<u32>,
    /// Side of the square that is cut out; the model's own by default
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1..=8192))]
    crop: Option<u32>,
    /// Resize with Pillow's bicubic filter, as timm does
    #[arg(long)]
    bicubic: bool,
    /// Names of the classes: a file with one on each line, in the model's order
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// Ground truth: a file of lines with a photo's name and a class, by name or by number from 0
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Classes to print for each photo
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = whole::<u16>(1..))]
    top: u16,
    /// Config for what no tensor shows: a JSON of import options, for a checkpoint file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document on standard output, and everything else on standard error, with all logits
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    machine: RuntimeArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ViewsArg {
    /// its centre
    Centre,
    /// its corners and its centre, and their mirror images
    Ten,
    /// the whole photo at several sizes
    Scales,
}

/// Runs the command.
pub(crate) fn run(args: ClassifyArgs) -> anyhow::Result<Exit> {
    let options = args.config.as_deref().map(read_config).transpose()?.unwrap_or_default();
    let listing = super::list_photos(&args.photos, None)?;
    let (classifier, classes) = load(&args, &options)?;
    let labels = args.labels.as_deref().map(|path| read_labels(path, &classes)).transpose()?;
    let views = match args.views {
        ViewsArg::Centre => Crops::Centre,
        ViewsArg::Ten => Crops::TenCrops,
        ViewsArg::Scales => Crops::Scales(args.scales.clone()),
    };
    let mut out = Out::of(args.json);
    let (mut tally, mut done) = (ClassTally::default(), 0);
    let mut rows = JsonRows::default();
    let decode = args.memory.one_by_one(DecodeOptions::default());
    let stop = stop_on_signal();
    for entry in &listing.entries {
        if out.is_gone() || stop.load(Ordering::Relaxed) {
            break;
        }
        done += 1;
        let outcome =
            photo::decode_for(&entry.path, &decode, &|whole| whole).map_err(anyhow::Error::from).and_then(
                |Decoded { photo, clipped, .. }| Ok((classifier.classify(&photo, &views)?, photo, clipped)),
            );
        match outcome {
            Ok((verdict, photo, clipped)) => {
                tally.clipped += usize::from(clipped);
                let right = labels.as_ref().and_then(|labels| labels.of(&entry.name));
                tally.add(&verdict, right);
                if args.json {
                    rows.write(
                        &mut out,
                        &row(&entry.name, &photo, &verdict, &classes, args.top.into(), right),
                    )?;
                } else {
                    writeln!(out, "{}", line_of(&entry.name, &verdict, &classes, args.top.into()))?;
                }
            }
            Err(error) => {
                tally.failed += 1;
                tell!("{}: {error:#}", entry.name.escape_debug());
                if args.json {
                    rows.write(&mut out, &json!({"file": entry.name, "error": format!("{error:#}")}))?;
                }
            }
        }
    }
    tell_clipped(tally.clipped, "");
    let classified = done - tally.failed;
    if let Some(path) = args.labels.as_ref().filter(|_| tally.judged < classified) {
        let without = classified - tally.judged;
        tell!("note: {without} of {classified} photos have no label in `{}`", path.display());
    }
    if args.json {
        rows.end(&mut out, &tally)?;
    } else if let (Some(top1), Some(top5)) = (tally.error(tally.top1), tally.error(tally.top5)) {
        let (top1, top5) = (100.0 * top1, 100.0 * top5);
        writeln!(out, "{} photos judged: top-1 error {top1:.2} %, top-5 error {top5:.2} %", tally.judged)?;
    }
    if let Some(stopped) = signals::received().filter(|_| done < listing.entries.len()) {
        return Ok(stopped);
    }
    Ok(match tally.failed {
        0 if listing.unread.is_empty() => Exit::Done,
        failed if failed == listing.entries.len() => Exit::Failed,
        _ => Exit::PhotosFailed,
    })
}

fn load(args: &ClassifyArgs, options: &ImportOptions) -> anyhow::Result<(Classifier, Vec<Class>)> {
    let model = match ClassifierModel::find(&args.model, options) {
        Err(crate::model::ModelError::Unknown { .. })
            if let Some(wanted) = super::pull::absent(args.model.as_os_str()) =>
        {
            super::pull::bring_named(&wanted, args.machine.offline())?;
            ClassifierModel::find(Path::new(&wanted.name), options)?
        }
        found => found?,
    };
    super::say(model.warnings());
    let mut input = model.manifest().input.clone();
    input.resize = args.resize.unwrap_or(input.resize);
    input.crop = args.crop.unwrap_or(input.crop);
    if args.bicubic {
        input.filter = ClassifierFilter::Bicubic;
    }
    let mut classes = model.manifest().classes.clone();
    if let Some(path) = &args.names {
        let names = super::read_lines(path)?;
        if names.len() != classes.len() {
            bail!("`{}` names {} classes, and the model has {}", path.display(), names.len(), classes.len());
        }
        classes.iter_mut().zip(names).for_each(|(class, name)| class.name = name);
    }
    let runtime = args.machine.open()?;
    let mut session = args.machine.session();
    if session.precision == Precision::Fast {
        tell!("note: fast is measured for detectors only: a classifier computes as exact does");
        session.precision = Precision::Exact;
    }
    Ok((Classifier::new(&model, &runtime, &session)?.with_input(input), classes))
}

/// The JSON document, written photo by photo: a photo of a thousand classes takes 40 KB.
#[derive(Default)]
struct JsonRows {
    begun: bool,
}

impl JsonRows {
    fn write(&mut self, out: &mut impl Write, row: &Json) -> io::Result<()> {
        let before = if self.begun { ",\n" } else { "{\"photos\":[\n" };
        self.begun = true;
        write!(out, "{before}{row}")
    }

    fn end(self, out: &mut impl Write, tally: &ClassTally) -> io::Result<()> {
        let begin = if self.begun { "\n" } else { "{\"photos\":[" };
        let [top1, top5] = [tally.top1, tally.top5].map(|hits| json!(tally.error(hits)));
        writeln!(out, "{begin}],\"judged\":{},\"top1_error\":{top1},\"top5_error\":{top5}}}", tally.judged)
    }
}

/// The right class of each photo, by its name in results and by its bare file name.
struct TrueLabels(HashMap<String, usize>);

impl TrueLabels {
    fn of(&self, name: &str) -> Option<usize> {
        let bare = name.rsplit('/').next().unwrap_or(name);
        self.0.get(name).or_else(|| self.0.get(bare)).copied()
    }
}

/// Lines of a name and a class, parted by a tab, a comma or the last blank.
fn read_labels(path: &Path, classes: &[Class]) -> anyhow::Result<TrueLabels> {
    let text = super::read_text(path)?;
    let mut labels = HashMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let parted =
            line.split_once('\t').or_else(|| line.rsplit_once(',')).or_else(|| line.rsplit_once(' '));
        let place = || format!("line {} of `{}`", number + 1, path.display());
        let (name, class) = parted.with_context(|| format!("{} holds no photo and class", place()))?;
        let class = class.trim();
        let by_name = classes.iter().position(|known| known.name == class);
        let index = by_name.or_else(|| class.parse().ok().filter(|&index: &usize| index < classes.len()));
        let index = index
            .with_context(|| format!("{} names the class `{class}`, which the model has not", place()))?;
        labels.insert(name.trim().to_owned(), index);
    }
    Ok(TrueLabels(labels))
}

#[derive(Default)]
struct ClassTally {
    judged: usize,
    top1: usize,
    top5: usize,
    failed: usize,
    /// Photos whose grey values were cut off at 255.
    clipped: usize,
}

impl ClassTally {
    fn add(&mut self, verdict: &Classification, right: Option<usize>) {
        let Some(right) = right else { return };
        let best = verdict.top(5);
        self.judged += 1;
        self.top1 += usize::from(best.first() == Some(&right));
        self.top5 += usize::from(best.contains(&right));
    }

    /// The part that was wrong, of those that were judged.
    fn error(&self, hits: usize) -> Option<f64> {
        (self.judged > 0).then(|| 1.0 - hits as f64 / self.judged as f64)
    }
}

fn line_of(name: &str, verdict: &Classification, classes: &[Class], top: usize) -> String {
    let class = |i: usize| format!("{} {:.3}", classes[i].name.escape_debug(), verdict.probabilities[i]);
    let best: Vec<String> = verdict.top(top).into_iter().map(class).collect();
    format!("{}: {}", name.escape_debug(), best.join(", "))
}

fn row(
    name: &str,
    photo: &Photo,
    verdict: &Classification,
    classes: &[Class],
    top: usize,
    right: Option<usize>,
) -> Json {
    let best: Vec<Json> = verdict
        .top(top)
        .into_iter()
        .map(|i| json!({"class": i, "label": classes[i].name, "probability": verdict.probabilities[i]}))
        .collect();
    json!({"file": name, "width": photo.width, "height": photo.height, "top": best, "right": right,
           "logits": verdict.logits, "probabilities": verdict.probabilities})
}
