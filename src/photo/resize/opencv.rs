//! OpenCV's `resize(…, INTER_LINEAR)` on 8 bits: no antialiasing, 11-bit weights, four bits of each row dropped.

use std::hint::black_box;

/// Resizes interleaved RGB from `size` to `target`, both (height, width) above 0.
pub fn opencv(pixels: &[u8], size: (usize, usize), target: (usize, usize)) -> Vec<u8> {
    if size == target {
        return pixels.to_vec();
    }
    let columns = FixedPointAxis::new(size.1, target.1, true);
    let rows = FixedPointAxis::new(size.0, target.0, false);
    let width = 3 * target.1;
    let mut out = vec![0; width * target.0];
    // Two source rows, spread over the output's columns; most output rows share them.
    let mut upper = Spread { source: None, pixels: vec![[0.0; 4]; size.1], values: vec![0; width] };
    let mut lower = upper.clone();
    for (row, out) in out.chunks_exact_mut(width).enumerate() {
        if lower.source == Some(rows.first[row]) {
            std::mem::swap(&mut upper, &mut lower);
        }
        upper.fill(rows.first[row], pixels, size.1, &columns);
        lower.fill(rows.second[row], pixels, size.1, &columns);
        blend([rows.near[row] as i16, rows.far[row] as i16], &upper.values, &lower.values, out);
    }
    out
}

/// One output row of two source rows. Not inlined: with the caller's weights in sight compilers take 32 bits a value.
#[inline(never)]
fn blend([near, far]: [i16; 2], upper: &[i16], lower: &[i16], out: &mut [u8]) {
    const AT_ONCE: usize = 16;
    // Hidden for the same reason.
    let (near_all, far_all) = ([near; AT_ONCE], [far; AT_ONCE]);
    let (near_all, far_all) = (black_box(&near_all), black_box(&far_all));
    let (upper, upper_rest) = upper.as_chunks::<AT_ONCE>();
    let (lower, lower_rest) = lower.as_chunks::<AT_ONCE>();
    let (out, out_rest) = out.as_chunks_mut::<AT_ONCE>();
    for ((out, top), bottom) in out.iter_mut().zip(upper).zip(lower) {
        for i in 0..AT_ONCE {
            out[i] = mixed(near_all[i], top[i], far_all[i], bottom[i]);
        }
    }
    for ((out, &top), &bottom) in out_rest.iter_mut().zip(upper_rest).zip(lower_rest) {
        *out = mixed(near, top, far, bottom);
    }
}

fn mixed(near: i16, top: i16, far: i16, bottom: i16) -> u8 {
    ((upper_half(near, top) + upper_half(far, bottom) + 2) >> 2).clamp(0, 255) as u8
}

/// Of a product of 32 bits; below 1,021 here. One instruction on eight values.
fn upper_half(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 16) as i16
}

/// The lower 16 bits are the whole part of a number of sixteenths from 0 up to 2^15: at 1.5 * 2^23 float32 rounds to
/// whole numbers, and 15/32 less turn the nearest into the next lower. Quicker than the conversion, which would
/// look for what no i16 holds.
fn floor(value: f32) -> u32 {
    (value - 15.0 / 32.0 + 12_582_912.0).to_bits()
}

/// A source row blended along the columns, its values without their last four bits: up to 32,640.
#[derive(Clone)]
struct Spread {
    source: Option<usize>,
    /// Its pixels in sixteenths, four numbers each, which are worked on at once.
    pixels: Vec<[f32; 4]>,
    values: Vec<i16>,
}

impl Spread {
    fn fill(&mut self, source: usize, pixels: &[u8], width: usize, columns: &FixedPointAxis) {
        if self.source == Some(source) {
            return;
        }
        self.source = Some(source);
        let (row, _) = pixels[3 * source * width..3 * (source + 1) * width].as_chunks::<3>();
        for (pixel, &[r, g, b]) in self.pixels.iter_mut().zip(row) {
            *pixel = [r, g, b, 0].map(|byte| f32::from(byte) / 16.0);
        }
        let places = columns.first.iter().zip(&columns.second);
        let weights = columns.near.iter().zip(&columns.far);
        let targets = self.values.as_chunks_mut::<3>().0;
        for ((target, (&first, &second)), (&near, &far)) in targets.iter_mut().zip(places).zip(weights) {
            let (first, second) = (self.pixels[first], self.pixels[second]);
            let [r, g, b, _]: [u32; 4] = std::array::from_fn(|i| floor(first[i] * near + second[i] * far));
            *target = [r as i16, g as i16, b as i16];
        }
    }
}

/// Source pixels of one axis and their weights, whole numbers of 1/2048.
struct FixedPointAxis {
    first: Vec<usize>,
    second: Vec<usize>,
    near: Vec<f32>,
    far: Vec<f32>,
}

impl FixedPointAxis {
    /// `border` drops the fraction of positions outside, as OpenCV does for columns but not for rows.
    fn new(input: usize, output: usize, border: bool) -> FixedPointAxis {
        let last = input as i64 - 1;
        let mut axis = FixedPointAxis { first: vec![], second: vec![], near: vec![], far: vec![] };
        let scale = input as f64 / output as f64;
        for i in 0..output {
            let position = ((i as f64 + 0.5) * scale - 0.5) as f32;
            let mut first = position.floor() as i64;
            let mut fraction = position - first as f32;
            if border && (first < 0 || first >= last) {
                (first, fraction) = (first.clamp(0, last), 0.0);
            }
            axis.first.push(first.clamp(0, last) as usize);
            axis.second.push((first + 1).clamp(0, last) as usize);
            axis.near.push(((1.0 - fraction) * 2048.0).round_ties_even());
            axis.far.push((fraction * 2048.0).round_ties_even());
        }
        axis
    }
}
