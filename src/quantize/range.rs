//! From the distribution of a tensor's values to the range that 0 … 255 shall cover. Knows no graph.

use std::fmt;
use std::str::FromStr;

use super::histogram::{Histogram, HistogramBin};

/// How a range is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// From the smallest value to the largest.
    MinMax,
    /// The same without the outermost values on each side.
    Percentile,
    /// The range whose distribution of numbers tells most of that of the values: the least Kullback-Leibler divergence
    /// (Migacz, "8-bit inference with TensorRT", 2017).
    Entropy,
    /// The range with the least mean square error of rounding and of cutting off together.
    #[default]
    Mse,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::MinMax => "min-max",
            Method::Percentile => "percentile",
            Method::Entropy => "entropy",
            Method::Mse => "mse",
        })
    }
}

/// No method of this name chooses ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("known are min-max, percentile, entropy and mse")]
pub struct UnknownMethod;

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Method, UnknownMethod> {
        let known = [Method::MinMax, Method::Percentile, Method::Entropy, Method::Mse];
        let found = known.into_iter().find(|method| method.to_string() == text);
        found.ok_or(UnknownMethod)
    }
}

/// The range for a distribution. `percentile` is the share of values, in percent, that [`Method::Percentile`] covers.
pub(super) fn range(histogram: &Histogram, method: Method, percentile: f64) -> (f32, f32) {
    match method {
        Method::MinMax => histogram.range(),
        Method::Percentile => by_percentile(histogram, percentile),
        Method::Entropy => by_entropy(histogram),
        Method::Mse => by_mse(histogram),
    }
}

/// Half of what is left out on each side; a bin that is only partly left out stays.
fn by_percentile(histogram: &Histogram, percentile: f64) -> (f32, f32) {
    let beyond = histogram.count() as f64 * (1.0 - percentile / 100.0) / 2.0;
    let end = |bins: &mut dyn Iterator<Item = HistogramBin>| {
        let mut passed = 0.0;
        for bin in bins {
            passed += bin.count as f64;
            if passed > beyond {
                return bin.middle as f32;
            }
        }
        0.0
    };
    // The values at 0 are between both sides: whoever passes 0 ends there.
    let low = end(&mut histogram.bins().take_while(|bin| bin.middle < 0.0));
    let high = end(&mut histogram.bins().rev().take_while(|bin| bin.middle > 0.0));
    (low, high)
}

/// Steps of the search for an end of the range.
const STEPS: usize = 128;

/// Sums over the bins up to each of them, for errors of whole stretches at once.
struct PrefixSums {
    bins: Vec<HistogramBin>,
    /// Of count, count x middle, count x middle^2.
    sums: Vec<[f64; 3]>,
}

impl PrefixSums {
    fn new(histogram: &Histogram) -> PrefixSums {
        let bins: Vec<HistogramBin> = histogram.bins().collect();
        let mut sums = vec![[0.0; 3]];
        let mut total = [0.0; 3];
        for bin in &bins {
            let count = bin.count as f64;
            total =
                [total[0] + count, total[1] + count * bin.middle, total[2] + count * bin.middle * bin.middle];
            sums.push(total);
        }
        PrefixSums { bins, sums }
    }

    /// Sum of square errors: a cut-off value's distance from the end, and a twelfth of the squared step for each of
    /// the others, the variance of a uniform error. Values at 0 have no error.
    fn error(&self, low: f64, high: f64) -> f64 {
        let step = (high - low) / 255.0;
        let first = self.bins.partition_point(|bin| bin.middle < low);
        let last = self.bins.partition_point(|bin| bin.middle <= high);
        let all = self.sums.last().copied().unwrap_or_default();
        let cut = |[count, sum, square]: [f64; 3], end: f64| square - 2.0 * end * sum + end * end * count;
        let above = std::array::from_fn(|i| all[i] - self.sums[last][i]);
        let inside = self.sums[last][0] - self.sums[first][0];
        inside * step * step / 12.0 + cut(self.sums[first], low).max(0.0) + cut(above, high).max(0.0)
    }
}

