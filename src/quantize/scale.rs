//! The arithmetic of whole numbers for values, as ONNX's QuantizeLinear and DequantizeLinear define it. Knows no graph.
//!
//! `q = saturate(round(x / scale) + zero_point)`, rounded half to even; back: `(q - zero_point) * scale`.

/// Largest number that a bias may take: half of what int32 holds, so that the sum it is added to has room.
const LARGEST_BIAS: f64 = (1u32 << 30) as f64;

/// How a tensor's values map to 0 … 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Affine {
    /// Distance of two neighbouring values.
    pub(super) scale: f32,
    /// The number that stands for 0.
    pub(super) zero_point: u8,
}

impl Affine {
    /// For values from `low` to `high`; 0 is always among them, as it must be exact for padding and ReLU.
    pub(super) fn of_range(low: f32, high: f32) -> Affine {
        let (low, high) = (f64::from(low.min(0.0)), f64::from(high.max(0.0)));
        let scale = ((high - low) / 255.0) as f32;
        if !scale.is_normal() {
            // All is 0, or too small to tell.
            return Affine { scale: 1.0, zero_point: 0 };
        }
        let zero_point = (-low / f64::from(scale)).round_ties_even().clamp(0.0, 255.0) as u8;
        Affine { scale, zero_point }
    }
}

/// A layer's weight as int8, with a scale for each output; their zero points are 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weights8 {
    /// Row-major, outputs first.
    pub(super) values: Vec<i8>,
    /// One an output.
    pub(super) scales: Vec<f32>,
}

/// The scales of a weight's outputs: its largest value becomes `largest` (127, or 63 for 7 bits).
///
/// `weight` is row-major with as many rows as `bias` has values. `input_scale` is the smallest scale of the layer's
/// inputs: where a bias is so much larger than its row that int32 could not hold it, the row's scale is raised.
pub(super) fn weight_scales(weight: &[f32], bias: &[f32], largest: i8, input_scale: f32) -> Vec<f32> {
    let row = weight.len() / bias.len().max(1);
    let scale = |(row, bias): (&[f32], &f32)| {
        let most = row.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let needed = f64::from(bias.abs()) / (f64::from(input_scale) * LARGEST_BIAS);
        let scale = (f64::from(most) / f64::from(largest)).max(needed) as f32;
        if scale.is_normal() { scale } else { 1.0 }
    };
    weight.chunks_exact(row.max(1)).zip(bias).map(scale).collect()
}

/// A weight as int8 with the scales given, saturating at `largest` on both sides.
pub(super) fn weights(weight: &[f32], scales: Vec<f32>, largest: i8) -> Weights8 {
    let row = weight.len() / scales.len().max(1);
    let bound = f32::from(largest);
    let rows = weight.chunks_exact(row.max(1)).zip(&scales);
    let values = rows
        .flat_map(|(row, scale)| {
            row.iter().map(move |value| (value / scale).round_ties_even().clamp(-bound, bound) as i8)
        })
        .collect();
    Weights8 { values, scales }
}

/// A bias as int32, and the scales of its values: the input's times the weight's, the unit of the sums of products.
pub(super) fn bias(bias: &[f32], input_scale: f32, weight_scales: &[f32]) -> (Vec<i32>, Vec<f32>) {
    let scales: Vec<f32> = weight_scales.iter().map(|scale| input_scale * scale).collect();
    // From float to int, `as` saturates.
    let number =
        |(bias, scale): (&f32, &f32)| (f64::from(*bias) / f64::from(*scale)).round_ties_even() as i32;
    (bias.iter().zip(&scales).map(number).collect(), scales)
}

/// What the operators do, for a value and for a number.
#[cfg(test)]
impl Affine {
    pub(super) fn quantize(self, value: f32) -> u8 {
        let number = (value / self.scale).round_ties_even() + f32::from(self.zero_point);
        number.clamp(0.0, 255.0) as u8
    }

