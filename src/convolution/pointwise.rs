//! Convolutions of 1x1: products of matrices, on pixels that are gathered block by block.

use bytemuck::{cast_slice, pod_read_unaligned};
use pulp::{Arch, Simd, WithSimd};

use super::panel::{BLOCK, Lanes, PANEL, ThreadBuffers, aligned, panel_sums, share_out};
use super::{BatchSize, ConvolutionLayer};

/// Bytes of gathered pixels that a thread's cache is to hold beside the weights.
const GATHERED: usize = 1 << 18;

/// Blocks of pixels that are gathered at once: enough that memory is read in a row, and few enough to share out.
const MOST_BLOCKS: usize = 16;

/// A 1x1 layer's weights.
#[derive(Clone, Copy, Debug)]
pub struct PointwiseFilter<'a> {
    inputs: usize,
    stride: usize,
    /// (panels, inputs), of the outputs of a panel; zero where there are fewer.
    panels: &'a [[f32; PANEL]],
    bias: &'a [f32],
}

impl<'a> PointwiseFilter<'a> {
    /// `panels` are what [`panels`] makes of the weights, and `bias` has a value for each output. `None` where their
    /// numbers do not agree.
    pub fn new(panels: &'a [f32], bias: &'a [f32], stride: usize) -> Option<PointwiseFilter<'a>> {
        let (panels, rest) = panels.as_chunks();
        let count = bias.len().div_ceil(PANEL);
        let inputs = panels.len().checked_div(count)?;
        let agrees = rest.is_empty() && inputs * count == panels.len();
        (agrees && inputs > 0 && stride > 0).then_some(PointwiseFilter { inputs, stride, panels, bias })
    }

    /// Channels that come out.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Of the output, for the size of an input.
    pub fn size(&self, input: BatchSize) -> BatchSize {
        let [height, width] = [input.height, input.width].map(|side| side.div_ceil(self.stride));
        BatchSize { height, width, ..input }
    }
}

/// Weights (outputs, inputs) in the order in which they are read: (panels, inputs, outputs of a panel).
pub fn panels(weights: &[f32], inputs: usize) -> Vec<f32> {
    let rows: Vec<&[f32]> = weights.chunks_exact(inputs.max(1)).collect();
    let mut panels = vec![0.0; rows.len().div_ceil(PANEL) * PANEL * inputs];
    for (panel, rows) in panels.chunks_mut((PANEL * inputs).max(1)).zip(rows.chunks(PANEL)) {
        for (output, row) in rows.iter().enumerate() {
            panel[output..].iter_mut().step_by(PANEL).zip(*row).for_each(|(to, &weight)| *to = weight);
        }
    }
    panels
}

/// What one call computes: pixels of one map.
struct PointwisePart<'a> {
    map: usize,
    /// The first of its pixels.
    first: usize,
    /// The results' pixels, of each output.
    outputs: Vec<&'a mut [f32]>,
}

/// Convolves into `output` (count, outputs, height, width) of [`PointwiseFilter::size`]. `each` calls the function that it is
/// given once for each number below the one that it is given, on as many threads as it likes; `threads` says how many
/// that may be. `false`, and nothing done, where a length does not agree with the size.
pub fn convolve(
    layer: &ConvolutionLayer<'_, PointwiseFilter<'_>>,
    output: &mut [f32],
    threads: usize,
    each: impl FnOnce(usize, &(dyn Fn(usize) + Sync)),
) -> bool {
    let filter = layer.filter;
    let out = filter.size(layer.size);
    if !layer.agrees(filter.inputs, filter.outputs(), output.len(), out) {
        return false;
    }
    if output.is_empty() {
        return true;
    }
    let arch = Arch::new();
    let lanes = BLOCK * arch.dispatch(Lanes);
    let block = filter.inputs * lanes * size_of::<f32>();
    let share = (out.count * out.pixels().div_ceil(lanes)).div_ceil(2 * threads.max(1));
    let pixels = (GATHERED / block).min(MOST_BLOCKS).min(share).max(1) * lanes;
    let per_map = out.pixels().div_ceil(pixels);
    let part = |number: usize| {
        let (map, first) = (number / per_map, number % per_map * pixels);
        PointwisePart { map, first, outputs: Vec::with_capacity(filter.outputs()) }
    };
    let mut parts: Vec<PointwisePart<'_>> = (0..out.count * per_map).map(part).collect();
    for (plane, values) in output.chunks_mut(out.pixels()).enumerate() {
        let of_map = &mut parts[plane / filter.outputs() * per_map..];
        values.chunks_mut(pixels).zip(of_map).for_each(|(values, part)| part.outputs.push(values));
    }
    share_out(parts, each, |part, scratch| arch.dispatch(PointwiseTask { layer, part, scratch }));
    true
}

