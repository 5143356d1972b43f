//! A comparison as text: in aligned columns, to read on a terminal, or as Markdown, to paste.

use std::fmt::Write;

use super::{Costs, Difference, JudgedModel, Trainings};
use crate::run::FailedPhoto;
use coco_eval::{Interval, Moved};

/// Names and places of AP, AP50, AP75 and the three sizes among the twelve numbers.
pub const SHOWN: [(&str, usize); 6] =
    [("AP", 0), ("AP50", 1), ("AP75", 2), ("small", 3), ("medium", 4), ("large", 5)];

/// How tables are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableForm {
    /// Columns that are aligned by blanks, in tables narrow enough for a terminal.
    Columns,
    /// A table of Markdown.
    Markdown,
}

/// The table of all models and, for each but the first, what it gains and whether that is more than noise; photos that
/// are left out.
pub fn table(judged: &[JudgedModel], failed: &[FailedPhoto], form: TableForm) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut text, judged, form).and_then(|()| left_out(&mut text, failed));
    text
}

/// Photos named at most.
const NAMED: usize = 5;

fn left_out(text: &mut String, failed: &[FailedPhoto]) -> std::fmt::Result {
    let photos = match failed.len() {
        0 => return Ok(()),
        1 => "1 photo is".to_owned(),
        count => format!("{count} photos are"),
    };
    writeln!(text, "\n{photos} left out for all models alike:")?;
    for failed in failed.iter().take(NAMED) {
        writeln!(text, "  {}: {}", cell(&failed.file), cell(&failed.error.detail))?;
    }
    match failed.len().saturating_sub(NAMED) {
        0 => Ok(()),
        more => writeln!(text, "  and {more} more: compare.json has all"),
    }
}

/// The first row is the heading; in each, the first cell is a name.
type TableRows = Vec<Vec<String>>;

/// What each model finds.
fn accuracy(judged: &[JudgedModel]) -> TableRows {
    let grouped = judged.iter().any(|model| model.by_cluster.is_some());
    let mut heading = vec!["model".to_owned()];
    heading.extend(SHOWN.iter().map(|(name, _)| (*name).to_owned()));
    heading.push(if grouped { "95 % interval of AP, by photo" } else { "95 % interval of AP" }.into());
    heading.extend(grouped.then(|| "by cluster".to_owned()));
    let row = |model: &JudgedModel| {
        let mut row = vec![cell(&model.name)];
        row.extend(SHOWN.iter().map(|&(_, place)| ap(model.stats.get(place))));
        row.push(ends(model.intervals.first()));
        let by_cluster = || ends(model.by_cluster.as_ref().and_then(|all| all.first()));
        row.extend(grouped.then(by_cluster));
        row
    };
    [heading].into_iter().chain(judged.iter().map(row)).collect()
}

/// What each model costs.
fn costs(judged: &[JudgedModel]) -> TableRows {
    let heading = ["model", "parameters", "multiply-adds", "ms a photo", "MiB"].map(str::to_owned);
    let row = |model: &JudgedModel| {
        let costs = match &model.costs {
            Some(costs) => [
                large(costs.parameters as f64),
                large(costs.multiply_adds),
                format!("{:.1}", costs.milliseconds),
                mib(costs),
            ],
            None => [const { "–" }; 4].map(str::to_owned),
        };
        [cell(&model.name)].into_iter().chain(costs).collect()
    };
    [heading.into()].into_iter().chain(judged.iter().map(row)).collect()
}

/// One table of Markdown.
fn markdown(text: &mut String, rows: &TableRows) -> std::fmt::Result {
    for (place, row) in rows.iter().enumerate() {
        writeln!(text, "| {} |", row.join(" | "))?;
        if place == 0 {
            writeln!(text, "|{}", "---|".repeat(row.len()))?;
        }
    }
    Ok(())
}

/// Names to the left, numbers to the right.
fn columns(text: &mut String, rows: &TableRows) -> std::fmt::Result {
    let count = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    for row in rows {
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            if column == 0 { write!(text, "{cell:width$}")? } else { write!(text, "  {cell:>width$}")? }
        }
        writeln!(text)?;
    }
    Ok(())
}

