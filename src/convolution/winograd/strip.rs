//! One strip of a layer: its tiles' inputs at the points, the products, and the tiles.
//!
//! Tiles are taken in blocks of two vectors, the last of which may have one: lane by lane, one tile each, so that every
//! step is the same arithmetic on whole vectors.

use bytemuck::{cast_slice, cast_slice_mut, pod_read_unaligned};
use pulp::{Simd, WithSimd};

use super::plan::WinogradPart;
use super::points::{SIZE, TILE, pixels_of, rows_at_points, to_output};
use super::{PRODUCTS, WinogradFilter};
use crate::convolution::ConvolutionLayer;
use crate::convolution::panel::{BLOCK, PANEL, ThreadBuffers, aligned, panel_sums};

/// A part of a layer, to be computed.
pub(super) struct Strip<'a, 'b> {
    pub(super) layer: &'a ConvolutionLayer<'a, WinogradFilter>,
    pub(super) part: &'b mut WinogradPart<'a>,
    pub(super) scratch: &'b mut ThreadBuffers,
}

impl WithSimd for Strip<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Strip { layer, part, scratch } = self;
        let tiles = part.rows * layer.size.tile_columns();
        let vectors = tiles.div_ceil(S::F32_LANES);
        let length = PRODUCTS * vectors * S::F32_LANES;
        let inputs = cast_slice_mut(aligned(&mut scratch.inputs, length * layer.filter.inputs));
        transform::<S>(layer, part, vectors, inputs, &mut scratch.rows);
        let products = cast_slice_mut(aligned(&mut scratch.products, length * part.panels * PANEL));
        multiply(simd, layer, part, vectors, inputs, products);
        finish(simd, layer, part, vectors, products, &mut scratch.rows);
    }
}

/// The blocks of so many vectors: the first vector of each, and how many it has.
#[inline(always)]
fn blocks(vectors: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..vectors).step_by(BLOCK).map(move |first| (first, BLOCK.min(vectors - first)))
}

/// The strip's inputs at the points: (products, blocks, inputs, vectors of a block).
#[inline(always)]
fn transform<S: Simd>(
    layer: &ConvolutionLayer<'_, WinogradFilter>,
    part: &WinogradPart<'_>,
    vectors: usize,
    inputs: &mut [S::f32s],
    scratch: &mut Vec<f32>,
) {
    let size = layer.size;
    let channels = layer.filter.inputs;
    let lanes = vectors * S::F32_LANES;
    let columns = size.tile_columns();
    // Pixels of one phase: every fourth of a row, and the last tile reaches one further.
    let length = columns + 1;
    let row = TILE * length;
    let scratch = aligned(scratch, 2 * SIZE * row + PRODUCTS * lanes);
    let (pixels, scratch) = scratch.split_at_mut(SIZE * row);
    let (down, tiles) = scratch.split_at_mut(SIZE * row);
    pixels.fill(0.0);
    for channel in 0..channels {
        for number in 0..part.rows {
            let (map, top) = size.place(part.first_row + number);
            let plane = &layer.input[(map * channels + channel) * size.pixels()..][..size.pixels()];
            for (y, phases) in pixels.chunks_exact_mut(row).enumerate() {
                let y = (top + y).checked_sub(1);
                match y.and_then(|y| plane.get(y * size.width..(y + 1) * size.width)) {
                    Some(pixels) => split(pixels, phases, length),
                    None => phases.fill(0.0),
                }
            }
            rows_at_points(sixth(pixels, row), sixth_mut(down, row), row);
            for (y, down) in down.chunks_exact(row).enumerate() {
                let phase = |x: usize| &down[x % TILE * length + x / TILE..][..columns];
                let from = [phase(0), phase(1), phase(2), phase(3), phase(4), phase(5)];
                let to = &mut tiles[y * SIZE * lanes..][..SIZE * lanes];
                rows_at_points(from, sixth_mut(to, lanes).map(|to| &mut to[number * columns..]), columns);
            }
        }
        for (product, tiles) in tiles.chunks_exact(lanes).enumerate() {
            let to = &mut inputs[product * vectors * channels..][..vectors * channels];
            for (first, count) in blocks(vectors) {
                for place in 0..count {
                    let tiles = &tiles[(first + place) * S::F32_LANES..][..S::F32_LANES];
                    to[first * channels + channel * count + place] = pod_read_unaligned(cast_slice(tiles));
                }
            }
        }
    }
}

/// Every fourth pixel of a row together, with the zero before the first; what is beyond the last stays zero.
#[inline(always)]
fn split(pixels: &[f32], phases: &mut [f32], length: usize) {
    let (zero, rest) = phases.split_at_mut(length);
    let (one, rest) = rest.split_at_mut(length);
    let (two, three) = rest.split_at_mut(length);
    // The row's first pixel is the second, after the zero.
    let (head, body) = pixels.split_at(pixels.len().min(TILE - 1));
    for (phase, &value) in [&mut one[0], &mut two[0], &mut three[0]].into_iter().zip(head) {
        *phase = value;
    }
    let (whole, tail) = body.as_chunks::<TILE>();
    let count = whole.len();
    let (to0, to1) = (&mut zero[1..][..count], &mut one[1..][..count]);
    let (to2, to3) = (&mut two[1..][..count], &mut three[1..][..count]);
    for i in 0..count {
        [to0[i], to1[i], to2[i], to3[i]] = whole[i];
    }
    let next = [zero.get_mut(1 + count), one.get_mut(1 + count), two.get_mut(1 + count)];
    for (phase, &value) in next.into_iter().flatten().zip(tail) {
        *phase = value;
    }
}

