//! Convolutions in float32 that are quicker here than in ONNX Runtime: large ones of 3x3 ([`winograd`]) and of 1x1
//! ([`pointwise`]).
//!
//! [`rewrite()`] finds the layers of a graph for which that pays. Each result is a sum over the channels in their
//! order, whatever the threads, the batch or the size of the map, so that results are the same bits however the work
//! is divided.
//!
//! Knows nothing of detection, nor of ONNX Runtime.

mod panel;
pub mod pointwise;
mod rewrite;
pub mod winograd;

use pulp::Arch;

pub use rewrite::{DOMAIN, POINTWISE, WINOGRAD, rewrite};

/// Size of a batch of maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Maps in the batch.
    pub count: usize,
    /// Pixels.
    pub height: usize,
    /// Pixels.
    pub width: usize,
}

impl Size {
    /// Of one map.
    fn pixels(&self) -> usize {
        self.height * self.width
    }
}

/// One layer at work.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a, F> {
    /// Its weights.
    pub filter: &'a F,
    /// Of the input.
    pub size: Size,
    /// (count, inputs, height, width).
    pub input: &'a [f32],
    /// (count, outputs, height, width) of the output, added to the result.
    pub added: Option<&'a [f32]>,
    /// Whether what is below 0 becomes 0.
    pub relu: bool,
}

/// Numbers in a vector of this processor.
pub fn lanes() -> usize {
    Arch::new().dispatch(panel::Lanes)
}

#[cfg(test)]
mod tests {
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

    pub(super) fn in_parallel(count: usize, work: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| (0..count).for_each(|number| drop(scope.spawn(move || work(number)))));
    }
}
