//! Convolutions of 3x3 with fewer multiplications (Winograd 1980; Lavin and Gray 2015, "Fast Algorithms for
//! Convolutional Neural Networks"): a tile of 4x4 results takes 36 products a channel instead of 144.

mod plan;
mod points;
mod strip;

use pulp::Arch;

use super::panel::{Lanes, PANEL, share_out};
use super::{BatchSize, ConvolutionLayer};
use plan::WinogradPlan;

/// Products of a tile.
const PRODUCTS: usize = points::SIZE * points::SIZE;

/// A 3x3 layer's weights, transformed.
#[derive(Debug)]
pub struct WinogradFilter {
    inputs: usize,
    outputs: usize,
    /// (products, panels, inputs), of the outputs of a panel; zero where there are fewer.
    panels: Vec<[f32; PANEL]>,
    bias: Vec<f32>,
}

impl WinogradFilter {
    /// `weights` are (outputs, inputs, 3, 3) and `bias` has a value for each output. `None` where their numbers do
    /// not agree.
    pub fn new(weights: &[f32], bias: &[f32], inputs: usize) -> Option<WinogradFilter> {
        let outputs = bias.len();
        let kernels = weights.as_chunks::<9>().0;
        if weights.len() != outputs.checked_mul(inputs)?.checked_mul(9)? || kernels.is_empty() {
            return None;
        }
        let panel_count = outputs.div_ceil(PANEL);
        let mut panels = vec![[0.0; PANEL]; PRODUCTS * panel_count * inputs];
        for (output, row) in kernels.chunks(inputs).enumerate() {
            for (input, kernel) in row.iter().enumerate() {
                for (product, value) in points::of_kernel(kernel).into_iter().flatten().enumerate() {
                    let panel = product * panel_count + output / PANEL;
                    panels[panel * inputs + input][output % PANEL] = value;
                }
            }
        }
        Some(WinogradFilter { inputs, outputs, panels, bias: bias.to_vec() })
    }

    /// Channels that go in.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Channels that come out.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    fn panel_count(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }

    /// (inputs) of one product and panel.
    fn panel(&self, product: usize, panel: usize) -> &[[f32; PANEL]] {
        &self.panels[(product * self.panel_count() + panel) * self.inputs..][..self.inputs]
    }
}

impl BatchSize {
    /// Rows of tiles in one map.
    fn tile_rows(&self) -> usize {
        self.height.div_ceil(points::TILE)
    }

    /// The map that a row of tiles, counted through the batch, is in, and its first row of pixels there.
    fn place(&self, row: usize) -> (usize, usize) {
        (row / self.tile_rows(), points::TILE * (row % self.tile_rows()))
    }

    /// Tiles in one row.
    fn tile_columns(&self) -> usize {
        self.width.div_ceil(points::TILE)
    }
}

