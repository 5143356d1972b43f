//! `rcnn models`: what models there are here, and which could be had.

use std::collections::BTreeSet;
use std::fmt;

use crate::model::{Listed, ModelPlace, Published, RECOMMENDED, Recommended, list, published};
use serde::Serialize;

use super::Exit;
use super::output::{brief, print_report};

/// List the models on this machine and those that can be pulled
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn models --all
  rcnn detect photos -m coco -o out      brings the model, where it is not here")]
pub(crate) struct ModelsArgs {
    /// List all published checkpoints, not only the recommended ones
    #[arg(long)]
    all: bool,
    /// Print one JSON document on standard output, and everything else on standard error
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: ModelsArgs) -> anyhow::Result<Exit> {
    let here = list();
    let known: Vec<_> =
        published().iter().filter(|known| here.iter().all(|model| model.name != known.name)).collect();
    let report = ModelsReport { models: here, known, recommended: RECOMMENDED, all: args.all };
    print_report(&report, args.json)?;
    Ok(Exit::Done)
}

/// The models here, those that could be had, and which of them to begin with.
#[derive(Serialize)]
struct ModelsReport {
    models: Vec<Listed>,
    known: Vec<&'static Published>,
    recommended: [Recommended; RECOMMENDED.len()],
    /// Whether the text tells of all that are known.
    #[serde(skip)]
    all: bool,
}

impl fmt::Display for ModelsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(f, self)
    }
}

fn write_all(out: &mut fmt::Formatter<'_>, report: &ModelsReport) -> fmt::Result {
    writeln!(
        out,
        "Recommended for everyday objects, the 80 classes of COCO (`-m NAME` brings what is not here):"
    )?;
    for recommended in RECOMMENDED {
        let (name, of, megabytes) = (recommended.name, recommended.of, recommended.megabytes);
        writeln!(out, "  {name:10} {of:14} {megabytes} MB  {}", recommended.why)?;
    }
    writeln!(out, "\nOn this machine:")?;
    for model in &report.models {
        let place = match model.place {
            ModelPlace::Program => "in the program",
            ModelPlace::Cache => "in the cache",
            ModelPlace::Folder => "in a models folder",
        };
        let ap = model.published_ap.map_or_else(String::new, |ap| format!("AP {ap:.1}"));
        let (name, classes) = (brief(&model.name), model.classes);
        let megabytes = model.bytes.div_ceil(1_000_000);
        writeln!(
            out,
            "  {name:20} {:12} {:24} {classes:>5} classes {megabytes:>5} MB  {ap:8} {place}",
            model.family, model.network
        )?;
    }
    if !report.all {
        writeln!(out, "\n{} more published checkpoints: `rcnn models --all`", report.known.len())?;
        return Ok(());
    }
    writeln!(out, "\nPublished (the publishers' numbers; MB where the publisher tells):")?;
    for known in &report.known {
        let score = match (known.box_ap, known.acc1) {
            (Some(ap), _) => format!("AP {ap:.1}"),
            (None, Some(accuracy)) => format!("top-1 {accuracy:.1}"),
            (None, None) => String::new(),
        };
        let masks = known.mask_ap.map_or_else(String::new, |ap| format!("masks {ap:.1}"));
        let megabytes = known
            .size_mb
            .map_or_else(String::new, |mebibytes| format!("{:.0} MB", mebibytes * f64::from(1 << 20) / 1e6));
        writeln!(
            out,
            "  {:36} {:12} {score:10} {masks:10} {megabytes:>7}  {:28} {}",
            known.name, known.family, known.dataset, known.licence
        )?;
    }
    // Several have the same note.
    let notes: BTreeSet<&str> = published().iter().filter_map(|known| known.note.as_deref()).collect();
    for note in notes {
        let of = published().iter().filter(|known| known.note.as_deref() == Some(note));
        let names: Vec<&str> = of.map(|known| known.name.as_str()).collect();
        writeln!(out, "\n{}: {note}", names.join(", "))?;
    }
    Ok(())
}
