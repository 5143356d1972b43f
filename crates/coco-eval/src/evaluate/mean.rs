//! numpy's mean: a pairwise sum, whose order of addition shows in the last digit.

/// The mean of the values above -1; -1 if there are none.
pub(super) fn mean_of_valid(values: impl Iterator<Item = f64>) -> f64 {
    let valid: Vec<f64> = values.filter(|&value| value > -1.0).collect();
    if valid.is_empty() { -1.0 } else { pairwise(&valid) / valid.len() as f64 }
}

/// numpy's order of addition for a contiguous run of doubles.
pub(crate) fn pairwise(values: &[f64]) -> f64 {
    if values.len() < 8 {
        return values.iter().fold(-0.0, |sum, value| sum + value);
    }
    if values.len() <= 128 {
        let mut lanes = [0.0; 8];
        lanes.copy_from_slice(&values[..8]);
        let blocks = values[8..].chunks_exact(8);
        let rest = blocks.remainder();
        for block in blocks {
            for (lane, value) in lanes.iter_mut().zip(block) {
                *lane += value;
            }
        }
        let [a, b, c, d, e, f, g, h] = lanes;
        let sum = ((a + b) + (c + d)) + ((e + f) + (g + h));
        return rest.iter().fold(sum, |sum, value| sum + value);
    }
    let half = values.len() / 2;
    let (front, back) = values.split_at(half - half % 8);
    pairwise(front) + pairwise(back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_the_mean_of_equal_values_depends_on_the_order() {
        let value = 0.9999999999999998;
        assert_eq!(mean_of_valid(std::iter::repeat_n(value, 1010)), value);
        assert_eq!(mean_of_valid(std::iter::repeat_n(value, 101)), 0.9999999999999999);
        assert_eq!(mean_of_valid([-1.0].into_iter()), -1.0);
    }
}
