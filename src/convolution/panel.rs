//! What the kernels have in common: the sums that stay in registers, and the memory that they work in.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use pulp::{Simd, WithSimd};

/// Output channels that are computed together: with two vectors each, as many sums as AVX2's registers hold.
pub(super) const PANEL: usize = 6;

/// Vectors in a block.
pub(super) const BLOCK: usize = 2;

/// Memory that a thread keeps for the next part.
#[derive(Default)]
pub(super) struct ThreadBuffers {
    pub(super) inputs: Vec<f32>,
    pub(super) products: Vec<f32>,
    pub(super) rows: Vec<f32>,
}

/// Calls `work` with the thread's own memory.
fn with_scratch<T>(work: impl FnOnce(&mut ThreadBuffers) -> T) -> T {
    thread_local!(static SCRATCH: RefCell<ThreadBuffers> = RefCell::default());
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => work(&mut scratch),
        Err(_) => work(&mut ThreadBuffers::default()),
    })
}

/// Shares parts out by `each`, which calls the function that it is given once for each of their numbers.
pub(super) fn share_out<P: Send>(
    parts: Vec<P>,
    each: impl FnOnce(usize, &(dyn Fn(usize) + Sync)),
    work: impl Fn(&mut P, &mut ThreadBuffers) + Sync,
) {
    let parts: Vec<Mutex<P>> = parts.into_iter().map(Mutex::new).collect();
    each(parts.len(), &|number| {
        // Each number comes once; a second time would find the same part, and do the same again.
        let mut part = parts[number].lock().unwrap_or_else(PoisonError::into_inner);
        with_scratch(|scratch| work(&mut part, scratch));
    });
}

/// `count` values of a buffer that grows where it must, at the start of a cache line.
pub(super) fn aligned(buffer: &mut Vec<f32>, count: usize) -> &mut [f32] {
    const LINE: usize = 64;
    let spare = LINE / size_of::<f32>() - 1;
    if buffer.len() < count + spare {
        *buffer = vec![0.0; count + spare];
    }
    let skipped = buffer.as_ptr().align_offset(LINE).min(spare);
    &mut buffer[skipped..][..count]
}

/// Numbers in a vector of this processor.
pub(super) struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// All of a panel's sums stay in registers; of `B` vectors, [`BLOCK`] at most.
#[inline(always)]
pub(super) fn panel_sums<S: Simd, const B: usize>(
    simd: S,
    weights: &[[f32; PANEL]],
    inputs: &[[S::f32s; B]],
) -> [[S::f32s; B]; PANEL] {
    let mut sums = [[simd.splat_f32s(0.0); B]; PANEL];
    for (weights, input) in weights.iter().zip(inputs) {
        for output in 0..PANEL {
            let weight = simd.splat_f32s(weights[output]);
            for half in 0..B {
                sums[output][half] = simd.mul_add_f32s(weight, input[half], sums[output][half]);
            }
        }
    }
    sums
}
