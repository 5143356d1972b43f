//! The numbers that everybody quotes, and the lines in which they are printed.

use rayon::prelude::*;

use super::evaluation::Arrays;
use super::lvis::FREQUENCIES;
use super::mean::mean_of_valid;
use super::params::{Params, Protocol};
use crate::coco::IouType;

/// Names of the twelve numbers.
pub const COCO_NAMES: [&str; 12] =
    ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"];
/// Names of the ten of key points.
pub const KEYPOINT_NAMES: [&str; 10] =
    ["AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl"];
/// Names of lvis' thirteen.
pub const LVIS_NAMES: [&str; 13] = [
    "AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf", "AR@300", "ARs@300", "ARm@300", "ARl@300",
];

/// Names of the numbers under these parameters: recalls are named by their limits.
pub fn names(params: &Params) -> Vec<String> {
    if params.protocol == Protocol::Lvis {
        return LVIS_NAMES.map(String::from).to_vec();
    }
    if params.iou_type == IouType::Keypoints {
        return KEYPOINT_NAMES.map(String::from).to_vec();
    }
    let lines = lines(params);
    let name = |(name, line): (&str, &SummaryLine)| match name.strip_prefix("AR") {
        Some(limit) if limit.starts_with(|c: char| c.is_ascii_digit()) => format!("AR{}", line.limit),
        _ => name.into(),
    };
    COCO_NAMES.into_iter().zip(&lines).map(name).collect()
}

/// One line of the summary: what it averages.
#[derive(Clone, Debug)]
pub(super) struct SummaryLine {
    pub(super) precision: bool,
    threshold: Option<f64>,
    area: String,
    limit: usize,
    /// LVIS: the group of categories.
    pub(super) group: Option<usize>,
}

/// The lines of the summary, in order.
pub(super) fn lines(params: &Params) -> Vec<SummaryLine> {
    let line = |precision, threshold, area: &str, limit| SummaryLine {
        precision,
        threshold,
        area: area.into(),
        limit,
        group: None,
    };
    if params.protocol == Protocol::Lvis {
        let ap = |threshold, area: &str, group| SummaryLine { group, ..line(true, threshold, area, 300) };
        return vec![
            ap(None, "all", None),
            ap(Some(0.5), "all", None),
            ap(Some(0.75), "all", None),
            ap(None, "small", None),
            ap(None, "medium", None),
            ap(None, "large", None),
            ap(None, "all", Some(0)),
            ap(None, "all", Some(1)),
            ap(None, "all", Some(2)),
            line(false, None, "all", 300),
            line(false, None, "small", 300),
            line(false, None, "medium", 300),
            line(false, None, "large", 300),
        ];
    }
    if params.iou_type == IouType::Keypoints {
        let five = |precision| {
            [(None, "all"), (Some(0.5), "all"), (Some(0.75), "all"), (None, "medium"), (None, "large")]
                .map(|(threshold, area)| line(precision, threshold, area, params.first_limit))
        };
        return [five(true), five(false)].concat();
    }
    let mut limits = params.max_dets.clone();
    limits.sort_unstable();
    let limit = |place: usize| limits.get(place).copied().unwrap_or(0);
    let (first, second, third) = (limit(0), limit(1), limit(2));
    vec![
        line(true, None, "all", params.first_limit),
        line(true, Some(0.5), "all", third),
        line(true, Some(0.75), "all", third),
        line(true, None, "small", third),
        line(true, None, "medium", third),
        line(true, None, "large", third),
        line(false, None, "all", first),
        line(false, None, "all", second),
        line(false, None, "all", third),
        line(false, None, "small", third),
        line(false, None, "medium", third),
        line(false, None, "large", third),
    ]
}

impl SummaryLine {
    /// Places of the thresholds that it averages.
    pub(super) fn thresholds(&self, params: &Params) -> Vec<usize> {
        let thresholds = params.iou_thresholds.iter().enumerate();
        thresholds
            .filter(|&(_, &value)| self.threshold.is_none_or(|wanted| wanted == value))
            .map(|(t, _)| t)
            .collect()
    }

    /// Places of the ranges and limits that it averages, paired as numpy pairs two lists of indices.
    pub(super) fn cells(&self, params: &Params) -> Vec<(usize, usize)> {
        let ranges = params.area_ranges.iter().enumerate();
        let areas: Vec<usize> =
            ranges.filter(|(_, range)| range.label == self.area).map(|(a, _)| a).collect();
        if params.protocol == Protocol::Lvis {
            return areas.into_iter().map(|a| (a, 0)).collect();
        }
        let mut limits = params.max_dets.clone();
        limits.sort_unstable();
        let limits = limits.iter().enumerate();
        let limits: Vec<usize> = limits.filter(|&(_, &limit)| limit == self.limit).map(|(m, _)| m).collect();
        if areas.len() == 1 {
            return limits.into_iter().map(|m| (areas[0], m)).collect();
        }
        if limits.len() == 1 {
            return areas.into_iter().map(|a| (a, limits[0])).collect();
        }
        areas.into_iter().zip(limits).collect()
    }

