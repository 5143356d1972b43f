//! An interval in which a number of more such images lies, made of its values in many draws of the images at hand.
//!
//! Knows nothing of detections: it works on numbers alone.

/// How draws are made, and how an interval is made of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum IntervalKind {
    /// Half of the images, without replacement (Politis and Romano 1994): around the number less its estimated bias.
    #[default]
    Subsampling,
    /// As many images as there are, with replacement: the percentiles, mirrored at the number (Davison and Hinkley 1997, 5.6).
    Basic,
    /// The same draws: the percentiles themselves (Efron 1979). AP is biased upwards, and they lie above what they should hold.
    Percentile,
}

/// Where a number lies: 95 of 100 such intervals hold what very many such images would give.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Standard deviation of the number, with the uncertainty of the bias.
    pub deviation: f64,
    /// By how much the number is estimated to be too high for having few images; 0 of differences.
    #[cfg_attr(feature = "serde", serde(default))]
    pub bias: f64,
    /// Images that have something to find for the number.
    #[cfg_attr(feature = "serde", serde(default))]
    pub images: usize,
    /// Clusters that have something to find, where whole clusters are drawn.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub clusters: Option<usize>,
}

/// Fewer images, or clusters of them, than these give no interval: what is drawn from a few is hardly ever something else than
/// they are.
pub const LEAST_IMAGES: usize = 10;

/// Intervals that are narrower come from numbers that are the same in every draw, but for rounding.
const NO_WIDTH: f64 = 1e-9;

/// What is left out of the bias of a number, and how sure that is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bias {
    pub(super) bias: f64,
    /// Standard error of it.
    pub(super) error: f64,
}

/// What of a number is drawn: its value, its values in the draws in which it exists, its bias.
#[derive(Clone, Debug)]
pub(super) struct DrawnNumber {
    pub(super) value: f64,
    pub(super) values: Vec<f64>,
    pub(super) bias: Bias,
    pub(super) images: usize,
    pub(super) clusters: Option<usize>,
    /// A difference may be 0 in every draw, and has no ends at 0 and 1.
    pub(super) difference: bool,
}

impl DrawnNumber {
    /// The interval; -1 throughout where too few images have something to find, or all values are the same.
    pub(super) fn interval(mut self, method: IntervalKind) -> Interval {
        let units = self.clusters.unwrap_or(self.images);
        let none = Interval {
            low: -1.0,
            high: -1.0,
            deviation: -1.0,
            bias: 0.0,
            images: self.images,
            clusters: self.clusters,
        };
        if self.values.is_empty() || units < LEAST_IMAGES {
            return none;
        }
        self.values.sort_by(f64::total_cmp);
        let (first, last) = (self.values[0], self.values[self.values.len() - 1]);
        if last - first < NO_WIDTH && !(self.difference && first == 0.0 && last == 0.0) {
            return none;
        }
        let spread = deviation(&self.values);
        let percentiles = (quantile(&self.values, 0.025), quantile(&self.values, 0.975));
        let Bias { bias, error } =
            if method == IntervalKind::Subsampling { self.bias } else { Bias::default() };
        let deviation = spread.hypot(error);
        let (low, high) = match method {
            IntervalKind::Subsampling => {
                let reach = student(units - 1) * deviation;
                (self.value - bias - reach, self.value - bias + reach)
            }
            IntervalKind::Basic => (2.0 * self.value - percentiles.1, 2.0 * self.value - percentiles.0),
            IntervalKind::Percentile => percentiles,
        };
        let end = |value: f64| if self.difference { value } else { value.clamp(0.0, 1.0) };
        Interval { low: end(low), high: end(high), deviation, bias, ..none }
    }
}

impl Interval {
    /// Whether there is one.
    pub fn exists(&self) -> bool {
        self.deviation >= 0.0
    }

    /// Whether 0 lies outside.
    pub fn excludes_zero(&self) -> bool {
        self.exists() && (self.low > 0.0 || self.high < 0.0)
    }

    /// Why there is none.
    pub fn why_none(&self) -> String {
        let (units, thing) = match self.clusters {
            Some(clusters) => (clusters, "cluster"),
            None => (self.images, "image"),
        };
        match units {
            0 => "nothing to measure".into(),
            1 => format!("1 {thing} has any: too few for an interval"),
            few @ ..LEAST_IMAGES => format!("{few} {thing}s have any: too few for an interval"),
            _ => "the same in every draw, which says nothing of other images".into(),
        }
    }
}

