//! Several trainings of one model, which differ in their seeds: how much of a difference is chance of training.

use coco_eval::{Interval, student};
use serde::Serialize;

/// AP of each training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trainings {
    /// AP of each, in the order given.
    pub ap: Vec<f64>,
    /// Standard deviation between them.
    pub deviation: f64,
}

impl Trainings {
    /// Of at least two trainings.
    pub(super) fn of(aps: &[f64]) -> Option<Trainings> {
        let freedom = aps.len().checked_sub(1).filter(|freedom| *freedom > 0)?;
        Some(Trainings { ap: aps.to_vec(), deviation: (squares(aps) / freedom as f64).sqrt() })
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn squares(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean) * (value - mean)).sum()
}

/// Where the mean of other trainings less that of the first lies in 95 of 100 sets of trainings: Student's interval, with one
/// variance for both. Nothing where each is trained once.
pub(super) fn between(first: &[f64], other: &[f64]) -> Option<Interval> {
    let (count, rival) = (first.len(), other.len());
    let freedom = (count + rival).checked_sub(2).filter(|freedom| *freedom > 0 && count > 0 && rival > 0)?;
    let variance = (squares(first) + squares(other)) / freedom as f64;
    let deviation = (variance * (1.0 / count as f64 + 1.0 / rival as f64)).sqrt();
    let (gain, reach) = (mean(other) - mean(first), student(freedom) * deviation);
    Some(Interval { low: gain - reach, high: gain + reach, deviation, ..Interval::default() })
}

/// Where a difference lies when both the trainings and the photos are others: the two chances are independent, and so the
/// squares of what the intervals reach are added.
pub(super) fn together(gain: f64, trainings: &Interval, photos: &Interval) -> Interval {
    let reach = |interval: &Interval| (interval.high - interval.low) / 2.0;
    let whole = reach(trainings).hypot(reach(photos));
    let deviation = trainings.deviation.hypot(photos.deviation);
    Interval { low: gain - whole, high: gain + whole, deviation, ..*photos }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: deviations of 0.01 and 0.02 with two each are 0.0158 together, over two trainings each 0.0158 again; Student's
    /// 4.303 for two degrees of freedom.
    #[test]
    fn trainings_vary_by_students_interval() {
        let (a, b) = ([0.40, 0.40 + 0.02f64.sqrt() * 0.1], [0.50, 0.50 + 0.08f64.sqrt() * 0.1]);
        let interval = between(&a, &b).unwrap();
        let gain = 0.1 + (0.08f64.sqrt() - 0.02f64.sqrt()) * 0.05;
        let deviation = (0.01f64.powi(2) / 2.0 + 0.02f64.powi(2) / 2.0).sqrt();
        assert!((interval.deviation - deviation).abs() < 1e-9, "{interval:?}");
        assert!((interval.low - (gain - 4.303 * deviation)).abs() < 1e-9);
        assert!(between(&[0.4], &[0.5]).is_none() && between(&[0.4, 0.5], &[0.5]).is_some());
        assert!(Trainings::of(&[0.4]).is_none());
        assert!((Trainings::of(&a).unwrap().deviation - 0.01).abs() < 1e-9);
    }

    #[test]
    fn both_chances_are_wider_than_either() {
        let part = |low: f64, high: f64| Interval { low, high, deviation: 0.01, ..Interval::default() };
        let whole = together(0.05, &part(0.02, 0.08), &part(0.01, 0.09));
        assert!((whole.low - 0.0).abs() < 1e-12 && (whole.high - 0.1).abs() < 1e-12);
    }
}
