//! A comparison as a page: which numbers stand in which column, and what is said beside them.

use crate::compare::{Costs, Difference, JudgedModel, SHOWN, ap, each, ends, gain, mib};
use crate::report::{ColumnHead, ComparisonPage, FlippedPhoto, Gain, MovedRow};
use coco_eval::Moved;

use super::folder::ComparedModels;

/// Most classes and photos that are listed of those that moved.
const MOST: usize = 20;

/// The page of models that were judged; `plot` is an SVG.
pub(super) fn page(comparison: ComparedModels<'_>, plot: Option<String>) -> ComparisonPage {
    let ComparedModels { judged, failed, flips } = comparison;
    let mut photos = flips.photos.into_iter();
    let by_cluster = judged.iter().any(|model| model.by_cluster.is_some());
    let names: Vec<&str> = judged.iter().map(|model| model.name.as_str()).collect();
    ComparisonPage {
        title: names.join(", "),
        warnings: super::warnings(judged),
        heads: heads(by_cluster),
        rows: judged.iter().map(|model| (model.name.clone(), cells(model, by_cluster))).collect(),
        notes: notes(judged),
        plot,
        gains: judged
            .iter()
            .filter_map(|model| gained(judged.first()?, model, photos.next().unwrap_or_default()))
            .collect(),
        left_out: failed.iter().map(|one| (one.file.clone(), one.error.detail.clone())).collect(),
        categories: flips.categories,
        decode: flips.decode,
    }
}

fn heads(by_cluster: bool) -> Vec<ColumnHead> {
    let number = |name: &str| ColumnHead { name: name.into(), number: true };
    let text = |name: &str| ColumnHead { name: name.into(), number: false };
    let mut heads: Vec<ColumnHead> = SHOWN.iter().map(|(name, _)| number(name)).collect();
    heads.push(text(if by_cluster { "95 % interval of AP, by photo" } else { "95 % interval of AP" }));
    heads.extend(by_cluster.then(|| text("by cluster")));
    heads.extend(["parameters (M)", "multiply-adds (G)", "ms a photo", "MiB"].map(number));
    heads
}

fn cells(model: &JudgedModel, by_cluster: bool) -> Vec<String> {
    let mut cells: Vec<String> = SHOWN.iter().map(|&(_, place)| ap(model.stats.get(place))).collect();
    cells.push(ends(model.intervals.first()));
    if by_cluster {
        cells.push(ends(model.by_cluster.as_ref().and_then(|all| all.first())));
    }
    cells.extend(model.costs.as_ref().map_or_else(|| [(); 4].map(|()| "–".to_owned()), costs));
    cells
}

/// In one unit a column, so that the numbers can be sorted.
fn costs(costs: &Costs) -> [String; 4] {
    [
        format!("{:.2}", costs.parameters as f64 / 1e6),
        format!("{:.2}", costs.multiply_adds / 1e9),
        format!("{:.1}", costs.milliseconds),
        mib(costs),
    ]
}

fn notes(judged: &[JudgedModel]) -> Vec<String> {
    let clusters = judged.first().and_then(|model| model.clusters.clone());
    let trainings = judged
        .iter()
        .filter_map(|model| Some(format!("{}: {}", model.name, each(model.trainings.as_ref()?))));
    clusters.into_iter().chain(trainings).collect()
}

fn gained(first: &JudgedModel, model: &JudgedModel, flips: Vec<FlippedPhoto>) -> Option<Gain> {
    let difference: &Difference = model.difference.as_ref()?;
    let tables =
        [("Classes that moved most", &difference.classes), ("Photos that flipped", &difference.photos)];
    let tables = tables.map(|(title, moved)| (title, rows(moved)));
    Some(Gain {
        title: format!("{} against {}", model.name, first.name),
        sentence: gain(difference)?,
        first: first.name.clone(),
        own: model.name.clone(),
        moved: tables.into_iter().filter(|(_, rows)| !rows.is_empty()).collect(),
        flips,
    })
}

/// Of a difference's lists `own` is the first model's AP.
fn rows(moved: &[Moved]) -> Vec<MovedRow> {
    let row = |one: &Moved| MovedRow {
        name: one.name.clone(),
        first: format!("{:.2}", one.own),
        own: format!("{:.2}", one.other),
        change: format!("{:+.2}", one.other - one.own),
    };
    moved.iter().take(MOST).map(row).collect()
}
