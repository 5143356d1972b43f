//! `rcnn import`: a checkpoint becomes a model folder, and the user learns what was read and what was assumed.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::detector::{Detector, StageComparison, Verification, verify};
use crate::family::{Class, ClassOption, ClassesOption, ImportOptions};
use crate::model::{ClassifierManifest, ClassifierModel, Imported, Model, config_beside, read_config};
use crate::network::Architecture;
use crate::runtime::{self, Device, Runtime, SessionOptions};
use anyhow::Context;
use serde::{Serialize, Serializer};

use super::Exit;
use super::output::{print_report, tell};
use super::values::{folder, new_file};

/// Import a checkpoint into a model folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn import fasterrcnn.pth -o models/mine --config import.json
  rcnn import model_final.pkl -o models/d2 --config config.yaml
  rcnn import model.pdparams -o models/pd --config cfg.yml --names labels.txt
  rcnn import mine.pth --template import.json      what was assumed, to be changed")]
pub(crate) struct ImportArgs {
    /// Checkpoint: .pth, .pkl, .safetensors or .pdparams
    file: PathBuf,
    /// Folder for the model
    #[arg(short, long, value_name = "FOLDER", value_parser = folder(), required_unless_present = "template")]
    out: Option<PathBuf>,
    /// File for the import options that give this very import, to be changed and given to --config: the family, the
    /// classes, and every value that was assumed
    #[arg(long, value_name = "FILE", value_parser = new_file())]
    template: Option<PathBuf>,
    /// Config for what no tensor shows: the framework's own (.yaml, .py) or a JSON of import options; by default the one
    /// beside the checkpoint (import.json, or detectron2's or PaddleDetection's YAML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Names of the classes: a file with one on each line, in the model's order and without a background, such as
    /// PaddleDetection's label_list.txt
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// Family of the checkpoint, if the names of its tensors are ambiguous
    #[arg(long, value_name = "NAME")]
    family: Option<String>,
    /// Key of the tensors, if there are several: model_ema, or a dotted path
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Prefix of the tensors' names, if there are several networks: student.
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Folder of values from the framework itself to compare with; the first stage that differs is told
    #[arg(long, value_name = "FOLDER")]
    verify: Option<PathBuf>,
    /// Print one JSON document on standard output, and everything else on standard error: a summary
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: ImportArgs) -> anyhow::Result<Exit> {
    let beside = if args.config.is_none() { config_beside(&args.file) } else { None };
    if let Some(path) = &beside {
        tell!("note: `{}` beside the checkpoint is read; --config takes another", path.display());
    }
    let config = args.config.as_deref().or(beside.as_deref());
    let mut options = config.map(read_config).transpose()?.unwrap_or_default();
    options.key = args.key.clone().or(options.key);
    options.prefix = args.prefix.clone().or(options.prefix);
    if let Some(names) = &args.names {
        let names = super::read_lines(names)?.into_iter().map(ClassOption::Name).collect();
        options.classes = Some(ClassesOption::List(names));
    }
    if args.family.is_some() {
        options.family.clone_from(&args.family);
    }
    let folder = args.out.clone().unwrap_or_default();
    let name = super::model_name(&folder);
    let imported = match Imported::from_file(&args.file, &options) {
        Ok(imported) => imported.named(&name),
        Err(crate::model::ModelError::WrongKind { found: crate::model::ModelKind::Classifier, .. })
            if args.verify.is_none() =>
        {
            return classifier(&args, &folder, &options, &name);
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(path) = &args.template {
        crate::atomic::write(path, |out| out.write_all(imported.template(&options).as_bytes()))
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        tell!("import options in `{}`: change them, and give them to --config", path.display());
    }
    if args.out.is_none() {
        return Ok(Exit::Done);
    }
    let (read, assumed) = (imported.manifest().network.describe(), imported.assumed().to_vec());
    let remarks = imported.warnings().to_vec();
    let model = imported.write(&folder)?;
    let verdict = args.verify.as_deref().map(|folder| compare(&model, folder)).transpose()?;
    let manifest = model.manifest();
    let report = ImportReport {
        model: folder.display().to_string(),
        name: &manifest.name,
        family: &manifest.family,
        sha256: model.hash(),
        network: &manifest.network,
        classes: &manifest.classes,
        read,
        assumed,
        remarks,
        verify: verdict.as_ref().map(VerifyReport::from),
    };
    print_report(&report, args.json)?;
    let agrees = verdict.is_none_or(|verdict| verdict.first_difference().is_none());
    Ok(if agrees { Exit::Done } else { Exit::Failed })
}

/// A bare ResNet: there is less to say of it.
fn classifier(args: &ImportArgs, folder: &Path, options: &ImportOptions, name: &str) -> anyhow::Result<Exit> {
    let model = ClassifierModel::import(&args.file, options)?.write(folder, name)?;
    let report = ClassifierReport {
        model: folder.display().to_string(),
        manifest: model.manifest(),
        remarks: model.warnings(),
    };
    print_report(&report, args.json)?;
    Ok(Exit::Done)
}

/// What an import of a bare ResNet found.
#[derive(Serialize)]
struct ClassifierReport<'a> {
    model: String,
    manifest: &'a ClassifierManifest,
    remarks: &'a [String],
}

impl fmt::Display for ClassifierReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClassifierManifest { network, classes, input, .. } = self.manifest;
        writeln!(f, "{}: {} classifier", self.model, network.backbone.title())?;
        writeln!(
            f,
            "read from the tensors:\n  blocks {}, {} classes",
            network.backbone.blocks(),
            classes.len()
        )?;
        writeln!(f, "assumed: shorter side {}, crop {}", input.resize, input.crop)?;
        self.remarks.iter().try_for_each(|remark| writeln!(f, "note: {remark}"))
    }
}