fn write_all(text: &mut String, judged: &[JudgedModel], form: TableForm) -> std::fmt::Result {
    let (mut found, price) = (accuracy(judged), costs(judged));
    match form {
        TableForm::Markdown => {
            found.iter_mut().zip(price).for_each(|(row, costs)| row.extend(costs.into_iter().skip(1)));
            markdown(text, &found)?;
        }
        TableForm::Columns => {
            columns(text, &found)?;
            if judged.iter().any(|model| model.costs.is_some()) {
                writeln!(text)?;
                columns(text, &price)?;
            }
        }
    }
    if let Some(clusters) = judged.first().and_then(|model| model.clusters.as_ref()) {
        writeln!(text, "\n{clusters}")?;
    }
    for model in judged {
        if let Some(trainings) = &model.trainings {
            writeln!(text, "\n{}: {}", cell(&model.name), each(trainings))?;
        }
    }
    for model in judged {
        if let (Some(difference), Some(first)) = (&model.difference, judged.first()) {
            gains(text, &model.name, &first.name, difference)?;
        }
    }
    Ok(())
}

/// How many trainings there are, the AP of each, and its deviation.
pub fn each(trainings: &Trainings) -> String {
    let aps: Vec<String> = trainings.ap.iter().map(|ap| format!("{ap:.3}")).collect();
    format!("{} trainings, AP {}, deviation {:.3}", aps.len(), aps.join(", "), trainings.deviation)
}

/// The memory that a model takes, where it is known.
pub fn mib(costs: &Costs) -> String {
    costs.memory.map_or("–".into(), |bytes| format!("{:.0}", bytes as f64 / 1_048_576.0))
}

fn gains(text: &mut String, name: &str, first: &str, difference: &Difference) -> std::fmt::Result {
    let Some(sentence) = gain(difference) else { return Ok(()) };
    writeln!(text, "\n{} against {}: {sentence}", cell(name), cell(first))?;
    if difference.intervals.first().is_some_and(|interval| interval.images == 0) {
        return Ok(());
    }
    moved(text, "classes that moved most", &difference.classes)?;
    moved(text, "photos that flipped", &difference.photos)
}

/// How much AP is gained, its 95 % interval, and whether it is more than noise; nothing where nothing was measured.
pub fn gain(difference: &Difference) -> Option<String> {
    let (gain, interval) = difference.stats.first().zip(difference.intervals.first())?;
    if interval.images == 0 {
        return Some("there is no AP to compare".into());
    }
    // Of an AP of 0 nothing is a share.
    let relative = match 100.0 * difference.relative {
        share if share.is_finite() => format!(" ({share:+.1} %)"),
        _ => String::new(),
    };
    let mut parts = vec![span(interval)];
    let several = difference.by_cluster.is_some() || difference.between_trainings.is_some();
    if several {
        parts[0] += " by photo";
    }
    if let Some(clusters) = difference.by_cluster.as_ref().and_then(|all| all.first()) {
        parts.push(format!("{} by cluster", span(clusters)));
    }
    if let Some(trainings) = &difference.between_trainings {
        parts.push(format!("{} between trainings", span(trainings)));
    }
    if let Some(all) = &difference.in_all {
        parts.push(format!("{} in all", span(all)));
    }
    let parts = parts.join(", ");
    let noise = if difference.between_trainings.is_some() { "photos and trainings" } else { "photos" };
    let verdict = match difference.within_noise {
        Some(true) => format!(", 95 % interval {parts}: within the noise of these {noise}"),
        Some(false) => format!(", 95 % interval {parts}: more than noise"),
        None => {
            let clusters = difference.by_cluster.as_ref().and_then(|all| all.first());
            let lacking = clusters.filter(|_| interval.exists()).unwrap_or(interval);
            format!(": whether that is more than noise cannot be told: {}", lacking.why_none())
        }
    };
    Some(format!("AP {gain:+.3}{relative}{verdict}"))
}

/// "from -0.005 to +0.030".
fn span(interval: &Interval) -> String {
    match interval.exists() {
        true => format!("from {:+.3} to {:+.3}", interval.low, interval.high),
        false => "unknown".into(),
    }
}

/// "0.410 to 0.450".
pub fn ends(interval: Option<&Interval>) -> String {
    let interval = interval.filter(|interval| interval.exists());
    interval.map_or("–".into(), |interval| format!("{:.3} to {:.3}", interval.low, interval.high))
}

fn moved(text: &mut String, what: &str, moved: &[Moved]) -> std::fmt::Result {
    let most = moved.iter().take(5);
    let most: Vec<String> =
        most.map(|one| format!("{} {:.2} to {:.2}", cell(&one.name), one.own, one.other)).collect();
    if most.is_empty() { Ok(()) } else { writeln!(text, "  {what}: {}", most.join(", ")) }
}

/// -1 stands for nothing to measure.
pub fn ap(value: Option<&f64>) -> String {
    value.filter(|value| **value >= 0.0).map_or("–".into(), |value| format!("{value:.3}"))
}

fn large(value: f64) -> String {
    if value >= 1e9 { format!("{:.2} G", value / 1e9) } else { format!("{:.2} M", value / 1e6) }
}