/// Convolves with stride 1 and a border of zeros one pixel wide, into `output` (count, outputs, height, width).
/// `each` calls the function that it is given once for each number below the one that it is given, on as many
/// threads as it likes; `threads` says how many that may be. `false`, and nothing done, where a length does not agree
/// with the size.
pub fn convolve(
    layer: &ConvolutionLayer<'_, WinogradFilter>,
    output: &mut [f32],
    threads: usize,
    each: impl FnOnce(usize, &(dyn Fn(usize) + Sync)),
) -> bool {
    let ConvolutionLayer { filter, size, .. } = layer;
    if !layer.agrees(filter.inputs, filter.outputs, output.len(), *size) {
        return false;
    }
    if size.count * size.pixels() == 0 {
        return true;
    }
    let arch = Arch::new();
    let plan = WinogradPlan::new(filter, *size, threads, arch.dispatch(Lanes));
    let parts = plan.parts(filter, *size, output);
    share_out(parts, each, |part, scratch| arch.dispatch(strip::Strip { layer, part, scratch }));
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::convolution::tests::{bits_do_not_depend_on_threads_or_batch, numbers, one_after_the_other};

    /// The same by its definition, in float64.
    fn by_definition(
        weights: &[f32],
        bias: &[f32],
        layer: &ConvolutionLayer<'_, WinogradFilter>,
    ) -> Vec<f64> {
        let BatchSize { count, height, width } = layer.size;
        let inputs = layer.filter.inputs;
        let mut out = Vec::new();
        for image in 0..count {
            for (output, &bias) in bias.iter().enumerate() {
                for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                    let mut sum = f64::from(bias);
                    for (input, dy, dx) in (0..inputs).flat_map(|i| (0..9).map(move |k| (i, k / 3, k % 3))) {
                        let (row, column) = ((y + dy).wrapping_sub(1), (x + dx).wrapping_sub(1));
                        if row < height && column < width {
                            let plane = (image * inputs + input) * height * width;
                            let weight = weights[(output * inputs + input) * 9 + dy * 3 + dx];
                            sum += f64::from(weight) * f64::from(layer.input[plane + row * width + column]);
                        }
                    }
                    sum += layer.added.map_or(0.0, |added| f64::from(added[out.len()]));
                    out.push(if layer.relu { sum.max(0.0) } else { sum });
                }
            }
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn it_is_the_convolution(
            inputs in 1usize..12, outputs in 1usize..20, count in 1usize..4, height in 1usize..23,
            width in 1usize..90, added: bool, relu: bool, threads in 1usize..9,
        ) {
            let size = BatchSize { count, height, width };
            let weights = numbers(outputs * inputs * 9, 1);
            let bias = numbers(outputs, 2);
            let filter = WinogradFilter::new(&weights, &bias, inputs).unwrap();
            let input = numbers(count * inputs * height * width, 3);
            let sum = numbers(count * outputs * height * width, 4);
            let layer = ConvolutionLayer { filter: &filter, size, input: &input, added: added.then_some(&sum), relu };
            let mut output = vec![f32::NAN; sum.len()];
            prop_assert!(convolve(&layer, &mut output, threads, one_after_the_other));
            for (place, (&is, should)) in output.iter().zip(by_definition(&weights, &bias, &layer)).enumerate() {
                // Values are near 1; sums of a hundred products lose some bits.
                prop_assert!((f64::from(is) - should).abs() < 2e-5, "{place}: {is} {should}");
            }
        }
    }

    #[test]
    fn the_bits_do_not_depend_on_threads_or_batch() {
        let (inputs, outputs) = (40, 50);
        let size = BatchSize { count: 3, height: 27, width: 38 };
        let filter =
            WinogradFilter::new(&numbers(outputs * inputs * 9, 1), &numbers(outputs, 2), inputs).unwrap();
        let input = numbers(size.count * inputs * size.pixels(), 3);
        let layer = ConvolutionLayer { filter: &filter, size, input: &input, added: None, relu: false };
        bits_do_not_depend_on_threads_or_batch(&layer, (inputs, outputs), |layer, output, threads, each| {
            convolve(layer, output, threads, each)
        });
    }

    #[test]
    fn lengths_that_do_not_agree_are_refused() {
        assert!(WinogradFilter::new(&[0.0; 17], &[0.0], 2).is_none());
        assert!(WinogradFilter::new(&[], &[], 2).is_none());
        let filter = WinogradFilter::new(&[0.0; 18], &[0.0], 2).unwrap();
        let size = BatchSize { count: 1, height: 2, width: 2 };
        let layer = ConvolutionLayer { filter: &filter, size, input: &[0.0; 7], added: None, relu: false };
        assert!(!convolve(&layer, &mut [0.0; 4], 1, one_after_the_other));
        let layer = ConvolutionLayer { input: &[0.0; 8], ..layer };
        assert!(!convolve(&layer, &mut [0.0; 5], 1, one_after_the_other));
        assert!(!convolve(
            &ConvolutionLayer { added: Some(&[0.0; 3]), ..layer },
            &mut [0.0; 4],
            1,
            one_after_the_other
        ));
        assert!(convolve(&layer, &mut [0.0; 4], 1, one_after_the_other));
    }
}
