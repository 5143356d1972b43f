//! `rcnn models`: what models there are here, and which could be had.

use std::io::Write;

use rcnn::model::{Place, list, published};
use serde_json::json;

use super::Exit;
use super::output::Out;

/// List the models on this machine and those that can be pulled
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  rcnn models --json")]
pub(crate) struct Args {
    /// One JSON document on standard output
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<Exit> {
    let here = list();
    let known: Vec<_> =
        published().iter().filter(|known| here.iter().all(|model| model.name != known.name)).collect();
    let mut out = Out::of(args.json);
    if args.json {
        let here: Vec<_> = here
            .iter()
            .map(|model| {
                json!({"name": model.name, "place": model.place, "folder": model.folder.as_ref().map(|folder| folder.display().to_string()), "family": model.family,
                       "network": model.network, "published_ap": model.published_ap, "licence": model.licence})
            })
            .collect();
        let known: Vec<_> = known
            .iter()
            .map(|known| {
                json!({"name": known.name, "family": known.family, "url": known.url, "box_ap": known.box_ap,
                       "acc1": known.acc1, "dataset": known.dataset, "licence": known.licence})
            })
            .collect();
        writeln!(out, "{}", json!({"models": here, "known": known}))?;
        return Ok(Exit::Done);
    }
    writeln!(out, "here:")?;
    for model in &here {
        let place = match model.place {
            Place::Program => "in the program",
            Place::Cache => "in the cache",
            Place::Folder => "in a models folder",
        };
        let ap = model.published_ap.map_or_else(String::new, |ap| format!("AP {ap:.1}"));
        writeln!(out, "  {:36} {:12} {:24} {:8} {place}", model.name, model.family, model.network, ap)?;
    }
    writeln!(out, "\nto be had with `rcnn pull NAME` (the publisher's numbers):")?;
    for known in known {
        let score = match (known.box_ap, known.acc1) {
            (Some(ap), _) => format!("AP {ap:.1}"),
            (None, Some(accuracy)) => format!("top-1 {accuracy:.1}"),
            (None, None) => String::new(),
        };
        writeln!(
            out,
            "  {:36} {:12} {:12} {:28} {}",
            known.name, known.family, score, known.dataset, known.licence
        )?;
    }
    Ok(Exit::Done)
}
