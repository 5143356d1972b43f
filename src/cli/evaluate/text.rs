//! What `rcnn evaluate` prints below the twelve numbers.

use coco_eval::{
    ClassRow, Comparison, Errors, Interval, IntervalKind, MissedShare, OperatingPoint, Resampling,
    TIDE_KINDS, Tide, Voc,
};

use crate::cli::output::brief;

/// Width of a column of names.
fn width<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(|name| name.chars().count()).max().unwrap_or(0).clamp(8, 40)
}

/// A table of every category's numbers.
pub(super) fn per_class(rows: &[ClassRow]) -> Vec<String> {
    let width = width(rows.iter().map(|row| row.name.as_str()));
    let own = rows.first().map_or(&[][..], |row| &row.areas);
    let own = own.iter().flat_map(|area| [format!("AP {}", area.label), format!("AR {}", area.label)]);
    let titles: Vec<String> =
        ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR"].map(String::from).into_iter().chain(own).collect();
    let widths: Vec<usize> = titles.iter().map(|title| title.chars().count().max(7)).collect();
    let titles: String = titles.iter().map(|title| format!(" {title:>7}")).collect();
    let mut lines = vec![String::new(), format!("{:<width$} {:>8}{titles}", "category", "boxes")];
    lines.extend(rows.iter().map(|row| {
        let own = row.areas.iter().flat_map(|area| [area.ap, area.ar]);
        let numbers = row.numbers.into_iter().chain(own).zip(&widths);
        let numbers: String = numbers.map(|(value, width)| format!(" {value:>width$.3}")).collect();
        format!("{:<width$} {:>8}{numbers}", brief(&row.name), row.boxes)
    }));
    lines
}

/// The two VOC numbers.
pub(super) fn voc(voc: &Voc, names: &[String], iou: f64, plus_one: bool, per_class: bool) -> Vec<String> {
    let sides = if plus_one { "1 is added to sides" } else { "sides are as they are" };
    let mut lines = vec![
        format!(" AP at IoU above {iou:.2}, 11 points (VOC 2007)  = {:.3}", voc.mean.eleven_point),
        format!(" AP at IoU above {iou:.2}, all points (VOC 2010) = {:.3}", voc.mean.all_point),
        format!(" ({sides}; crowds and ignored annotations are difficult)"),
    ];
    if per_class {
        let width = width(names.iter().map(String::as_str));
        lines.push(String::new());
        lines.push(format!("{:<width$} {:>9} {:>10}", "category", "11 points", "all points"));
        let show = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.3}"));
        lines.extend(names.iter().zip(&voc.categories).map(|(name, ap)| {
            let (eleven, all) = (show(ap.map(|ap| ap.eleven_point)), show(ap.map(|ap| ap.all_point)));
            format!("{:<width$} {eleven:>9} {all:>10}", brief(name))
        }));
    }
    lines
}

/// What is drawn, and the names of the numbers, from the place `skip` on.
pub(super) struct DrawnLines<'a> {
    pub(super) resampling: Resampling<'a>,
    pub(super) names: &'a [String],
    pub(super) skip: usize,
}

impl DrawnLines<'_> {
    /// "95 % intervals from 1000 draws of half of the images, and of 31 clusters by `sequence`".
    fn title(&self) -> String {
        let Resampling { count, method, clusters, .. } = self.resampling;
        let (what, half) = match method {
            IntervalKind::Subsampling => ("95 % intervals", "half of "),
            IntervalKind::Basic => ("95 % basic intervals", ""),
            IntervalKind::Percentile => ("95 % percentile intervals", ""),
        };
        let groups =
            clusters.map(|clusters| format!(", and of {half}{}", clusters.description())).unwrap_or_default();
        format!("{what} from {count} draws of {half}the images{groups}")
    }
}

/// An interval, or why there is none, and a word about it.
fn interval_text(interval: &Interval, signed: bool) -> String {
    match (interval.exists(), signed) {
        (false, _) => interval.why_none(),
        (true, false) => format!("[{:.3}, {:.3}]", interval.low, interval.high),
        (true, true) => format!("[{:+.3}, {:+.3}]", interval.low, interval.high),
    }
}

/// The interval by image, and that by cluster beside it.
fn beside(interval: &Interval, by_cluster: Option<&Interval>, signed: bool) -> String {
    let own = interval_text(interval, signed);
    by_cluster
        .map_or(own.clone(), |groups| format!("{own:<16}  by cluster {}", interval_text(groups, signed)))
}

/// Numbers with their intervals.
pub(super) fn intervals(
    drawn: &DrawnLines<'_>,
    stats: &[f64],
    intervals: &[Interval],
    by_cluster: Option<&[Interval]>,
) -> Vec<String> {
    let mut lines = vec![String::new(), drawn.title()];
    let rows = drawn.names.iter().zip(stats).zip(intervals).enumerate().skip(drawn.skip);
    lines.extend(rows.map(|(place, ((name, value), interval))| {
        let range = beside(interval, by_cluster.and_then(|all| all.get(place)), false);
        format!(" {name:<7} {value:>7.3}  {range}")
    }));
    let bias = intervals.first().filter(|interval| interval.exists() && drawn.skip == 0);
    if let Some(interval) = bias.filter(|interval| interval.bias >= 0.0005) {
        lines.push(format!(
            " AP is about {:.3} too high for having {} images only; the intervals are around what is left",
            interval.bias, interval.images
        ));
    }
    lines
}

