//! The distribution of a tensor's values over many photos, in fixed memory. Knows no graph.
//!
//! Bins lie between a power of two and its negative; where a larger value comes, neighbours are joined until it fits.
//! As all edges are multiples of a power of two, the outcome does not depend on the order of the values.

/// Bins on each side of 0.
const HALF: usize = 4096;

/// Values beyond 0 below this power of two go into the bins beside 0.
const SMALLEST: i32 = -100;

/// How often values occurred.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Histogram {
    bins: Vec<u64>,
    /// Values lie between -2^exponent and 2^exponent.
    exponent: i32,
    zeros: u64,
    low: f32,
    high: f32,
}

/// One bin: its middle, and how many values it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct HistogramBin {
    /// The middle, or the nearest value that occurred where that lies beyond all of them.
    pub(super) middle: f64,
    /// Values, without those that are exactly 0.
    pub(super) count: u64,
}

/// A value that is infinite or no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotFinite;

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { bins: vec![0; 2 * HALF], exponent: SMALLEST, zeros: 0, low: 0.0, high: 0.0 }
    }
}

impl Histogram {
    /// Adds values.
    ///
    /// # Errors
    /// When one of them is not finite.
    pub(super) fn add(&mut self, values: &[f32]) -> Result<(), NotFinite> {
        let (mut low, mut high, mut finite) = (self.low, self.high, true);
        for &value in values {
            (low, high) = (low.min(value), high.max(value));
            finite &= value.is_finite();
        }
        if !finite {
            return Err(NotFinite);
        }
        (self.low, self.high) = (low, high);
        self.grow(exponent_above(high.max(-low)));
        // A power of two: the product is exact.
        let per_unit = (HALF as f64) * (-f64::from(self.exponent)).exp2();
        for &value in values {
            if value == 0.0 {
                self.zeros += 1;
            } else {
                let place = (f64::from(value) * per_unit).floor() as i64 + HALF as i64;
                self.bins[place.clamp(0, 2 * HALF as i64 - 1) as usize] += 1;
            }
        }
        Ok(())
    }

    /// Joins neighbouring bins until values below 2^exponent fit.
    fn grow(&mut self, exponent: i32) {
        if exponent <= self.exponent {
            return;
        }
        // More than 13 doublings leave nothing but the bins beside 0.
        let doublings = (exponent - self.exponent).min(14);
        let mut bins = vec![0; 2 * HALF];
        for (place, count) in self.bins.iter().enumerate() {
            let from_zero = (place as i64 - HALF as i64) >> doublings;
            bins[(from_zero + HALF as i64) as usize] += count;
        }
        (self.bins, self.exponent) = (bins, exponent);
    }

    /// The smallest and the largest value; 0 is always between them.
    pub(super) fn range(&self) -> (f32, f32) {
        (self.low, self.high)
    }

    /// Whether any value was added.
    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How many values were added.
    pub(super) fn count(&self) -> u64 {
        self.zeros + self.bins.iter().sum::<u64>()
    }

    /// The bins that hold values, by rising value.
    pub(super) fn bins(&self) -> impl DoubleEndedIterator<Item = HistogramBin> + '_ {
        let width = f64::from(self.exponent).exp2() / HALF as f64;
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        let filled = self.bins.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(move |(place, &count)| {
            let middle = (place as f64 - HALF as f64 + 0.5) * width;
            HistogramBin { middle: middle.clamp(low, high), count }
        })
    }
}

/// The smallest exponent whose power of two is above a value that is not negative.
fn exponent_above(value: f32) -> i32 {
    let exponent = (value.to_bits() >> 23) as i32 - 126;
    exponent.max(SMALLEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents() {
        assert_eq!([0.5, 0.75, 1.0, 1.5, 2.0, 1023.0, 1024.0].map(exponent_above), [0, 0, 1, 1, 2, 10, 11]);
        assert_eq!([0.0, 1e-45, 1e-38].map(exponent_above), [SMALLEST; 3]);
        assert_eq!(exponent_above(f32::MAX), 128);
    }

    #[test]
    fn bins_hold_what_was_added() {
        let mut histogram = Histogram::default();
        // Below 4 a bin is 2^-10 wide.
        histogram.add(&[3.0, 3.0, -1.0, 0.0, 0.0005]).unwrap();
        assert_eq!((histogram.count(), histogram.zeros, histogram.range()), (5, 1, (-1.0, 3.0)));
        let bins: Vec<(f64, u64)> = histogram.bins().map(|bin| (bin.middle, bin.count)).collect();
        let half = 1.0 / 2048.0;
        // The last bin's middle would be beyond the largest value.
        assert_eq!(bins, [(-1.0 + half, 1), (half, 1), (3.0, 2)]);
    }

    #[test]
    fn the_order_does_not_show() {
        let values: Vec<f32> = (0..4000).map(|i| ((i * 37 % 4001) as f32 - 1500.0).powi(3) * 1e-7).collect();
        let mut whole = Histogram::default();
        whole.add(&values).unwrap();
        let mut parts = Histogram::default();
        for part in values.chunks(7).rev() {
            parts.add(part).unwrap();
        }
        assert_eq!(whole, parts);
        // From the smallest to the largest numbers that float32 has.
        let mut far = Histogram::default();
        far.add(&[1e-38, -1e-38]).unwrap();
        far.add(&[f32::MAX]).unwrap();
        assert_eq!(far.count(), 3);
    }

    #[test]
    fn what_is_no_number_is_told() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.add(&[1.0, f32::NAN]), Err(NotFinite));
        assert_eq!(histogram.add(&[f32::NEG_INFINITY]), Err(NotFinite));
        assert!(histogram.is_empty());
    }
}
