//! The folder of a comparison: what is there before, what must not be replaced, and what is written.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::atomic;
use crate::compare::JudgedModel;
use crate::report::{Plot, PlotPoint};
use crate::run::FailedPhoto;
use serde::Deserialize;

use super::flipped::ShownFlips;
use super::{Usage, page};

/// What a comparison writes beside each model's results.
const FILES: [&str; 5] = ["compare.json", "compare.md", "compare.html", "compare.svg", "compare.png"];

/// What tells an earlier comparison's compare.json from other files of that name.
#[derive(Deserialize)]
struct Earlier {
    models: Vec<EarlierModel>,
    #[serde(rename = "resamples")]
    _resamples: u32,
    /// The models that were run, whose results lie there.
    #[serde(default)]
    results: Vec<String>,
}

#[derive(Deserialize)]
struct EarlierModel {
    name: String,
    #[serde(rename = "stats")]
    _stats: Vec<f64>,
    /// Of a model that was run.
    costs: Option<serde_json::Value>,
}

/// Refuses a folder that holds anything but an earlier comparison, and one in which an input would be replaced.
/// `results` are the names of the models that are run.
pub(super) fn check<'a>(
    folder: &Path,
    results: &[&String],
    inputs: impl Iterator<Item = &'a Path>,
) -> Result<(), Usage> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let place = folder.display();
    let names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    let inputs: Vec<PathBuf> = inputs.filter_map(|path| fs::canonicalize(path).ok()).collect();
    let written = FILES.iter().map(|name| (*name).to_owned()).chain(results.iter().map(|name| file(name)));
    for name in written {
        let path = folder.join(&name);
        if fs::canonicalize(&path).is_ok_and(|path| inputs.contains(&path)) {
            let path = path.display();
            return Err(Usage(format!(
                "`{path}` is compared or compared by, and would be replaced: give another folder with -o"
            )));
        }
    }
    let earlier = fs::read(folder.join("compare.json")).ok();
    let earlier = earlier.and_then(|text| serde_json::from_slice::<Earlier>(&text).ok());
    let Some(earlier) = earlier else {
        return match names.first() {
            Some(name) => Err(Usage(format!(
                "`{place}` holds other things than a comparison (such as `{}`): give a new folder with -o, or that of an earlier comparison",
                name.escape_debug()
            ))),
            None => Ok(()),
        };
    };
    let own = |name: &&&String| {
        let run = earlier.models.iter().any(|model| model.name == ***name && model.costs.is_some());
        run || earlier.results.contains(**name)
    };
    match results.iter().find(|name| names.contains(&file(name)) && !own(name)) {
        Some(name) => Err(Usage(format!(
            "`{}` is there, and the comparison in that folder did not write it: give another folder with -o",
            folder.join(file(name)).display()
        ))),
        None => Ok(()),
    }
}

/// The file of a model's results.
pub(super) fn file(name: &str) -> String {
    format!("{name}.json")
}

/// What there is to be shown of a comparison.
pub(super) struct ComparedModels<'a> {
    pub(super) judged: &'a [JudgedModel],
    /// Photos that count for no model.
    pub(super) failed: &'a [FailedPhoto],
    pub(super) flips: ShownFlips,
}

/// Writes a comparison; the results of models that were run, by these names, lie in `scratch`.
pub(super) fn write(
    folder: &Path,
    scratch: &Path,
    text: &str,
    document: &str,
    comparison: ComparedModels<'_>,
    run: &[&String],
) -> anyhow::Result<()> {
    let failed = |path: &Path, error| anyhow::anyhow!("cannot write `{}`: {error}", path.display());
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        atomic::write(&path, |out| out.write_all(bytes)).map_err(|error| failed(&path, error))
    };
    // First what tells whose folder it is.
    write("compare.json", document.as_bytes())?;
    write("compare.md", text.as_bytes())?;
    for name in run {
        let name = file(name);
        write(&name, &fs::read(scratch.join(&name))?)?;
    }
    let point = |model: &JudgedModel| {
        let (costs, y) = (model.costs.as_ref()?, *model.stats.first()?);
        let interval = model.intervals.first().filter(|interval| interval.exists());
        let interval = interval.map_or((y, y), |interval| (interval.low, interval.high));
        (y > -1.0).then(|| PlotPoint { name: model.name.clone(), x: costs.milliseconds, y, interval })
    };
    let points: Vec<PlotPoint> = comparison.judged.iter().filter_map(point).collect();
    if points.is_empty() {
        return write("compare.html", page::page(comparison, None).html()?.as_bytes());
    }
    let plot = Plot {
        title: "Average precision against time".into(),
        x_label: "milliseconds a photo (median)".into(),
        y_label: "AP, with its 95 % interval".into(),
        points,
    };
    let svg = plot.svg()?;
    write("compare.svg", svg.as_bytes())?;
    write("compare.png", &plot.png()?)?;
    write("compare.html", page::page(comparison, Some(svg)).html()?.as_bytes())
}