/// Differences, and what moved most.
pub(super) fn comparison(
    drawn: &DrawnLines<'_>,
    stats: &[f64],
    comparison: &Comparison,
    intervals: &[Interval],
    by_cluster: Option<&[Interval]>,
) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!("other results less these, with {}", drawn.title()),
        format!(" {:<7} {:>7} {:>7} {:>8}", "", "these", "other", "differ"),
    ];
    let rows =
        drawn.names.iter().zip(stats).zip(&comparison.other).zip(&comparison.difference).zip(intervals);
    for (place, ((((name, own), other), difference), interval)) in rows.enumerate().skip(drawn.skip) {
        let groups = by_cluster.and_then(|all| all.get(place));
        let chance =
            [Some(interval), groups].into_iter().flatten().any(|one| one.exists() && !one.excludes_zero());
        let sure = if chance { "  (may be chance)" } else { "" };
        let range = beside(interval, groups, true);
        lines.push(format!(" {name:<7} {own:>7.3} {other:>7.3} {difference:>+8.3}  {range}{sure}"));
    }
    for (title, moved) in [("categories", &comparison.classes), ("images", &comparison.images)] {
        if moved.is_empty() {
            continue;
        }
        let names: Vec<String> = moved.iter().map(|moved| printable(&brief(&moved.name))).collect();
        let width = width(names.iter().map(String::as_str));
        lines.push(String::new());
        lines.push(format!("{title} whose AP moved most"));
        lines.extend(moved.iter().zip(&names).map(|(moved, name)| {
            let (own, other, change) = (moved.own, moved.other, moved.other - moved.own);
            format!(" {name:<width$} {own:>7.3} {other:>7.3} {change:>+8.3}")
        }));
    }
    lines
}

/// A name that cannot steer the terminal.
fn printable(name: &str) -> String {
    if name.contains(char::is_control) { name.escape_debug().to_string() } else { name.into() }
}

/// TIDE's kinds with counts and costs.
pub(super) fn tide(tide: &Tide) -> Vec<String> {
    const MEANING: [&str; 6] = [
        "right place, wrong category",
        "right category, wrong place",
        "wrong category and place",
        "found twice",
        "nothing there",
        "not found",
    ];
    let mut lines = vec![
        String::new(),
        format!("TIDE: AP {:.2} of 100 (tidecv's, not COCO's); what each kind of error costs", tide.ap),
    ];
    for (place, kind) in TIDE_KINDS.iter().enumerate() {
        lines.push(format!(
            " {kind:<5} {:>7.2} {:>9}  {}",
            tide.main[place], tide.counts[place], MEANING[place]
        ));
    }
    lines.push(format!(
        " all wrong detections {:.2}, all missed objects {:.2}",
        tide.false_positive, tide.false_negative
    ));
    lines
}

/// Cuts, calibration, misses and confusions.
pub(super) fn errors(errors: &Errors, names: &[String]) -> Vec<String> {
    let mut lines = vec![String::new(), format!("at IoU {:.2}", errors.iou)];
    let cut = |cut: &OperatingPoint| {
        format!(
            "score {:.3}: F1 {:.3}, precision {:.3}, recall {:.3}",
            cut.score, cut.f1, cut.precision, cut.recall
        )
    };
    lines.push(match &errors.best_f1 {
        Some(best) => format!("best F1 over all categories at {}", cut(best)),
        None => "no detection is right, so no score is best".into(),
    });
    let names: Vec<String> = names.iter().map(|name| brief(name).into()).collect();
    let width = width(names.iter().map(String::as_str));
    for (name, best) in names.iter().zip(&errors.best_f1_per_class) {
        lines.extend(best.as_ref().map(|best| format!(" {name:<width$} {}", cut(best))));
    }
    lines.push(String::new());
    lines.push(format!(
        "calibration: error {:.3} (ECE over {} bins), at most {:.3}",
        errors.calibration.ece,
        errors.calibration.bins.len(),
        errors.calibration.mce
    ));
    for bin in errors.calibration.bins.iter().filter(|bin| bin.count > 0) {
        lines.push(format!(
            " score {:.1} to {:.1}: {:>9} detections, mean score {:.3}, right {:.3}",
            bin.low, bin.high, bin.count, bin.confidence, bin.accuracy
        ));
    }
    for (title, shares) in [
        ("size", &errors.missed.by_size),
        ("crowding", &errors.missed.by_crowding),
        ("category", &errors.missed.by_category),
    ] {
        lines.push(String::new());
        lines.push(format!("missed by any detection, by {title}"));
        lines.extend(shares.iter().filter(|share| share.count > 0).map(|share| missed(share, width)));
    }
    lines.push(String::new());
    lines.push("most frequent confusions from that score up".into());
    let mut confused: Vec<_> = errors.confusion.iter().filter(|cell| cell.truth != cell.detection).collect();
    confused.retain(|cell| cell.truth.is_some() && cell.detection.is_some());
    confused.sort_by_key(|cell| std::cmp::Reverse(cell.count));
    let name =
        |place: Option<usize>| place.and_then(|place| names.get(place)).map_or("nothing", String::as_str);
    for cell in confused.into_iter().take(10) {
        lines.push(format!(" {} taken for {}: {}", name(cell.truth), name(cell.detection), cell.count));
    }
    lines
}

fn missed(share: &MissedShare, width: usize) -> String {
    let part = share.missed as f64 / share.count.max(1) as f64;
    let label = brief(&share.label);
    format!(" {label:<width$} {:>7} of {:>7}  {:>5.1} %", share.missed, share.count, 100.0 * part)
}
