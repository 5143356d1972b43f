//! Pillow's `resize` on 8 bits: an antialiased kernel, two passes, each rounded to 8 bits.
//!
//! Across first, then down, as every Pillow before 13 does and detectron2 relies on.

/// Fraction bits of a weight.
const BITS: u32 = 22;

/// A kernel: how far it reaches in output pixels when enlarging, and its value at a distance.
#[derive(Clone, Copy)]
struct ResampleKernel {
    reach: f64,
    at: fn(f64) -> f64,
}

const BILINEAR: ResampleKernel = ResampleKernel { reach: 1.0, at: |x| (1.0 - x.abs()).max(0.0) };

const BICUBIC: ResampleKernel = ResampleKernel { reach: 2.0, at: cubic };

/// The cubic convolution kernel with a = -0.5, Pillow's choice.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// `resize(…, BILINEAR)`: interleaved RGB from `size` to `target`, both (height, width) above 0.
/// A pass that changes nothing is left out.
pub fn pillow(pixels: &[u8], size: (usize, usize), target: (usize, usize)) -> Vec<u8> {
    resize(pixels, size, target, BILINEAR)
}

/// `resize(…, BICUBIC)`, as [`pillow`].
pub fn pillow_bicubic(pixels: &[u8], size: (usize, usize), target: (usize, usize)) -> Vec<u8> {
    resize(pixels, size, target, BICUBIC)
}

fn resize(pixels: &[u8], size: (usize, usize), target: (usize, usize), kernel: ResampleKernel) -> Vec<u8> {
    let across = if size.1 == target.1 { pixels.to_vec() } else { across(pixels, size, target.1, kernel) };
    if size.0 == target.0 { across } else { down(&across, (size.0, target.1), target.0, kernel) }
}

/// The window of one output pixel: its first input pixel and the integer weights from there on.
struct PixelWindow {
    first: usize,
    weights: Vec<i32>,
}

fn windows(input: usize, output: usize, kernel: ResampleKernel) -> Vec<PixelWindow> {
    let scale = input as f64 / output as f64;
    let stretch = scale.max(1.0);
    let reach = kernel.reach * stretch;
    (0..output)
        .map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            // Casts cut towards zero, as C's do.
            let first = (centre - reach + 0.5).max(0.0) as usize;
            let end = ((centre + reach + 0.5) as usize).min(input);
            let weight = |x: usize| (kernel.at)((x as f64 - centre + 0.5) / stretch);
            let weights: Vec<f64> = (first..end).map(weight).collect();
            let total: f64 = weights.iter().sum();
            let fixed = |w: f64| {
                let wide = w / total * f64::from(1u32 << BITS);
                (wide + 0.5f64.copysign(wide)) as i32
            };
            PixelWindow { first, weights: weights.into_iter().map(fixed).collect() }
        })
        .collect()
}

fn across(pixels: &[u8], (height, width): (usize, usize), target: usize, kernel: ResampleKernel) -> Vec<u8> {
    let windows = windows(width, target, kernel);
    let mut out = Vec::with_capacity(3 * height * target);
    for row in pixels.chunks_exact(3 * width).take(height) {
        let (row, _) = row.as_chunks::<3>();
        for window in &windows {
            let mut sums = [1i32 << (BITS - 1); 3];
            for (pixel, &weight) in row[window.first..].iter().zip(&window.weights) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(value) * weight;
                }
            }
            out.extend(sums.map(to_byte));
        }
    }
    out
}

fn down(pixels: &[u8], (height, width): (usize, usize), target: usize, kernel: ResampleKernel) -> Vec<u8> {
    let mut out = Vec::with_capacity(3 * target * width);
    let mut sums = vec![0i32; 3 * width];
    for window in windows(height, target, kernel) {
        sums.fill(1 << (BITS - 1));
        let rows = pixels.chunks_exact(3 * width).skip(window.first);
        for (row, &weight) in rows.zip(&window.weights) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += i32::from(value) * weight;
            }
        }
        out.extend(sums.iter().map(|&sum| to_byte(sum)));
    }
    out
}

fn to_byte(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}