/// What an import of a detector found.
#[derive(Serialize)]
struct ImportReport<'a> {
    model: String,
    name: &'a str,
    family: &'a str,
    sha256: &'a str,
    network: &'a Architecture,
    classes: &'a [Class],
    /// What the tensors say, a sentence each.
    read: Vec<String>,
    /// Options that neither tensors nor a config say, and their values as JSON.
    #[serde(serialize_with = "by_key")]
    assumed: Vec<(String, String)>,
    remarks: Vec<String>,
    /// What a comparison with a reference found, where there was one.
    verify: Option<VerifyReport<'a>>,
}

/// Pairs as a map.
fn by_key<S: Serializer>(assumed: &[(String, String)], to: S) -> Result<S::Ok, S::Error> {
    let value = |text: &String| serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
    to.collect_map(assumed.iter().map(|(key, text)| (key, value(text))))
}

impl fmt::Display for ImportReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} of the family {}", self.model, self.network.backbone.title(), self.family)?;
        writeln!(f, "read from the tensors:")?;
        self.read.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        let names: Vec<_> =
            self.classes.iter().take(6).map(|class| class.name.escape_debug().to_string()).collect();
        let more = if self.classes.len() > 6 { ", …" } else { "" };
        writeln!(f, "  classes: {} ({}{more})", self.classes.len(), names.join(", "))?;
        if !self.assumed.is_empty() {
            writeln!(f, "assumed, as no tensor and no config says it:")?;
        }
        self.assumed.iter().try_for_each(|(key, value)| writeln!(f, "  {key} {value}"))?;
        self.remarks.iter().try_for_each(|remark| writeln!(f, "note: {remark}"))?;
        self.verify.as_ref().map_or(Ok(()), |verify| verify.fmt(f))
    }
}

/// What a comparison with a reference found.
#[derive(Serialize)]
struct VerifyReport<'a> {
    agrees: bool,
    first_difference: Option<StageReport<'a>>,
    steps: Vec<StageReport<'a>>,
}

#[derive(Clone, Copy, Serialize)]
struct StageReport<'a> {
    stage: &'a str,
    file: &'a str,
    /// JSON has no infinity: where there is no number, the note says why.
    #[serde(serialize_with = "finite")]
    difference: f64,
    allowed: f64,
    agrees: bool,
    note: Option<&'a str>,
}

fn finite<S: Serializer>(number: &f64, to: S) -> Result<S::Ok, S::Error> {
    number.is_finite().then_some(number).serialize(to)
}

impl<'a> From<&'a StageComparison> for StageReport<'a> {
    fn from(step: &'a StageComparison) -> StageReport<'a> {
        let (agrees, note) = (step.agrees(), step.note.as_deref());
        let StageComparison { stage, file, difference, allowed, .. } = step;
        StageReport { stage, file, difference: *difference, allowed: *allowed, agrees, note }
    }
}

impl<'a> From<&'a Verification> for VerifyReport<'a> {
    fn from(verdict: &'a Verification) -> VerifyReport<'a> {
        let first_difference = verdict.first_difference().map(StageReport::from);
        let steps = verdict.steps.iter().map(StageReport::from).collect();
        VerifyReport { agrees: first_difference.is_none(), first_difference, steps }
    }
}

impl fmt::Display for VerifyReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "compared with the reference (largest difference, allowed):")?;
        for StageReport { stage, file, difference, allowed, agrees, note } in &self.steps {
            let mark = if *agrees { "  " } else { "! " };
            let note = note.map_or_else(String::new, |note| format!("  {note}"));
            writeln!(f, "{mark}{stage:20} {difference:10.2e} {allowed:10.2e}  {file}{note}")?;
        }
        match &self.first_difference {
            None => writeln!(f, "everything agrees: {} comparisons", self.steps.len()),
            Some(step) => writeln!(f, "model and reference part first at `{}` of {}", step.stage, step.file),
        }
    }
}

fn compare(model: &Model, folder: &Path) -> anyhow::Result<Verification> {
    // Reference values are compared with what the processor computes, whatever devices are there.
    let options = runtime::RuntimeOptions { device: Device::Cpu, ..runtime::RuntimeOptions::default() };
    let runtime = Runtime::open(&options, &mut |line| tell!("{line}"))?;
    let detector =
        Detector::new(model, &runtime, &SessionOptions { device: Device::Cpu, ..SessionOptions::default() })?;
    Ok(verify(&detector, folder)?)
}