/// A name that cannot break the table.
fn cell(name: &str) -> String {
    name.escape_debug().to_string().replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(low: f64, high: f64) -> Interval {
        Interval { low, high, deviation: 0.01, images: 40, ..Interval::default() }
    }

    fn model(name: &str, ap: f64, difference: Option<Difference>) -> JudgedModel {
        let interval = interval(ap - 0.02, ap + 0.02);
        let costs = Costs { parameters: 2_425_039, multiply_adds: 1.3e9, milliseconds: 20.26, memory: None };
        let stats = vec![ap, 0.6, 0.5, -1.0, 0.4, 0.45, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        JudgedModel {
            name: name.into(),
            stats,
            intervals: vec![interval; 12],
            costs: Some(costs),
            difference,
            ..JudgedModel::default()
        }
    }

    #[test]
    fn the_table_says_what_is_noise() {
        let difference = Difference {
            stats: vec![0.01; 12],
            intervals: vec![interval(-0.005, 0.03); 12],
            relative: 0.025,
            within_noise: Some(true),
            classes: vec![Moved { name: "a|b".into(), image_id: None, own: 0.5, other: 0.7 }],
            ..Difference::default()
        };
        let models = [model("one", 0.4, None), model("two", 0.41, Some(difference))];
        let text = table(&models, &[], TableForm::Markdown);
        assert_eq!(
            text,
            "| model | AP | AP50 | AP75 | small | medium | large | 95 % interval of AP | parameters | multiply-adds | ms a photo | MiB |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|\n\
             | one | 0.400 | 0.600 | 0.500 | – | 0.400 | 0.450 | 0.380 to 0.420 | 2.43 M | 1.30 G | 20.3 | – |\n\
             | two | 0.410 | 0.600 | 0.500 | – | 0.400 | 0.450 | 0.390 to 0.430 | 2.43 M | 1.30 G | 20.3 | – |\n\
             \n\
             two against one: AP +0.010 (+2.5 %), 95 % interval from -0.005 to +0.030: within the noise of these photos\n  \
             classes that moved most: a\\|b 0.50 to 0.70\n"
        );
        let text = table(&models, &[], TableForm::Columns);
        assert_eq!(
            text,
            "model     AP   AP50   AP75  small  medium  large  95 % interval of AP\n\
             one    0.400  0.600  0.500      –   0.400  0.450       0.380 to 0.420\n\
             two    0.410  0.600  0.500      –   0.400  0.450       0.390 to 0.430\n\
             \n\
             model  parameters  multiply-adds  ms a photo  MiB\n\
             one        2.43 M         1.30 G        20.3    –\n\
             two        2.43 M         1.30 G        20.3    –\n\
             \n\
             two against one: AP +0.010 (+2.5 %), 95 % interval from -0.005 to +0.030: within the noise of these photos\n  \
             classes that moved most: a\\|b 0.50 to 0.70\n"
        );
    }

    /// A difference is real only if the photos, their clusters and the trainings all say so.
    #[test]
    fn clusters_and_trainings_stand_beside_the_photos() {
        let difference = Difference {
            stats: vec![0.03; 12],
            intervals: vec![interval(0.01, 0.05); 12],
            by_cluster: Some(vec![interval(-0.001, 0.061); 12]),
            between_trainings: Some(interval(0.02, 0.04)),
            in_all: Some(interval(-0.002, 0.062)),
            relative: 0.075,
            within_noise: Some(true),
            ..Difference::default()
        };
        let mut first = model("one", 0.4, None);
        first.by_cluster = Some(vec![interval(0.35, 0.42); 12]);
        first.clusters = Some("31 clusters by `sequence`".into());
        first.trainings = Some(crate::compare::Trainings { ap: vec![0.39, 0.41], deviation: 0.0141 });
        let text = table(&[first, model("two", 0.43, Some(difference))], &[], TableForm::Markdown);
        assert!(text.contains("| 95 % interval of AP, by photo | by cluster |"), "{text}");
        assert!(text.contains("| 0.380 to 0.420 | 0.350 to 0.420 |"), "{text}");
        assert!(text.contains("\n31 clusters by `sequence`\n"), "{text}");
        assert!(text.contains("\none: 2 trainings, AP 0.390, 0.410, deviation 0.014\n"), "{text}");
        assert!(
            text.contains(
                "two against one: AP +0.030 (+7.5 %), 95 % interval from +0.010 to +0.050 by photo, from -0.001 to +0.061 by cluster, \
                 from +0.020 to +0.040 between trainings, from -0.002 to +0.062 in all: within the noise of these photos and \
                 trainings\n"
            ),
            "{text}"
        );
    }
}
