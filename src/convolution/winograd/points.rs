//! The transforms of F(4x4, 3x3): polynomials are multiplied by their values at six points (Toom and Cook), here 0,
//! ±√2, ±1/√2 and infinity. Points that are each other's inverses keep the numbers near one size; with 0, ±1, ±2 a
//! result is several times less exact.
//!
//! The rows of the input's transform are the coefficients of M(x) / (x - p) for each point p, and of M(x), where
//! M(x) = x (x² - 2) (x² - 1/2); the kernel's are the powers 1, p, p² over the derivative M'(p); the output's are the
//! powers of the points.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use pulp::Simd;

/// Points, and so the sides of a tile's input.
pub(super) const SIZE: usize = 6;

/// Sides of a tile.
pub(super) const TILE: usize = 4;

/// A kernel at all pairs of points.
pub(super) fn of_kernel(kernel: &[f32; 9]) -> [[f32; SIZE]; SIZE] {
    let rows: [[f64; SIZE]; 3] =
        std::array::from_fn(|row| at_points(std::array::from_fn(|x| f64::from(kernel[row * 3 + x]))));
    let columns: [[f64; SIZE]; SIZE] =
        std::array::from_fn(|x| at_points(std::array::from_fn(|row| rows[row][x])));
    std::array::from_fn(|y| std::array::from_fn(|x| columns[x][y] as f32))
}

/// Coefficients of 1, x, x² to values over derivatives: M'(0) = 1, M'(±√2) = 6, M'(±1/√2) = -3/2.
fn at_points([one, x, square]: [f64; 3]) -> [f64; SIZE] {
    let value = |point: f64, derivative: f64| (one + point * (x + point * square)) / derivative;
    let (large, small) = (std::f64::consts::SQRT_2, std::f64::consts::FRAC_1_SQRT_2);
    [one, value(large, 6.0), value(-large, 6.0), value(small, -1.5), value(-small, -1.5), square]
}

/// Six rows of an input at the points: value by value of `length` columns.
#[inline(always)]
pub(super) fn rows_at_points(d: [&[f32]; SIZE], o: [&mut [f32]; SIZE], length: usize) {
    let [d0, d1, d2, d3, d4, d5] = d.map(|row| &row[..length]);
    let [o0, o1, o2, o3, o4, o5] = o.map(|row| &mut row[..length]);
    for i in 0..length {
        o0[i] = d0[i] - 2.5 * d2[i] + d4[i];
        let (even, odd) = (d4[i] - 0.5 * d2[i], SQRT_2 * d3[i] - FRAC_1_SQRT_2 * d1[i]);
        (o1[i], o2[i]) = (even + odd, even - odd);
        let (even, odd) = (d4[i] - 2.0 * d2[i], FRAC_1_SQRT_2 * d3[i] - SQRT_2 * d1[i]);
        (o3[i], o4[i]) = (even + odd, even - odd);
        o5[i] = d1[i] - 2.5 * d3[i] + d5[i];
    }
}

/// Tiles in a row at the points to their pixels, four a tile, plus `bias`; the last tile may reach beyond `to`.
#[inline(always)]
pub(super) fn pixels_of(m: [&[f32]; SIZE], bias: f32, to: &mut [f32]) {
    let length = m[0].len();
    let [m0, m1, m2, m3, m4, m5] = m.map(|row| &row[..length]);
    let tile = |i: usize| {
        let (even, odd) = (m1[i] + m2[i], m1[i] - m2[i]);
        let (even_small, odd_small) = (m3[i] + m4[i], m3[i] - m4[i]);
        [
            m0[i] + even + even_small + bias,
            SQRT_2 * odd + FRAC_1_SQRT_2 * odd_small + bias,
            2.0 * even + 0.5 * even_small + bias,
            m5[i] + 2.0 * SQRT_2 * odd + 0.5 * FRAC_1_SQRT_2 * odd_small + bias,
        ]
    };
    let (whole, rest) = to.as_chunks_mut::<TILE>();
    let count = whole.len().min(length);
    for (i, to) in whole[..count].iter_mut().enumerate() {
        *to = tile(i);
    }
    if count < length {
        rest.iter_mut().zip(tile(count)).for_each(|(to, value)| *to = value);
    }
}

/// Products at the points to four rows or columns of a tile.
#[inline(always)]
pub(super) fn to_output<S: Simd>(simd: S, m: [S::f32s; SIZE]) -> [S::f32s; TILE] {
    let times = |factor: f32, x, plus| simd.mul_add_f32s(simd.splat_f32s(factor), x, plus);
    let product = |factor: f32, x| simd.mul_f32s(simd.splat_f32s(factor), x);
    let (even, odd) = (simd.add_f32s(m[1], m[2]), simd.sub_f32s(m[1], m[2]));
    let (even_small, odd_small) = (simd.add_f32s(m[3], m[4]), simd.sub_f32s(m[3], m[4]));
    [
        simd.add_f32s(m[0], simd.add_f32s(even, even_small)),
        times(SQRT_2, odd, product(FRAC_1_SQRT_2, odd_small)),
        times(2.0, even, product(0.5, even_small)),
        simd.add_f32s(m[5], times(2.0 * SQRT_2, odd, product(0.5 * FRAC_1_SQRT_2, odd_small))),
    ]
}