/// Six rows of a length, which lie one behind the other.
#[inline(always)]
fn sixth(values: &[f32], length: usize) -> [&[f32]; SIZE] {
    let row = |i: usize| &values[i * length..][..length];
    [row(0), row(1), row(2), row(3), row(4), row(5)]
}

/// As [`sixth`].
#[inline(always)]
fn sixth_mut(values: &mut [f32], length: usize) -> [&mut [f32]; SIZE] {
    let (a, values) = values.split_at_mut(length);
    let (b, values) = values.split_at_mut(length);
    let (c, values) = values.split_at_mut(length);
    let (d, values) = values.split_at_mut(length);
    let (e, values) = values.split_at_mut(length);
    [a, b, c, d, e, &mut values[..length]]
}

/// Sums over the inputs: (products, blocks, outputs, vectors of a block).
#[inline(always)]
fn multiply<S: Simd>(
    simd: S,
    layer: &ConvolutionLayer<'_, WinogradFilter>,
    part: &WinogradPart<'_>,
    vectors: usize,
    inputs: &[S::f32s],
    products: &mut [S::f32s],
) {
    let channels = layer.filter.inputs;
    let sums = part.panels * PANEL;
    for product in 0..PRODUCTS {
        for (first, count) in blocks(vectors) {
            let place = product * vectors + first;
            let inputs = &inputs[place * channels..][..count * channels];
            let to = &mut products[place * sums..][..count * sums];
            const { assert!(BLOCK == 2, "a block has two vectors, or one") };
            match count {
                BLOCK => multiply_block::<S, BLOCK>(simd, layer, part, product, inputs, to),
                _ => multiply_block::<S, 1>(simd, layer, part, product, inputs, to),
            }
        }
    }
}

/// The sums of one block at one pair of points.
#[inline(always)]
fn multiply_block<S: Simd, const B: usize>(
    simd: S,
    layer: &ConvolutionLayer<'_, WinogradFilter>,
    part: &WinogradPart<'_>,
    product: usize,
    inputs: &[S::f32s],
    to: &mut [S::f32s],
) {
    let inputs = inputs.as_chunks::<B>().0;
    for (panel, to) in to.as_chunks_mut::<B>().0.chunks_exact_mut(PANEL).enumerate() {
        let weights = layer.filter.panel(product, part.first_panel + panel);
        to.copy_from_slice(&panel_sums(simd, weights, inputs));
    }
}

/// The tiles, from the products; with the bias, what is added, and the ReLU.
// Closures and iterators around vectors are not compiled for the processor that they are for: loops are.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
fn finish<S: Simd>(
    simd: S,
    layer: &ConvolutionLayer<'_, WinogradFilter>,
    part: &mut WinogradPart<'_>,
    vectors: usize,
    products: &[S::f32s],
    scratch: &mut Vec<f32>,
) {
    let size = layer.size;
    let lanes = vectors * S::F32_LANES;
    let columns = size.tile_columns();
    let sums = part.panels * PANEL;
    let first = part.first_panel * PANEL;
    let outputs = sums.min(layer.filter.outputs - first);
    let zero = simd.splat_f32s(0.0);
    // (rows of a tile, points, tiles)
    let down = aligned(scratch, TILE * SIZE * lanes);
    for output in 0..outputs {
        for (first, count) in blocks(vectors) {
            for x in 0..SIZE {
                for place in 0..count {
                    let mut column = [zero; SIZE];
                    for y in 0..SIZE {
                        let block = ((y * SIZE + x) * vectors + first) * sums;
                        column[y] = products[block + output * count + place];
                    }
                    let column = to_output(simd, column);
                    for y in 0..TILE {
                        let to = (y * SIZE + x) * lanes + (first + place) * S::F32_LANES;
                        down[to..to + S::F32_LANES].copy_from_slice(cast_slice(&column[y..=y]));
                    }
                }
            }
        }
        let bias = layer.filter.bias[first + output];
        for row in 0..part.rows {
            let (map, top) = size.place(part.first_row + row);
            let to = &mut part.output[row * outputs + output];
            let plane = (map * layer.filter.outputs + first + output) * size.pixels() + top * size.width;
            for (y, to) in to.chunks_exact_mut(size.width).enumerate() {
                let from = &down[y * SIZE * lanes..][..SIZE * lanes];
                let from = sixth(from, lanes).map(|from| &from[row * columns..][..columns]);
                pixels_of(from, bias, to);
                if let Some(added) = layer.added {
                    let added = &added[plane + y * size.width..][..size.width];
                    to.iter_mut().zip(added).for_each(|(to, added)| *to += added);
                }
                if layer.relu {
                    to.iter_mut().for_each(|to| *to = to.max(0.0));
                }
            }
        }
    }
}
