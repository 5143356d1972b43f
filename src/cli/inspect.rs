//! `rcnn inspect`: what a model is made of, what it costs, what surrounds it and where it comes from.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use crate::family::{ImportOptions, Parameters};
use crate::model::{ClassifierModel, FileHash, Manifest, Model, Provenance};
use crate::network::{Backbone, CostRow};
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use super::Exit;
use super::output::print_report;
use super::values::whole;

/// Show a model's architecture, costs, conventions and origin
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  rcnn inspect models/mine --size 800x1216

The table is that of the paper \"Deep Residual Learning for Image Recognition\", a row a stage.
Multiply-adds are what torchvision publishes as GFLOPS: products of a weight and a value, for one photo.")]
pub(crate) struct InspectArgs {
    /// Model: a name, a folder or a checkpoint file
    model: OsString,
    /// Size of the input, height x width; 800x800 for detectors and 224x224 for classifiers by default
    #[arg(long, value_name = "HxW", value_parser = size)]
    size: Option<(usize, usize)>,
    /// Proposals that the box head sees; the model's own number by default
    #[arg(long, value_name = "N", value_parser = whole::<u16>(1..))]
    proposals: Option<u16>,
    /// Print one JSON document on standard output, and everything else on standard error
    #[arg(long)]
    json: bool,
}

fn size(text: &str) -> Result<(usize, usize), String> {
    let side = |text: &str| text.parse().ok().filter(|side| (1..=65_536).contains(side));
    let sides = text.split_once(['x', 'X', '×']).and_then(|(h, w)| Some((side(h)?, side(w)?)));
    sides.ok_or_else(|| "a height and a width are needed, as in 800x1216".into())
}

/// Runs the command.
pub(crate) fn run(args: InspectArgs) -> anyhow::Result<Exit> {
    let sheet = match Model::find(&args.model) {
        Ok(model) => {
            super::say(model.warnings());
            detector(model.manifest(), model.hash(), &args)
        }
        Err(crate::model::ModelError::WrongKind { .. }) => {
            let model = ClassifierModel::find(Path::new(&args.model), &ImportOptions::default())?;
            super::say(model.warnings());
            classifier(&model, &args)
        }
        Err(error) => return Err(error.into()),
    };
    print_report(&sheet, args.json)?;
    Ok(Exit::Done)
}

/// Everything that is shown.
#[derive(Serialize)]
struct InspectReport {
    name: String,
    kind: &'static str,
    title: String,
    sha256: Option<String>,
    input: (usize, usize),
    proposals: Option<usize>,
    table: Vec<CostRow>,
    parameters: ParameterCounts,
    multiply_adds: u64,
    stride: usize,
    #[serde(serialize_with = "by_name")]
    files: Vec<(String, FileHash)>,
    classes: Vec<String>,
    conventions: Json,
    provenance: Provenance,
}

