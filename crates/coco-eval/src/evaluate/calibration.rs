//! Whether a score of 0.8 means that 80 of 100 such detections are right: expected calibration error and its bins.

use super::analysis::Verdicts;
use super::params::linspace;

/// Which end of its range belongs to a bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Closed {
    /// The upper end, and 0 is in the first bin (Guo et al. 2017).
    #[default]
    Above,
    /// The lower end, and 1 is in the last bin (netcal).
    Below,
}

/// Detections whose scores lie near each other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CalibrationBin {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How many.
    pub count: u64,
    /// Their mean score.
    pub confidence: f64,
    /// The share of them that is right.
    pub accuracy: f64,
}

/// How far scores are from shares.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Calibration {
    /// Expected calibration error: the mean distance between score and share over the bins, by their counts.
    pub ece: f64,
    /// The largest distance in any bin.
    pub mce: f64,
    /// The bins from low to high.
    pub bins: Vec<CalibrationBin>,
}

/// Bins of equal width over 0 to 1; scores outside count in the first or the last. NaN is left out.
pub(super) fn calibration(categories: &[Verdicts], bins: usize, closed: Closed) -> Calibration {
    let edges = linspace(0.0, 1.0, bins + 1);
    let inner = &edges[1..bins];
    let mut sums = vec![(0u64, 0.0, 0u64); bins];
    for judged in
        categories.iter().flat_map(|verdicts| &verdicts.judged).filter(|judged| !judged.score.is_nan())
    {
        let place = match closed {
            Closed::Above => inner.partition_point(|edge| *edge < judged.score),
            Closed::Below => inner.partition_point(|edge| *edge <= judged.score),
        };
        let sum = &mut sums[place];
        *sum = (sum.0 + 1, sum.1 + judged.score, sum.2 + u64::from(judged.right));
    }
    let bins: Vec<CalibrationBin> = sums
        .into_iter()
        .enumerate()
        .map(|(place, (count, scores, right))| CalibrationBin {
            low: edges[place],
            high: edges[place + 1],
            count,
            confidence: if count == 0 { 0.0 } else { scores / count as f64 },
            accuracy: if count == 0 { 0.0 } else { right as f64 / count as f64 },
        })
        .collect();
    let all = bins.iter().map(|bin| bin.count).sum::<u64>().max(1) as f64;
    let gap = |bin: &CalibrationBin| (bin.confidence - bin.accuracy).abs();
    Calibration {
        ece: bins.iter().map(|bin| gap(bin) * bin.count as f64 / all).sum(),
        mce: bins.iter().map(gap).fold(0.0, f64::max),
        bins,
    }
}

#[cfg(test)]
mod tests {
    use super::super::analysis::JudgedDetection;
    use super::*;

    #[test]
    fn ece_is_the_mean_gap() {
        let judged = |score, right| JudgedDetection { score, row: 0, image: 0, right };
        let verdicts = Verdicts {
            judged: vec![judged(1.0, true), judged(0.95, false), judged(0.05, false), judged(0.0, false)],
            ..Verdicts::default()
        };
        let calibration = calibration(&[verdicts], 10, Closed::Above);
        assert_eq!(calibration.bins[9].count, 2);
        assert_eq!(calibration.bins[0].count, 2);
        assert!((calibration.ece - (0.475 + 0.025) / 2.0).abs() < 1e-12);
        assert!((calibration.mce - 0.475).abs() < 1e-12);
    }
}
