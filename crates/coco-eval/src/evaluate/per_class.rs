//! The numbers of every category on its own.

use super::params::{Params, Protocol};
use super::summary::AreaNumbers;
use super::{Evaluation, Evaluator};

/// One category's numbers.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ClassRow {
    /// Id as in the annotations.
    pub id: serde_json::Value,
    /// Name.
    pub name: String,
    /// Its evaluated ground truths, crowds included.
    pub boxes: usize,
    /// AP, AP50, AP75, APs, APm, APl and AR at the largest limit; -1 where nothing is there to find.
    pub numbers: [f64; 7],
    /// AP and AR of the area ranges with labels of their own.
    #[cfg_attr(feature = "serde", serde(default))]
    pub areas: Vec<AreaNumbers>,
}

/// The numbers of every category, from a full evaluation.
pub fn per_class(input: &Evaluator, evaluation: &Evaluation, params: &Params) -> Vec<ClassRow> {
    let arrays = &evaluation.arrays;
    let last = arrays.shape[4] - 1;
    let all: Vec<usize> = (0..arrays.shape[0]).collect();
    let at = |wanted: f64| -> Vec<usize> {
        all.iter().copied().filter(|&t| params.iou_thresholds[t] == wanted).collect()
    };
    let area = |label: &str| params.area_ranges.iter().position(|range| range.label == label);
    let row = |(k, name): (usize, String)| {
        let ap = |thresholds: &[usize], label: &str| {
            area(label).map_or(-1.0, |a| arrays.category_ap(k, thresholds, a, last))
        };
        let numbers = [
            ap(&all, "all"),
            ap(&at(0.5), "all"),
            ap(&at(0.75), "all"),
            ap(&all, "small"),
            ap(&all, "medium"),
            ap(&all, "large"),
            area("all").map_or(-1.0, |a| arrays.category_ar(k, a, last)),
        ];
        let id = input.scope.categories.get(k).filter(|_| !params.class_agnostic);
        let own = |numbers: &AreaNumbers| AreaNumbers {
            label: numbers.label.clone(),
            ap: ap(&all, &numbers.label),
            ar: area(&numbers.label).map_or(-1.0, |a| arrays.category_ar(k, a, last)),
        };
        ClassRow {
            id: id.map_or(serde_json::Value::Null, |&id| input.set.id_json(id)),
            name,
            boxes: evaluation.boxes[k],
            numbers,
            areas: evaluation.areas.iter().map(own).collect(),
        }
    };
    debug_assert!(params.protocol == Protocol::Lvis || last < params.max_dets.len());
    input.category_names().into_iter().enumerate().map(row).collect()
}