/// The value below which a share of sorted values lies, between two of them in proportion.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let at = |place: f64| sorted.get(place as usize).copied().unwrap_or(f64::NAN);
    let (low, high) = (at(place.floor()), at(place.ceil()));
    low + (high - low) * place.fract()
}

/// Standard deviation of a sample.
pub(super) fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (squares / (count - 1.0).max(1.0)).sqrt()
}

/// Student's 97.5th percentile for some degrees of freedom: tabled up to 8, from there on by Peiser's expansion
/// (Abramowitz and Stegun 26.7.5), right to three decimals.
pub fn student(freedom: usize) -> f64 {
    const FEW: [f64; 8] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306];
    const Z: f64 = 1.959_963_984_540_054;
    if freedom == 0 {
        return f64::INFINITY;
    }
    if let Some(&value) = FEW.get(freedom - 1) {
        return value;
    }
    let n = freedom as f64;
    let first = (Z.powi(3) + Z) / 4.0;
    let second = (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / 96.0;
    let third = (3.0 * Z.powi(7) + 19.0 * Z.powi(5) + 17.0 * Z.powi(3) - 15.0 * Z) / 384.0;
    Z + first / n + second / (n * n) + third / (n * n * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(value: f64, values: &[f64], images: usize) -> DrawnNumber {
        let values = values.to_vec();
        DrawnNumber { value, values, bias: Bias::default(), images, clusters: None, difference: false }
    }

    #[test]
    fn bootstrap_intervals_are_percentiles_and_their_mirror() {
        let values: Vec<f64> = (0..=1000).map(|k| f64::from(k) / 1000.0).collect();
        let percentile = drawn(0.4, &values, 10).interval(IntervalKind::Percentile);
        assert_eq!((percentile.low, percentile.high), (0.025, 0.975));
        let basic = drawn(0.4, &values[200..=500], 10).interval(IntervalKind::Basic);
        assert!((basic.low - (0.8 - 0.4925)).abs() < 1e-12 && (basic.high - (0.8 - 0.2075)).abs() < 1e-12);
        assert!(percentile.exists() && !drawn(0.4, &[], 10).interval(IntervalKind::Basic).exists());
    }

    /// Of 11 images 10 degrees of freedom: 2.228 deviations to each side of the number less its bias.
    #[test]
    fn subsampling_is_centred_at_the_number_less_its_bias() {
        let mut half = drawn(0.5, &[0.4, 0.5, 0.6], 11);
        half.bias = Bias { bias: 0.02, error: 0.0 };
        let interval = half.interval(IntervalKind::Subsampling);
        assert!((interval.deviation - 0.1).abs() < 1e-12);
        assert!(
            (interval.low - (0.48 - 0.2228)).abs() < 1e-4 && (interval.high - (0.48 + 0.2228)).abs() < 1e-4
        );
    }

    #[test]
    fn few_images_and_equal_draws_give_no_interval() {
        let values = [0.25, 0.5, 0.75];
        let few = drawn(0.5, &values, 9).interval(IntervalKind::Subsampling);
        assert!(!few.exists() && few.why_none().starts_with("9 images have any"));
        let grouped =
            DrawnNumber { clusters: Some(1), ..drawn(0.5, &values, 90) }.interval(IntervalKind::Subsampling);
        assert!(!grouped.exists() && grouped.why_none().starts_with("1 cluster has any"));
        assert!(!drawn(0.5, &[0.5; 3], 100).interval(IntervalKind::Percentile).exists());
        let difference =
            |value: f64, images| DrawnNumber { difference: true, ..drawn(value, &[value; 3], images) };
        assert!(!difference(0.5, 100).interval(IntervalKind::Subsampling).exists());
        assert!(difference(0.0, 10).interval(IntervalKind::Subsampling).exists());
        assert!(!difference(0.0, 1).interval(IntervalKind::Subsampling).exists());
    }

    /// From the tables of the t distribution.
    #[test]
    fn students_percentiles_are_those_of_the_tables() {
        for (freedom, table) in [(1, 12.706), (8, 2.306), (9, 2.262), (12, 2.179), (30, 2.042), (120, 1.980)]
        {
            assert!((student(freedom) - table).abs() < 6e-4, "{freedom}: {}", student(freedom));
        }
    }
}