/// A part of a layer, to be computed.
struct PointwiseTask<'a, 'b> {
    layer: &'b ConvolutionLayer<'b, PointwiseFilter<'b>>,
    part: &'b mut PointwisePart<'a>,
    scratch: &'b mut ThreadBuffers,
}

impl WithSimd for PointwiseTask<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let PointwiseTask { layer, part, scratch } = self;
        let lanes = BLOCK * S::F32_LANES;
        let inputs = layer.filter.inputs;
        let count = part.outputs.first().map_or(0, |pixels| pixels.len());
        let blocks = count.div_ceil(lanes);
        // One more than there are: blocks a power of two apart would push each other out of the cache.
        let length = inputs + 1;
        let gathered = aligned(&mut scratch.inputs, blocks * length * lanes);
        gather(layer, part, count, lanes, gathered);
        let gathered: &[[S::f32s; BLOCK]] = cast_slice(gathered);
        for (panel, outputs) in part.outputs.chunks_mut(PANEL).enumerate() {
            let weights = &layer.filter.panels[panel * inputs..][..inputs];
            for block in 0..blocks {
                let sums = panel_sums(simd, weights, &gathered[block * length..][..inputs]);
                for (place, output) in outputs.iter_mut().enumerate() {
                    let channel = panel * PANEL + place;
                    let first = block * lanes;
                    let last = count.min(first + lanes);
                    let to = &mut output[first..last];
                    let plane = (part.map * layer.filter.outputs() + channel)
                        * layer.filter.size(layer.size).pixels();
                    let added = layer.added.map(|added| &added[plane + part.first + first..][..to.len()]);
                    let bias = layer.filter.bias[channel];
                    if to.len() == lanes {
                        whole(simd, &sums[place], bias, added, layer.relu, to);
                    } else {
                        partial(cast_slice(&sums[place..=place]), bias, added, layer.relu, to);
                    }
                }
            }
        }
    }
}

/// The part's pixels: (blocks, inputs and one more, pixels of a block); zero where there are fewer.
#[inline(always)]
fn gather(
    layer: &ConvolutionLayer<'_, PointwiseFilter<'_>>,
    part: &PointwisePart<'_>,
    count: usize,
    lanes: usize,
    to: &mut [f32],
) {
    let ConvolutionLayer { filter, size, input, .. } = layer;
    let length = (filter.inputs + 1) * lanes;
    let columns = filter.size(*size).width;
    for channel in 0..filter.inputs {
        let plane = &input[(part.map * filter.inputs + channel) * size.pixels()..][..size.pixels()];
        for (block, to) in to.chunks_exact_mut(length).enumerate() {
            let first = part.first + block * lanes;
            let to = &mut to[channel * lanes..][..lanes];
            let (to, rest) = to.split_at_mut(lanes.min(count - block * lanes));
            if filter.stride == 1 {
                to.copy_from_slice(&plane[first..first + to.len()]);
            } else {
                for (pixel, to) in to.iter_mut().enumerate() {
                    let (row, column) = ((first + pixel) / columns, (first + pixel) % columns);
                    *to = plane[(row * size.width + column) * filter.stride];
                }
            }
            rest.fill(0.0);
        }
    }
}

/// A whole block's results.
// Closures and iterators around vectors are not compiled for the processor that they are for: loops are.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
fn whole<S: Simd>(
    simd: S,
    sums: &[S::f32s; BLOCK],
    bias: f32,
    added: Option<&[f32]>,
    relu: bool,
    to: &mut [f32],
) {
    for half in 0..BLOCK {
        let place = half * S::F32_LANES;
        let mut value = simd.add_f32s(sums[half], simd.splat_f32s(bias));
        if let Some(added) = added {
            value = simd.add_f32s(value, pod_read_unaligned(cast_slice(&added[place..place + S::F32_LANES])));
        }
        if relu {
            value = simd.max_f32s(value, simd.splat_f32s(0.0));
        }
        to[place..place + S::F32_LANES].copy_from_slice(cast_slice(&[value]));
    }
}