fn by_mse(histogram: &Histogram) -> (f32, f32) {
    let (least, most) = histogram.range();
    let sums = PrefixSums::new(histogram);
    let part = |end: f32, step: usize| f64::from(end) * step as f64 / STEPS as f64;
    let mut best = (f64::INFINITY, (least, most));
    let lows = if least < 0.0 { 1..=STEPS } else { STEPS..=STEPS };
    let highs = if most > 0.0 { 1..=STEPS } else { STEPS..=STEPS };
    for low in lows.rev() {
        for high in highs.clone().rev() {
            let (low, high) = (part(least, low), part(most, high));
            let error = sums.error(low, high);
            if error < best.0 {
                best = (error, (low as f32, high as f32));
            }
        }
    }
    best.1
}

/// Shrinks both ends alike; below a quarter of the range a number would stand for too few bins to tell a difference.
fn by_entropy(histogram: &Histogram) -> (f32, f32) {
    let (least, most) = histogram.range();
    let bins: Vec<HistogramBin> = histogram.bins().collect();
    let mut best = (f64::INFINITY, (least, most));
    for step in (STEPS / 4..=STEPS).rev() {
        let part = step as f64 / STEPS as f64;
        let (low, high) = (f64::from(least) * part, f64::from(most) * part);
        let divergence = divergence(&bins, low, high);
        if divergence < best.0 {
            best = (divergence, (low as f32, high as f32));
        }
    }
    best.1
}

