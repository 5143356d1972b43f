//! `rcnn import`: a checkpoint becomes a model folder, and the user learns what was read and what was assumed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::detector::{Detector, StageComparison, Verification, verify};
use crate::family::{ClassOption, ClassesOption, ImportOptions};
use crate::model::{ClassifierModel, Imported, Model, config_beside, read_config};
use crate::runtime::{self, Device, Runtime, SessionOptions};
use anyhow::Context;
use serde_json::json;

use super::Exit;
use super::output::{Out, tell};

/// Import a checkpoint into a model folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn import fasterrcnn.pth -o models/mine --config import.json
  rcnn import model_final.pkl -o models/d2 --config config.yaml
  rcnn import model_final.pdparams -o models/pd --config infer_cfg.yml --names label_list.txt
  rcnn import mine.pth --template import.json      what was assumed, to be changed")]
pub(crate) struct ImportArgs {
    /// The checkpoint: .pth, .pkl, .safetensors or .pdparams
    file: PathBuf,
    /// Folder to write the model into
    #[arg(short, long, value_name = "DIR", required_unless_present = "template")]
    out: Option<PathBuf>,
    /// Write the import options that give this very import into a JSON file, to be changed and given to --config: the
    /// family, the classes, and every value that was assumed
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Config for what no tensor shows: the framework's own (.yaml, .py) or a JSON of import options; by default
    /// the one beside the checkpoint (import.json, or detectron2's or PaddleDetection's YAML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A file of the classes' names, one a line, in the model's order, such as PaddleDetection's label_list.txt
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// The family, if the names of the tensors are ambiguous
    #[arg(long, value_name = "NAME")]
    family: Option<String>,
    /// The key of the tensors, if there are several: model_ema, or a dotted path
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The prefix of the tensors' names, if there are several networks: student.
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Compare with a folder of values from the framework itself, and report the first stage that differs
    #[arg(long, value_name = "DIR")]
    verify: Option<PathBuf>,
    /// One JSON document on standard output
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
        Err(crate::model::ModelError::WrongKind { found: "classifier", .. }) if args.verify.is_none() => {
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
    let report = Report::of(&imported);
    let model = imported.write(&folder)?;
    let verdict = args.verify.as_deref().map(|folder| compare(&model, folder)).transpose()?;
    let mut out = Out::of(args.json);
    if args.json {
        writeln!(out, "{}", report.json(&model, &folder, verdict.as_ref()))?;
    } else {
        report.print(&mut out, &model, &folder)?;
        if let Some(verdict) = &verdict {
            print_verdict(&mut out, verdict)?;
        }
    }
    let agrees = verdict.is_none_or(|verdict| verdict.first_difference().is_none());
    Ok(if agrees { Exit::Done } else { Exit::Failed })
}

/// A bare ResNet: there is less to say of it.
fn classifier(args: &ImportArgs, folder: &Path, options: &ImportOptions, name: &str) -> anyhow::Result<Exit> {
    let model = ClassifierModel::import(&args.file, options)?.write(folder, name)?;
    let manifest = model.manifest();
    let mut to = Out::of(args.json);
    if args.json {
        writeln!(
            to,
            "{}",
            json!({"model": folder.display().to_string(), "manifest": manifest, "remarks": model.warnings()})
        )?;
    } else {
        writeln!(to, "{}: {} classifier", folder.display(), manifest.network.backbone.title())?;
        writeln!(
            to,
            "read from the tensors:\n  blocks {}, {} classes",
            manifest.network.backbone.blocks(),
            manifest.classes.len()
        )?;
        writeln!(to, "assumed: shorter side {}, crop {}", manifest.input.resize, manifest.input.crop)?;
        for warning in model.warnings() {
            writeln!(to, "note: {warning}")?;
        }
    }
    Ok(Exit::Done)
}

/// What an import found, for a person.
struct Report {
    read: Vec<String>,
    assumed: Vec<(String, String)>,
    warnings: Vec<String>,
}

impl Report {
    fn of(imported: &Imported) -> Report {
        let (assumed, warnings) = (imported.assumed().to_vec(), imported.warnings().to_vec());
        Report { read: imported.manifest().network.describe(), assumed, warnings }
    }

    fn print(&self, to: &mut impl Write, model: &Model, out: &Path) -> io::Result<()> {
        let manifest = model.manifest();
        writeln!(
            to,
            "{}: {} of the family {}",
            out.display(),
            manifest.network.backbone.title(),
            manifest.family
        )?;
        writeln!(to, "read from the tensors:")?;
        for line in &self.read {
            writeln!(to, "  {line}")?;
        }
        let names: Vec<_> =
            manifest.classes.iter().take(6).map(|class| class.name.escape_debug().to_string()).collect();
        let more = if manifest.classes.len() > 6 { ", …" } else { "" };
        writeln!(to, "  classes: {} ({}{more})", manifest.classes.len(), names.join(", "))?;
        if !self.assumed.is_empty() {
            writeln!(to, "assumed, as no tensor and no config says it:")?;
            for (key, value) in &self.assumed {
                writeln!(to, "  {key} {value}")?;
            }
        }
        for warning in &self.warnings {
            writeln!(to, "note: {warning}")?;
        }
        Ok(())
    }

    fn json(&self, model: &Model, out: &Path, verdict: Option<&Verification>) -> serde_json::Value {
        let manifest = model.manifest();
        let assumed: serde_json::Map<String, serde_json::Value> = self
            .assumed
            .iter()
            .map(|(key, value)| (key.clone(), serde_json::from_str(value).unwrap_or_default()))
            .collect();
        json!({
            "model": out.display().to_string(),
            "name": manifest.name,
            "family": manifest.family,
            "sha256": model.hash(),
            "network": manifest.network,
            "classes": manifest.classes,
            "read": self.read,
            "assumed": assumed,
            "remarks": self.warnings,
            "verify": verdict.map(verdict_json),
        })
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

fn print_verdict(to: &mut impl Write, verdict: &Verification) -> io::Result<()> {
    writeln!(to, "compared with the reference (largest difference, allowed):")?;
    for step in &verdict.steps {
        let mark = if step.agrees() { "  " } else { "! " };
        let note = step.note.as_deref().map_or_else(String::new, |note| format!("  {note}"));
        writeln!(
            to,
            "{mark}{:20} {:10.2e} {:10.2e}  {}{note}",
            step.stage, step.difference, step.allowed, step.file
        )?;
    }
    match verdict.first_difference() {
        None => writeln!(to, "everything agrees: {} comparisons", verdict.steps.len()),
        Some(step) => writeln!(to, "model and reference part first at `{}` of {}", step.stage, step.file),
    }
}

fn verdict_json(verdict: &Verification) -> serde_json::Value {
    let step = |step: &StageComparison| {
        json!({
            "stage": step.stage,
            "file": step.file,
            // JSON has no infinity: where there is no number, the note says why.
            "difference": step.difference.is_finite().then_some(step.difference),
            "allowed": step.allowed,
            "agrees": step.agrees(),
            "note": step.note,
        })
    };
    json!({
        "agrees": verdict.first_difference().is_none(),
        "first_difference": verdict.first_difference().map(step),
        "steps": verdict.steps.iter().map(step).collect::<Vec<_>>(),
    })
}