/// Pairs as a map.
fn by_name<S: Serializer>(files: &[(String, FileHash)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(files.iter().map(|(name, hash)| (name, hash)))
}

#[derive(Clone, Copy, Serialize)]
struct ParameterCounts {
    with_norms: u64,
    without_norms: u64,
}

impl From<Parameters> for ParameterCounts {
    fn from(Parameters { layers, norms }: Parameters) -> ParameterCounts {
        ParameterCounts { with_norms: layers + norms, without_norms: layers }
    }
}

fn multiply_adds(table: &[CostRow]) -> u64 {
    table.iter().fold(0, |sum: u64, row| sum.saturating_add(row.multiply_adds))
}

fn detector(manifest: &Manifest, hash: &str, args: &InspectArgs) -> InspectReport {
    let input = args.size.unwrap_or((800, 800));
    let proposals = args.proposals.map_or(manifest.conventions.proposals.post_nms_top_n, usize::from);
    let network = &manifest.network;
    let table = network.rows(input, proposals, manifest.conventions.detections.per_image);
    let features = if network.fpn.is_some() { " with a feature pyramid" } else { ", one feature map" };
    InspectReport {
        title: format!(
            "{} on {}{features}, family {}",
            network.kind(),
            network.backbone.title(),
            manifest.family
        ),
        kind: "detector",
        name: manifest.name.clone(),
        sha256: Some(hash.into()),
        input,
        proposals: Some(proposals),
        multiply_adds: multiply_adds(&table),
        table,
        parameters: manifest.parameters.into(),
        stride: network.rpn_strides().last().copied().unwrap_or(1),
        classes: manifest.classes.iter().map(|class| class.name.clone()).collect(),
        conventions: serde_json::to_value(&manifest.conventions).unwrap_or_default(),
        provenance: manifest.provenance.clone(),
        files: manifest.files.named(),
    }
}

fn classifier(model: &ClassifierModel, args: &InspectArgs) -> InspectReport {
    let manifest = model.manifest();
    let backbone: &Backbone = &manifest.network.backbone;
    let input = args.size.unwrap_or((manifest.input.crop as usize, manifest.input.crop as usize));
    let table = manifest.network.rows(input);
    InspectReport {
        title: format!("{} classifier", backbone.title()),
        kind: "classifier",
        name: manifest.name.clone(),
        sha256: None,
        input,
        proposals: None,
        multiply_adds: multiply_adds(&table),
        table,
        parameters: manifest.parameters.into(),
        stride: backbone.stride_after(backbone.stages.len()),
        classes: manifest.classes.iter().map(|class| class.name.clone()).collect(),
        conventions: serde_json::to_value(&manifest.input).unwrap_or_default(),
        provenance: manifest.provenance.clone(),
        files: vec![("classifier.onnx".into(), manifest.file.clone())],
    }
}

impl fmt::Display for InspectReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}: {}", self.name.escape_debug(), self.title.escape_debug())?;
        let proposals = self.proposals.map_or_else(String::new, |count| format!(", {count} proposals"));
        writeln!(out, "\ninput {}x{}{proposals}", self.input.0, self.input.1)?;
        writeln!(
            out,
            "{:11} {:>6} {:>9} {:>13} {:>15}  layers",
            "", "stride", "output", "weights", "multiply-adds"
        )?;
        for row in &self.table {
            let stride = row.stride.map_or_else(String::new, |stride| stride.to_string());
            let output = row.output.map_or_else(String::new, |(h, w)| format!("{h}x{w}"));
            let (weights, cost) = (grouped(row.weights), grouped(row.multiply_adds));
            writeln!(
                out,
                "{:11} {stride:>6} {output:>9} {weights:>13} {cost:>15}  {}",
                row.name, row.layers
            )?;
        }
        let ParameterCounts { with_norms, without_norms } = self.parameters;
        writeln!(
            out,
            "\nparameters     {} with norms, {} without",
            grouped(with_norms),
            grouped(without_norms)
        )?;
        writeln!(out, "multiply-adds  {:.3} x 10^9", self.multiply_adds as f64 / 1e9)?;
        writeln!(out, "coarsest map   {} input pixels a pixel", self.stride)?;
        for (name, file) in &self.files {
            writeln!(
                out,
                "{name:14} {} bytes, sha256 {}",
                grouped(file.bytes),
                short(&file.sha256).escape_debug()
            )?;
        }
        let names: Vec<String> =
            self.classes.iter().take(8).map(|name| name.escape_debug().to_string()).collect();
        let more = if self.classes.len() > 8 { ", …" } else { "" };
        writeln!(out, "classes        {}: {}{more}", self.classes.len(), names.join(", "))?;
        writeln!(out, "\nconventions")?;
        print_values(out, "", &self.conventions)?;
        if let Some(how) = &self.provenance.quantization {
            let (layers, bits, method) = (how.int8_layers, how.weight_bits, how.method.escape_debug());
            let (photos, from) = (how.photos, short(&how.from).escape_debug());
            writeln!(
                out,
                "\nint8           {layers} layers, weights of {bits} bits, ranges by {method} from {photos} photos, of the \
                 model with sha256 {from}"
            )?;
        }
        let Provenance { checkpoint, sha256, imported_by, .. } = &self.provenance;
        writeln!(
            out,
            "\norigin         {}, sha256 {}, by {}",
            checkpoint.escape_debug(),
            short(sha256).escape_debug(),
            imported_by.escape_debug()
        )
    }
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// Nested values, a dotted key a line.
fn print_values(out: &mut fmt::Formatter<'_>, prefix: &str, value: &Json) -> fmt::Result {
    let Json::Object(entries) = value else { return writeln!(out, "  {prefix:32} {}", shortest(value)) };
    for (key, value) in entries {
        let dot = if prefix.is_empty() { "" } else { "." };
        print_values(out, &format!("{prefix}{dot}{key}"), value)?;
    }
    Ok(())
}

/// float32 as short as it reads back the same.
fn shortest(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(shortest).collect::<Vec<_>>().join(", ")),
        Json::Number(number) => match number.as_f64() {
            Some(wide) if number.is_f64() && f64::from(wide as f32) == wide => (wide as f32).to_string(),
            _ => number.to_string(),
        },
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_groups_and_sizes() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(size("800x1216"), Ok((800, 1216)));
        assert!(size("800").is_err() && size("0x4").is_err());
    }
}
