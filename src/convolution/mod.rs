//! Convolutions in float32 that are quicker here than in ONNX Runtime: large ones of 3x3 ([`winograd`]) and of 1x1
//! ([`pointwise`]).
//!
//! [`rewrite()`] finds the layers of a graph for which that pays. Each result is a sum over the channels in their
//! order, whatever the threads, the batch or the size of the map, so that results are the same bits however the work
//! is divided.
//!
//! Knows nothing of detection, nor of ONNX Runtime.

mod channels_last;
mod panel;
pub mod pointwise;
mod rewrite;
pub mod winograd;

use pulp::Arch;

pub use rewrite::{DOMAIN, POINTWISE, WINOGRAD, rewrite};

/// Size of a batch of maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSize {
    /// Maps in the batch.
    pub count: usize,
    /// Pixels.
    pub height: usize,
    /// Pixels.
    pub width: usize,
}

impl BatchSize {
    /// Of one map.
    fn pixels(&self) -> usize {
        self.height * self.width
    }
}

/// One layer at work.
#[derive(Clone, Copy, Debug)]
pub struct ConvolutionLayer<'a, F> {
    /// Its weights.
    pub filter: &'a F,
    /// Of the input.
    pub size: BatchSize,
    /// (count, inputs, height, width).
    pub input: &'a [f32],
    /// (count, outputs, height, width) of the output, added to the result.
    pub added: Option<&'a [f32]>,
    /// Whether what is below 0 becomes 0.
    pub relu: bool,
}

impl<F> ConvolutionLayer<'_, F> {
    /// Whether all lengths are those of so many channels, with an output of this length and size.
    fn agrees(&self, inputs: usize, outputs: usize, length: usize, size: BatchSize) -> bool {
        self.input.len() == self.size.count * self.size.pixels() * inputs
            && length == size.count * size.pixels() * outputs
            && self.added.is_none_or(|added| added.len() == length)
    }
}

/// Numbers in a vector of this processor.
pub fn lanes() -> usize {
    Arch::new().dispatch(panel::Lanes)
}

#[cfg(test)]
mod tests {
    use super::{BatchSize, ConvolutionLayer};

    /// Numbers in -1..1 that look random.
    pub(super) fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    pub(super) fn one_after_the_other(count: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..count).for_each(work);
    }

    fn in_parallel(count: usize, work: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| (0..count).for_each(|number| drop(scope.spawn(move || work(number)))));
    }

    /// Who works on a call's parts.
    pub(super) type Each<'a> = &'a dyn Fn(usize, &(dyn Fn(usize) + Sync));

    /// That a layer of stride 1 gives the same bits on any number of threads, and map by map.
    pub(super) fn bits_do_not_depend_on_threads_or_batch<F>(
        layer: &ConvolutionLayer<'_, F>,
        (inputs, outputs): (usize, usize),
        convolve: impl Fn(&ConvolutionLayer<'_, F>, &mut [f32], usize, Each<'_>) -> bool,
    ) {
        let size = layer.size;
        let mut whole = vec![0.0; size.count * outputs * size.pixels()];
        assert!(convolve(layer, &mut whole, 1, &one_after_the_other));
        for threads in [2, 3, 16] {
            let mut output = vec![0.0; whole.len()];
            assert!(convolve(layer, &mut output, threads, &in_parallel));
            assert_eq!(output, whole, "{threads}");
        }
        let single = BatchSize { count: 1, ..size };
        let inputs = layer.input.chunks(inputs * size.pixels());
        for (input, expected) in inputs.zip(whole.chunks(outputs * size.pixels())) {
            let mut output = vec![0.0; expected.len()];
            let layer = ConvolutionLayer { size: single, input, ..*layer };
            assert!(convolve(&layer, &mut output, 4, &one_after_the_other));
            assert_eq!(output, expected);
        }
    }
}
