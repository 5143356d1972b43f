//! Warnings about files that mean something else than they say, with the evidence: AP under the other reading.

use std::collections::HashSet;

use super::{Warning, WarningList, some};
use crate::coco::ResultDetection;
use crate::evaluate::quirk::Reading;
use crate::evaluate::rows_check::ResultsCheck;
use crate::evaluate::{Evaluation, Evaluator};

/// Detections from which on equal scores and rows that are there twice are no chance.
const LEAST: u64 = 10;

/// What tells two detections apart but their categories.
type DetectionKey = (u32, [u64; 5]);

fn key(row: &ResultDetection) -> DetectionKey {
    let [x, y, width, height] = row.bbox.map(f64::to_bits);
    (row.image, [x, y, width, height, row.score.to_bits()])
}

impl Evaluator {
    pub(super) fn about_mistakes(
        &self,
        list: &mut WarningList,
        check: &ResultsCheck,
        evaluation: &Evaluation,
        reading: Reading,
    ) {
        self.about_twice(list, check, evaluation, reading);
        let (low, high) = check.scores;
        if low == high && check.count >= LEAST {
            let message = format!(
                "all {} have the score {low}: AP then depends on the order of the file, as nothing says which of them are the surest: write the model's own scores",
                some(check.count, "detection")
            );
            list.say("scores_equal", message);
        }
        // Corners may be told in another order.
        let (shares, corners) = (list.has("box_normalised"), list.has("box_corners"));
        if list.has(super::results::FILES_DIFFER) {
            return;
        }
        let misread = self.misread(evaluation, reading, !shares);
        if let Some(misread) = misread.filter(|misread| !(corners && misread.kind == "box_corners")) {
            if misread.kind == "box_corners_rows_first" {
                list.warnings.retain(|warning| warning.kind != "box_corners");
            }
            list.warnings.push(Warning::new(misread.kind, misread.what));
            list.last_is_without(
                evaluation,
                Some(&misread.evaluation),
                "read so",
                &format!(": {}", misread.cure),
            );
            list.told_why = true;
        }
    }

    /// Results that the file lists more than once, as where a file is joined with itself.
    fn about_twice(
        &self,
        list: &mut WarningList,
        check: &ResultsCheck,
        evaluation: &Evaluation,
        reading: Reading,
    ) {
        let mut met = HashSet::new();
        let again = check.few.iter().filter(|row| !met.insert(key(row))).count();
        if (again as u64) < LEAST / 2 || 10 * again < check.few.len() {
            return;
        }
        let mut met: HashSet<(usize, DetectionKey)> = HashSet::with_capacity(self.detections.rows.len());
        let once =
            self.detections.changed(|group, row| met.insert((group, key(row))).then_some((group, *row)));
        let twice = (self.detections.rows.len() - once.rows.len()) as u64;
        if 10 * twice < self.detections.rows.len() as u64 {
            return;
        }
        let rest = "that an earlier one repeats to the last digit, each of which counts as wrong";
        list.count("results_twice", twice, "detection", rest);
        let other = self.evaluate_detections(&once, reading, false).ok();
        list.last_is_without(evaluation, other.as_ref(), "with each once", ": list every result once");
    }
}