/// As [`whole`], of the first pixels of a block.
fn partial(sums: &[f32], bias: f32, added: Option<&[f32]>, relu: bool, to: &mut [f32]) {
    for (place, to) in to.iter_mut().enumerate() {
        let mut value = sums[place] + bias;
        if let Some(added) = added {
            value += added[place];
        }
        *to = if relu { value.max(0.0) } else { value };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::convolution::tests::{bits_do_not_depend_on_threads_or_batch, numbers, one_after_the_other};

    /// The same by its definition, in float64.
    fn by_definition(weights: &[f32], layer: &ConvolutionLayer<'_, PointwiseFilter<'_>>) -> Vec<f64> {
        let ConvolutionLayer { filter, size, .. } = layer;
        let mut out = Vec::new();
        for map in 0..size.count {
            for (row, bias) in weights.chunks(filter.inputs).zip(filter.bias) {
                for y in (0..size.height).step_by(filter.stride) {
                    for x in (0..size.width).step_by(filter.stride) {
                        let products = row.iter().enumerate().map(|(input, &weight)| {
                            let plane = (map * filter.inputs + input) * size.pixels();
                            f64::from(weight) * f64::from(layer.input[plane + y * size.width + x])
                        });
                        let sum = f64::from(*bias) + products.sum::<f64>();
                        let sum = sum + layer.added.map_or(0.0, |added| f64::from(added[out.len()]));
                        out.push(if layer.relu { sum.max(0.0) } else { sum });
                    }
                }
            }
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn it_is_the_convolution(
            inputs in 1usize..30, outputs in 1usize..20, count in 1usize..4, height in 1usize..23,
            width in 1usize..90, stride in 1usize..4, added: bool, relu: bool, threads in 1usize..9,
        ) {
            let size = BatchSize { count, height, width };
            let weights = numbers(outputs * inputs, 1);
            let bias = numbers(outputs, 2);
            let panels = panels(&weights, inputs);
            let filter = PointwiseFilter::new(&panels, &bias, stride).unwrap();
            let input = numbers(count * inputs * size.pixels(), 3);
            let sum = numbers(count * outputs * filter.size(size).pixels(), 4);
            let layer = ConvolutionLayer { filter: &filter, size, input: &input, added: added.then_some(&sum), relu };
            let mut output = vec![f32::NAN; sum.len()];
            prop_assert!(convolve(&layer, &mut output, threads, one_after_the_other));
            for (place, (&is, should)) in output.iter().zip(by_definition(&weights, &layer)).enumerate() {
                prop_assert!((f64::from(is) - should).abs() < 1e-5, "{place}: {is} {should}");
            }
        }
    }

    #[test]
    fn the_bits_do_not_depend_on_threads_or_batch() {
        let (inputs, outputs) = (70, 50);
        let size = BatchSize { count: 3, height: 27, width: 38 };
        let (panels, bias) = (panels(&numbers(outputs * inputs, 1), inputs), numbers(outputs, 2));
        let filter = PointwiseFilter::new(&panels, &bias, 1).unwrap();
        let input = numbers(size.count * inputs * size.pixels(), 3);
        let layer = ConvolutionLayer { filter: &filter, size, input: &input, added: None, relu: false };
        bits_do_not_depend_on_threads_or_batch(&layer, (inputs, outputs), |layer, output, threads, each| {
            convolve(layer, output, threads, each)
        });
    }

    #[test]
    fn lengths_that_do_not_agree_are_refused() {
        assert!(PointwiseFilter::new(&[0.0; 11], &[0.0], 1).is_none());
        assert!(PointwiseFilter::new(&[0.0; 18], &[0.0; 7], 1).is_none());
        assert!(PointwiseFilter::new(&[0.0; 12], &[0.0], 0).is_none());
        assert!(PointwiseFilter::new(&[], &[0.0], 1).is_none());
        assert!(PointwiseFilter::new(&[0.0; 12], &[], 1).is_none());
        assert_eq!(panels(&[], 0), Vec::<f32>::new());
        let filter = PointwiseFilter::new(&[0.0; 12], &[0.0], 1).unwrap();
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
