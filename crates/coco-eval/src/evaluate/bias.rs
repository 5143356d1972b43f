//! How much too high AP is for having few images, estimated from halves of them.
//!
//! Interpolated precision is the largest of many noisy precisions, and so is too high, the more so the fewer objects a category
//! has. Where precision hardly falls with the score, that excess goes with one over the square root of the number of images; it
//! flattens where a category has a few only. With `f(n) = 1 / sqrt(n + 1.75)` for a category with objects in `n` images, the
//! bias is `a f(n)`, and a half of the images lies above all of them by `a (f(n / 2) - f(n))`. The factor `a` is fitted to all
//! categories at once. `examples/coverage.rs` measures what comes of it, and docs/evaluate.md has the table.

use super::interval::Bias;

/// What flattens the curve for the rarest categories.
const FLAT: f64 = 1.75;
/// Where the factor is as uncertain as this, half of it is taken.
const DOUBT: f64 = 0.1;

/// A category of which one number is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    /// Images, or clusters, with something to find.
    pub(super) units: usize,
    /// Mean of the number over the halves in which the category is, less the number; nothing where it is in none.
    pub(super) shift: Option<f64>,
}

fn shape(units: f64) -> f64 {
    1.0 / (units + FLAT).sqrt()
}

/// The bias of the mean over categories.
pub(super) fn estimate(categories: &[Shift]) -> Bias {
    let count = categories.len() as f64;
    let mean = categories.iter().map(|category| shape(category.units as f64)).sum::<f64>() / count;
    // Weighted least squares through 0; shifts of categories with more images are less noisy.
    let drawn = || {
        categories.iter().filter_map(|category| {
            let units = category.units as f64;
            let rise = shape(units / 2.0) - shape(units);
            Some((units * rise, rise, category.shift?))
        })
    };
    let weight: f64 = drawn().map(|(weight, rise, _)| weight * rise).sum();
    if weight <= 0.0 {
        return Bias::default();
    }
    let factor = drawn().map(|(weight, _, shift)| weight * shift).sum::<f64>() / weight;
    let residues: f64 = drawn().map(|(weight, rise, shift)| (weight * (shift - factor * rise)).powi(2)).sum();
    let error = (residues * count / (count - 1.0).max(1.0)).sqrt() / weight;
    let kept = DOUBT * DOUBT / (DOUBT * DOUBT + error * error);
    Bias { bias: kept * factor * mean, error: error * mean }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shifts that follow the curve exactly give the factor back, with no doubt.
    #[test]
    fn the_curves_own_shifts_give_its_bias() {
        let curve = |units: usize| {
            let n = units as f64;
            let shift = 0.09 * (1.0 / (n / 2.0 + 1.75).sqrt() - 1.0 / (n + 1.75).sqrt());
            Shift { units, shift: Some(shift) }
        };
        let bias = estimate(&[curve(2), curve(30), curve(500)]);
        let expected = 0.09 * (1.0 / 3.75f64.sqrt() + 1.0 / 31.75f64.sqrt() + 1.0 / 501.75f64.sqrt()) / 3.0;
        assert!((bias.bias - expected).abs() < 1e-12 && bias.error < 1e-12);
    }

    #[test]
    fn what_is_never_drawn_says_nothing() {
        assert_eq!(estimate(&[]), Bias::default());
        assert_eq!(estimate(&[Shift { units: 1, shift: None }]), Bias::default());
    }
}