    pub(super) fn dequantize(self, number: u8) -> f32 {
        f32::from(i16::from(number) - i16::from(self.zero_point)) * self.scale
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_by_hand() {
        // After a ReLU: 255 steps of 0.1 from 0.
        assert_eq!(Affine::of_range(0.0, 25.5), Affine { scale: 0.1, zero_point: 0 });
        // 255 steps of 2 from -100: 0 is number 50.
        assert_eq!(Affine::of_range(-100.0, 410.0), Affine { scale: 2.0, zero_point: 50 });
        // A tie at 127.5 goes to the even 128.
        assert_eq!(Affine::of_range(-255.0, 255.0), Affine { scale: 2.0, zero_point: 128 });
        // 0 is part of every range.
        assert_eq!(Affine::of_range(51.0, 102.0), Affine { scale: 0.4, zero_point: 0 });
        assert_eq!(Affine::of_range(-51.0, -5.0), Affine { scale: 0.2, zero_point: 255 });
        assert_eq!(Affine::of_range(0.0, 0.0), Affine { scale: 1.0, zero_point: 0 });
    }

    #[test]
    fn halves_go_to_even_and_the_ends_hold() {
        let affine = Affine { scale: 0.5, zero_point: 10 };
        // 0.25 / 0.5 = 0.5 goes to 0, 0.75 / 0.5 = 1.5 to 2, -0.25 / 0.5 to 0, -0.75 / 0.5 to -2.
        let numbers = [0.25, 0.75, 1.25, -0.25, -0.75, 200.0, -200.0].map(|value| affine.quantize(value));
        assert_eq!(numbers, [10, 12, 12, 10, 8, 255, 0]);
        assert_eq!(affine.dequantize(0), -5.0);
        assert_eq!(affine.dequantize(255), 122.5);
    }

    #[test]
    fn each_output_has_a_scale_of_its_own() {
        let weight = [1.27, -0.635, 0.0, 12.7];
        let scales = weight_scales(&weight, &[0.0, 0.0], 127, 1.0);
        assert_eq!(scales, [0.01, 0.1]);
        // -0.635 / 0.01 is a hair off -63.5 in float32; half to even would be -64 as well.
        assert_eq!(weights(&weight, scales, 127).values, [127, -64, 0, 127]);
        // With 7 bits the largest is 63.
        let scales = weight_scales(&[0.63, -0.31], &[0.0], 63, 1.0);
        assert_eq!(weights(&[0.63, -0.31], scales, 63).values, [63, -31]);
        // A row of zeros has no scale of its own.
        assert_eq!(weight_scales(&[0.0, 0.0], &[0.0], 127, 1.0), [1.0]);
    }

    #[test]
    fn a_bias_counts_in_products_of_both_scales() {
        let (numbers, scales) = bias(&[3.0, -0.75], 0.5, &[0.25, 1.0]);
        assert_eq!(scales, [0.125, 0.5]);
        // 3 / 0.125 = 24; -0.75 / 0.5 = -1.5 goes to -2.
        assert_eq!(numbers, [24, -2]);
    }

    #[test]
    fn a_bias_beyond_int32_raises_the_scale() {
        // Without help 2^40 / (2^-10 * 2^-10) would need 60 bits.
        let (tiny, large) = (127.0 * 2.0f32.powi(-10), 2.0f32.powi(40));
        let scales = weight_scales(&[tiny], &[large], 127, 2.0f32.powi(-10));
        assert_eq!(scales, [2.0f32.powi(40 + 10 - 30)]);
        assert_eq!(bias(&[large], 2.0f32.powi(-10), &scales).0, [1 << 30]);
    }

    proptest! {
        /// Inside the range an error is at most half a step, with room for the rounding of the zero point and of
        /// float32 itself; outside, values end at the range's ends.
        #[test]
        fn there_and_back(low in -1e6f32..0.0, high in 0.0f32..1e6, part in 0.0f32..=1.0) {
            let affine = Affine::of_range(low, high);
            let value = low + (high - low) * part;
            let back = affine.dequantize(affine.quantize(value));
            prop_assert!((back - value).abs() <= affine.scale * 1.001);
            if low == 0.0 {
                prop_assert!((back - value).abs() <= affine.scale * 0.501);
            }
            prop_assert_eq!(affine.dequantize(affine.quantize(0.0)), 0.0);
            prop_assert_eq!(affine.quantize(high * 2.0 + 1.0), 255);
        }

        /// A weight's error is at most half of its output's step.
        #[test]
        fn weights_there_and_back(
            row in prop::collection::vec(-10.0f32..10.0, 1..40),
            largest in prop::sample::select(vec![63i8, 127]),
        ) {
            let scales = weight_scales(&row, &[0.5], largest, 0.1);
            let found = weights(&row, scales, largest);
            for (value, number) in row.iter().zip(&found.values) {
                prop_assert!((value - f32::from(*number) * found.scales[0]).abs() <= 0.501 * found.scales[0]);
            }
        }
    }
}