/// Kullback-Leibler divergence from the values, those cut off counted into the outermost bins, to what is left of
/// them when the bins of one number share their count equally.
fn divergence(bins: &[HistogramBin], low: f64, high: f64) -> f64 {
    let first = bins.partition_point(|bin| bin.middle < low);
    let last = bins.partition_point(|bin| bin.middle <= high);
    let inside = &bins[first..last];
    let total: f64 = bins.iter().map(|bin| bin.count as f64).sum();
    let kept: f64 = inside.iter().map(|bin| bin.count as f64).sum();
    if kept == 0.0 {
        return f64::INFINITY;
    }
    let step = (high - low) / 255.0;
    let number = |bin: &HistogramBin| ((bin.middle - low) / step).round_ties_even() as usize;
    let outside = |bins: &[HistogramBin]| bins.iter().map(|bin| bin.count as f64).sum::<f64>();
    let (below, above) = (outside(&bins[..first]), outside(&bins[last..]));
    let mut sum = 0.0;
    let mut place = 0;
    for group in inside.chunk_by(|a, b| number(a) == number(b)) {
        let shared = group.iter().map(|bin| bin.count as f64).sum::<f64>() / group.len() as f64 / kept;
        for bin in group {
            let mut count = bin.count as f64;
            count += if place == 0 { below } else { 0.0 };
            count += if place + 1 == inside.len() { above } else { 0.0 };
            let share = count / total;
            sum += share * (share / shared).ln();
            place += 1;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f32>) -> Histogram {
        let mut histogram = Histogram::default();
        histogram.add(&values.into_iter().collect::<Vec<_>>()).unwrap();
        histogram
    }

    /// 1/1000 … 1, a thousand times, and one value far away.
    fn outlier(far: f32) -> Histogram {
        let mut histogram = of([far]);
        for _ in 0..1000 {
            histogram.add(&(1..=1000).map(|i| i as f32 / 1000.0).collect::<Vec<_>>()).unwrap();
        }
        histogram
    }

    #[test]
    fn min_max_is_what_it_says() {
        assert_eq!(range(&of([-2.0, 5.0, 0.5]), Method::MinMax, 99.0), (-2.0, 5.0));
        // 0 belongs to it.
        assert_eq!(range(&of([2.0, 5.0]), Method::MinMax, 99.0), (0.0, 5.0));
    }

    #[test]
    fn percentiles_by_hand() {
        // -100 … 100 without 0, and as many zeros: of 400 values, 2 % are 8, 4 on each side.
        let histogram =
            of((-100..=100).filter(|i| *i != 0).map(|i| i as f32).chain(std::iter::repeat_n(0.0, 200)));
        let (low, high) = range(&histogram, Method::Percentile, 98.0);
        assert!((low + 96.0).abs() < 0.1 && (high - 96.0).abs() < 0.1, "{low} {high}");
        // More zeros than are kept: nothing but them.
        assert_eq!(range(&histogram, Method::Percentile, 40.0), (0.0, 0.0));
        // Below 128 a bin is 2^-5 wide, and the lowest one's middle is half of that above its end.
        assert_eq!(range(&histogram, Method::Percentile, 100.0).0, -100.0 + 1.0 / 64.0);
    }

    #[test]
    fn the_error_of_a_range_by_hand() {
        // Middles of two bins: 0.5 is inside, 4 is cut off at 2.55, whose step is 0.01.
        let sums = PrefixSums {
            bins: vec![HistogramBin { middle: 0.5, count: 3 }, HistogramBin { middle: 4.0, count: 2 }],
            sums: vec![[0.0; 3], [3.0, 1.5, 0.75], [5.0, 9.5, 32.75]],
        };
        let by_hand = 3.0 * 1e-4 / 12.0 + 2.0 * 1.45 * 1.45;
        assert!((sums.error(0.0, 2.55) - by_hand).abs() < 1e-12);
    }

    #[test]
    fn one_far_value_does_not_cost_all_others_their_steps() {
        // A million values below 1 and one at 16. The error is 1e6 (high / 255)^2 / 12 + (16 - high)^2, whose
        // derivative is 0 at high = 16 / (1 + 1e6 / (12 * 255^2)) = 7.01.
        let (low, high) = range(&outlier(16.0), Method::Mse, 0.0);
        assert_eq!(low, 0.0);
        assert!((high - 7.01).abs() <= 16.0 / 128.0, "{high}");
        // Entropy cares for shares, not for distances: the least that it may take.
        let (low, high) = range(&outlier(4.0), Method::Entropy, 0.0);
        assert_eq!(low, 0.0);
        assert!((1.0..1.1).contains(&high), "{high}");
    }

    #[test]
    fn nothing_is_cut_off_where_all_is_equally_often() {
        let even = of((-1000..=1000).map(|i| i as f32 / 100.0));
        for method in [Method::Mse, Method::Entropy] {
            let (low, high) = range(&even, method, 0.0);
            assert!(low <= -9.8 && high >= 9.8, "{method}: {low} {high}");
        }
    }

    #[test]
    fn a_divergence_by_hand() {
        // Two bins of one number share (3 + 1) / 2 each; nothing is cut off.
        let bins = [HistogramBin { middle: 0.1, count: 3 }, HistogramBin { middle: 0.2, count: 1 }];
        let by_hand = 0.75 * (0.75f64 / 0.5).ln() + 0.25 * (0.25f64 / 0.5).ln();
        assert!((divergence(&bins, 0.0, 255.0) - by_hand).abs() < 1e-12);
        // Numbers of their own tell all.
        assert!(divergence(&bins, 0.0, 0.255).abs() < 1e-12);
        // The second is cut off and counts into the first, which is all there is.
        assert!(divergence(&bins, 0.0, 0.15).abs() < 1e-12);
    }

    #[test]
    fn constant_and_empty_tensors_have_ranges() {
        for method in [Method::MinMax, Method::Percentile, Method::Entropy, Method::Mse] {
            assert_eq!(range(&Histogram::default(), method, 99.9), (0.0, 0.0));
            assert_eq!(range(&of([0.0; 9]), method, 99.9), (0.0, 0.0));
            let (low, high) = range(&of([-3.0; 9]), method, 99.9);
            assert!((-3.0..-2.9).contains(&low) && high == 0.0, "{method}: {low} {high}");
        }
    }

    #[test]
    fn methods_read_back_as_they_are_shown() {
        for method in [Method::MinMax, Method::Percentile, Method::Entropy, Method::Mse] {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        assert!("kl".parse::<Method>().is_err());
    }
}
