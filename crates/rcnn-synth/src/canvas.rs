//! Pixels as floats, masks and blur. Knows nothing of what is painted.

use super::maths::{Point, mix};

/// Red, green and blue from 0 to 1, as a screen shows them (not linear light).
pub(super) type Colour = [f32; 3];

/// A mix of two colours.
pub(super) fn blend(a: Colour, b: Colour, share: f32) -> Colour {
    std::array::from_fn(|i| mix(a[i], b[i], share))
}

/// A colour made darker or brighter.
pub(super) fn times(colour: Colour, by: f32) -> Colour {
    colour.map(|level| level * by)
}

/// A picture being painted.
#[derive(Clone, Debug)]
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<Colour>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize, colour: Colour) -> Canvas {
        Canvas { width, height, pixels: vec![colour; width * height] }
    }

    /// Blurs with a bell of this deviation in pixels, up to about 2.
    pub(super) fn blur(&mut self, deviation: f32) {
        let kernel = bell(deviation);
        let reach = kernel.len() - 1;
        if reach == 0 {
            return;
        }
        let mut row = vec![[0.0; 3]; self.width + 2 * reach];
        for line in self.pixels.chunks_exact_mut(self.width) {
            pad(&mut row, line, reach);
            for (x, pixel) in line.iter_mut().enumerate() {
                *pixel = weigh(&kernel, |step| (row[x + reach - step], row[x + reach + step]));
            }
        }
        let source = self.pixels.clone();
        let last = self.height - 1;
        for y in 0..self.height {
            for x in 0..self.width {
                let rows = |step: usize| (y.saturating_sub(step), (y + step).min(last));
                self.pixels[y * self.width + x] = weigh(&kernel, |step| {
                    let (above, below) = rows(step);
                    (source[above * self.width + x], source[below * self.width + x])
                });
            }
        }
    }
}

fn pad(row: &mut [Colour], line: &[Colour], reach: usize) {
    let width = line.len();
    row[reach..reach + width].copy_from_slice(line);
    row[..reach].fill(line[0]);
    row[reach + width..].fill(line[width - 1]);
}

fn weigh(kernel: &[f32], pair: impl Fn(usize) -> (Colour, Colour)) -> Colour {
    let mut sum = times(pair(0).0, kernel[0]);
    for (step, weight) in kernel.iter().enumerate().skip(1) {
        let (a, b) = pair(step);
        for channel in 0..3 {
            sum[channel] += (a[channel] + b[channel]) * weight;
        }
    }
    sum
}

/// Half a bell, from the middle out, that sums to 1 with its mirror image; by (1 - x²/9σ²)³, which has the shape
/// of a Gaussian and needs no exponential.
fn bell(deviation: f32) -> Vec<f32> {
    let end = 3.0 * deviation;
    let mut half = vec![1.0f32];
    for step in 1.. {
        let share = step as f32 / end.max(1e-3);
        let rest = 1.0 - share * share;
        if rest <= 0.0 || step > 16 {
            break;
        }
        half.push(rest * rest * rest);
    }
    let sum = 2.0 * half.iter().sum::<f32>() - half[0];
    half.iter().map(|weight| weight / sum).collect()
}

/// How much of each pixel something covers, from 0 to 1, in a window of the picture that may reach outside.
#[derive(Clone, Debug)]
pub(super) struct Coverage {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) cover: Vec<f32>,
}

impl Coverage {
    pub(super) fn new(left: i32, top: i32, width: usize, height: usize) -> Coverage {
        Coverage { left, top, width, height, cover: vec![0.0; width * height] }
    }

    /// Cover at a pixel of the picture; 0 outside the window.
    pub(super) fn get(&self, x: i32, y: i32) -> f32 {
        let (column, row) = (x - self.left, y - self.top);
        if column < 0 || row < 0 || column as usize >= self.width || row as usize >= self.height {
            return 0.0;
        }
        self.cover[row as usize * self.width + column as usize]
    }

    /// The mask smeared along a vector, in a window that has room for it, and `room` pixels more on each side.
    /// Cover fades by `fade` (0 to 1) towards the far end.
    pub(super) fn sweep(&self, along: Point, fade: f32, room: i32) -> Coverage {
        let (dx, dy) = (along.x.round() as i32, along.y.round() as i32);
        let left = self.left + dx.min(0) - room;
        let top = self.top + dy.min(0) - room;
        let width = self.width + (dx.abs() + 2 * room) as usize;
        let height = self.height + (dy.abs() + 2 * room) as usize;
        let mut swept = Coverage::new(left, top, width, height);
        let steps = dx.abs().max(dy.abs()).max(1);
        for step in 0..=steps {
            let share = step as f32 / steps as f32;
            let strength = 1.0 - fade * share;
            let column = self.left - left + (along.x * share).round() as i32;
            let row = self.top - top + (along.y * share).round() as i32;
            for y in 0..self.height {
                let start = (row as usize + y) * width + column as usize;
                let target = &mut swept.cover[start..start + self.width];
                for (to, from) in target.iter_mut().zip(&self.cover[y * self.width..]) {
                    *to = to.max(from * strength);
                }
            }
        }
        swept
    }

    /// Blurs with a box of this reach, twice, which is nearly a bell.
    pub(super) fn soften(&mut self, reach: usize) {
        for _ in 0..if reach == 0 { 0 } else { 2 } {
            for row in self.cover.chunks_exact_mut(self.width) {
                slide(row, reach);
            }
            let mut column = vec![0.0; self.height];
            for x in 0..self.width {
                for (y, value) in column.iter_mut().enumerate() {
                    *value = self.cover[y * self.width + x];
                }
                slide(&mut column, reach);
                for (y, value) in column.iter().enumerate() {
                    self.cover[y * self.width + x] = *value;
                }
            }
        }
    }
}

/// Mean over a sliding window; nothing lies beyond the ends.
fn slide(line: &mut [f32], reach: usize) {
    let source = line.to_vec();
    let share = 1.0 / (2 * reach + 1) as f32;
    let mut sum: f32 = source.iter().take(reach).sum();
    for (index, value) in line.iter_mut().enumerate() {
        sum += source.get(index + reach).copied().unwrap_or(0.0);
        *value = (sum * share).max(0.0);
        if index >= reach {
            sum -= source[index - reach];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::at;

    #[test]
    fn blur_keeps_the_light() {
        let mut canvas = Canvas::new(21, 21, [0.0; 3]);
        canvas.pixels[10 * 21 + 10] = [1.0, 2.0, 3.0];
        canvas.blur(1.0);
        let sum: f32 = canvas.pixels.iter().map(|pixel| pixel[1]).sum();
        assert!((sum - 2.0).abs() < 1e-4);
        assert!(canvas.pixels[10 * 21 + 10][0] < 0.3);
    }

    #[test]
    fn a_swept_mask_reaches_as_far_as_the_vector() {
        let mut dot = Coverage::new(5, 5, 1, 1);
        dot.cover[0] = 1.0;
        let swept = dot.sweep(at(4.0, -2.0), 0.5, 1);
        assert_eq!((swept.get(5, 5), swept.get(9, 3), swept.get(10, 3)), (1.0, 0.5, 0.0));
    }

    #[test]
    fn softening_spreads_cover_and_keeps_its_sum() {
        let mut mask = Coverage::new(0, 0, 15, 15);
        mask.cover[7 * 15 + 7] = 1.0;
        mask.soften(2);
        assert!((mask.cover.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }
}
