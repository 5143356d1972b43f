//! The confusion matrix: what is taken for what, for the categories that are confused most.

use std::collections::BTreeMap;

use super::judged::NamedErrors;

/// Most categories in it.
const MOST: usize = 16;

/// Counts of truths, by row, and what they were taken for, by column.
pub(super) struct Matrix {
    /// What stands above the columns: names, and at last that of truths which were missed.
    pub(super) heads: Vec<String>,
    /// Name and cells of each row; the last row is of detections of nothing.
    pub(super) rows: Vec<(String, Vec<MatrixCell>)>,
    /// How many categories are left out.
    pub(super) more: usize,
}

/// One count.
pub(super) struct MatrixCell {
    pub(super) count: u64,
    /// Of the largest count of its kind (right, or confused), in per cent.
    pub(super) share: f64,
    /// Truth and detection are of one category.
    pub(super) right: bool,
}

impl Matrix {
    /// Of the categories with the most confusions; none where nothing was counted.
    pub(super) fn of(named: &NamedErrors) -> Option<Matrix> {
        let counts: BTreeMap<(Option<usize>, Option<usize>), u64> =
            named.errors.confusion.iter().map(|cell| ((cell.truth, cell.detection), cell.count)).collect();
        let mut weights = vec![(0u64, 0u64); named.categories.len()];
        for ((truth, detection), count) in &counts {
            for place in [truth, detection].into_iter().flatten() {
                if let Some((confused, all)) = weights.get_mut(*place) {
                    *confused += if truth == detection { 0 } else { *count };
                    *all += count;
                }
            }
        }
        let mut places: Vec<usize> = (0..weights.len()).filter(|place| weights[*place].1 > 0).collect();
        places.sort_by_key(|place| std::cmp::Reverse(weights[*place]));
        let more = places.len().saturating_sub(MOST);
        places.truncate(MOST);
        if places.is_empty() {
            return None;
        }
        let count = |truth, detection| counts.get(&(truth, detection)).copied().unwrap_or(0);
        let entries: Vec<Option<usize>> = places.into_iter().map(Some).chain([None]).collect();
        let most = |right: bool| {
            let pairs =
                entries.iter().flat_map(|truth| entries.iter().map(move |detection| (*truth, *detection)));
            let counts =
                pairs.filter(|(truth, detection)| (truth == detection) == right).map(|(t, d)| count(t, d));
            counts.max().unwrap_or(0).max(1) as f64
        };
        let (most_right, most_confused) = (most(true), most(false));
        let cell = |truth: Option<usize>, detection: Option<usize>| {
            let (count, right) = (count(truth, detection), truth == detection);
            let share = 100.0 * count as f64 / if right { most_right } else { most_confused };
            MatrixCell { count, share, right }
        };
        let name = |place: Option<usize>, none: &str| match place {
            Some(place) => named.categories.get(place).cloned().unwrap_or_default(),
            None => none.to_owned(),
        };
        let row = |truth: &Option<usize>| {
            (name(*truth, "(nothing)"), entries.iter().map(|detection| cell(*truth, *detection)).collect())
        };
        Some(Matrix {
            heads: entries.iter().map(|place| name(*place, "(missed)")).collect(),
            rows: entries.iter().map(row).collect(),
            more,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_confused_come_first() {
        let named: NamedErrors = serde_json::from_value(serde_json::json!({
            "iou": 0.5, "categories": ["a", "b", "c"], "best_f1": null, "best_f1_per_class": [null, null, null],
            "confusion": [
                {"truth": 0, "detection": 0, "count": 9}, {"truth": 1, "detection": 1, "count": 3},
                {"truth": 1, "detection": 0, "count": 2}, {"truth": 1, "detection": null, "count": 4},
                {"truth": null, "detection": 0, "count": 1}
            ],
            "missed": {"by_size": [], "by_crowding": [], "by_category": []},
            "calibration": {"bins": [], "ece": 0.0, "mce": 0.0}
        }))
        .unwrap();
        let matrix = Matrix::of(&named).unwrap();
        assert_eq!(matrix.heads, ["b", "a", "(missed)"]);
        let counts: Vec<Vec<u64>> =
            matrix.rows.iter().map(|(_, cells)| cells.iter().map(|cell| cell.count).collect()).collect();
        assert_eq!(counts, [[3, 2, 4], [0, 9, 0], [0, 1, 0]]);
        let shares: Vec<f64> = matrix.rows[0].1.iter().map(|cell| cell.share).collect();
        assert_eq!(shares, [100.0 / 3.0, 50.0, 100.0]);
        assert_eq!(matrix.more, 0);
    }
}