    fn value(&self, arrays: &Arrays, params: &Params, groups: Option<&[usize]>) -> f64 {
        let [_, recalls, categories, ..] = arrays.shape;
        let thresholds = self.thresholds(params);
        let cells = self.cells(params);
        let in_group =
            |&k: &usize| self.group.is_none_or(|group| groups.is_some_and(|groups| groups[k] == group));
        let categories: Vec<usize> = (0..categories).filter(in_group).collect();
        // In the arrays' order, as the sum is taken in it.
        let mut values = Vec::with_capacity(thresholds.len() * categories.len() * cells.len());
        for &t in &thresholds {
            for r in 0..if self.precision { recalls } else { 1 } {
                for &k in &categories {
                    for &(a, m) in &cells {
                        let recall = || arrays.recall_at(t, k, a, m);
                        values.push(if self.precision {
                            arrays.precision_at(t, r, k, a, m)
                        } else {
                            recall()
                        });
                    }
                }
            }
        }
        mean_of_valid(values.into_iter())
    }

    /// The line as pycocotools or lvis prints it.
    fn text(&self, value: f64, params: &Params) -> String {
        let (title, kind) =
            if self.precision { ("Average Precision", "(AP)") } else { ("Average Recall", "(AR)") };
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        let iou = match self.threshold {
            Some(threshold) => format!("{threshold:.2}"),
            None => {
                format!("{:.2}:{:.2}", end(params.iou_thresholds.first()), end(params.iou_thresholds.last()))
            }
        };
        let (area, limit) = (self.area.as_str(), self.limit);
        match params.protocol {
            Protocol::Coco => {
                format!(
                    " {title:<18} {kind} @[ IoU={iou:<9} | area={area:>6} | maxDets={limit:>3} ] = {value:.3}"
                )
            }
            Protocol::Lvis => {
                // lvis prints the first letter of a range only.
                let area = if STANDARD[1..].contains(&area) { &area[..1] } else { area };
                let group = self.group.map_or("all", |group| FREQUENCIES[group]);
                format!(
                    " {title:<18} {kind} @[ IoU={iou:<9} | area={area:>6} | maxDets={limit:>3} catIds={group:>3}] = {value:.3}"
                )
            }
        }
    }
}

/// The numbers, drawn from the arrays.
pub(super) fn stats(arrays: &Arrays, params: &Params, groups: Option<&[usize]>) -> Vec<f64> {
    lines(params).par_iter().map(|line| line.value(arrays, params, groups)).collect()
}

/// The summary's lines for given numbers.
pub fn text(stats: &[f64], params: &Params) -> Vec<String> {
    lines(params).iter().zip(stats).map(|(line, &value)| line.text(value, params)).collect()
}

/// The labels that the summary asks for.
const STANDARD: [&str; 4] = ["all", "small", "medium", "large"];

/// AP and AR of an area range whose label the summary does not ask for, at the summary's last limit.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AreaNumbers {
    /// The range's label.
    pub label: String,
    /// AP; -1 where there is nothing to find.
    pub ap: f64,
    /// AR.
    pub ar: f64,
}

/// The lines of AP and AR of the ranges with labels of their own.
fn own_lines(params: &Params) -> Vec<[SummaryLine; 2]> {
    let mut labels: Vec<&str> = Vec::new();
    for range in &params.area_ranges {
        if !STANDARD.contains(&range.label.as_str()) && !labels.contains(&range.label.as_str()) {
            labels.push(&range.label);
        }
    }
    let Some(last) = lines(params).pop() else { return Vec::new() };
    let line = |area: &str, precision| SummaryLine { precision, area: area.into(), ..last.clone() };
    labels.into_iter().map(|label| [line(label, true), line(label, false)]).collect()
}

/// The numbers of the ranges with labels of their own.
pub(super) fn own_ranges(arrays: &Arrays, params: &Params) -> Vec<AreaNumbers> {
    own_lines(params)
        .into_iter()
        .map(|[ap, ar]| AreaNumbers {
            ap: ap.value(arrays, params, None),
            ar: ar.value(arrays, params, None),
            label: ap.area,
        })
        .collect()
}

/// The lines of the ranges with labels of their own, in the summary's form.
pub fn area_lines(numbers: &[AreaNumbers], params: &Params) -> Vec<String> {
    let lines = own_lines(params).into_iter().zip(numbers);
    lines.flat_map(|([ap, ar], numbers)| [ap.text(numbers.ap, params), ar.text(numbers.ar, params)]).collect()
}

/// For each range and limit: whether some line needs its precision, or its recall.
pub(super) fn needed(params: &Params, precision: bool) -> Vec<bool> {
    let limits = if params.protocol == Protocol::Lvis { 1 } else { params.max_dets.len() };
    let mut needed = vec![false; params.area_ranges.len() * limits];
    let lines = lines(params).into_iter().chain(own_lines(params).into_iter().flatten());
    for line in lines.filter(|line| line.precision == precision) {
        for (a, m) in line.cells(params) {
            needed[a * limits + m] = true;
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recalls_are_named_by_their_limits() {
        assert_eq!(names(&Params::default()), COCO_NAMES);
        let params = Params { max_dets: vec![100, 300, 1000], ..Params::default() };
        assert_eq!(names(&params)[5..10], ["APl", "AR100", "AR300", "AR1000", "ARs"]);
    }

    #[test]
    fn lines_are_pycocotools_to_the_blank() {
        let mut stats = vec![0.0625; 12];
        stats[6] = 0.1875;
        stats[7] = -1.0;
        let lines = text(&stats, &Params::default());
        assert_eq!(
            lines[0],
            " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.062"
        );
        assert_eq!(
            lines[1],
            " Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets=100 ] = 0.062"
        );
        assert_eq!(
            lines[6],
            " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] = 0.188"
        );
        assert_eq!(
            lines[7],
            " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets= 10 ] = -1.000"
        );
    }
}
