//! Turning maps so that the channels of a pixel lie together.

use pulp::{Simd, WithSimd};

/// Channels and pixels of a square that is turned at once: its rows are lines of the cache, on both sides.
const SIDE: usize = 16;

/// Some rows of (pictures, channels, height, width) to (pictures, height, width, channels).
pub(super) struct Turn<'a> {
    /// All pictures.
    pub(super) from: &'a [f32],
    /// Height and width.
    pub(super) plane: (usize, usize),
    pub(super) channels: usize,
    /// The first row, of those of all pictures.
    pub(super) first: usize,
    /// As many rows as there is room for.
    pub(super) to: &'a mut [f32],
}

impl WithSimd for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Turn { from, plane: (height, width), channels, first, to } = self;
        if height * width * channels == 0 {
            return;
        }
        for (row, to) in (first..).zip(to.chunks_exact_mut(width * channels)) {
            let (picture, y) = (row / height, row % height);
            let from = &from[(picture * channels * height + y) * width..];
            turn_row(from, height * width, width, channels, to);
        }
    }
}

#[inline(always)]
fn turn_row(from: &[f32], plane: usize, width: usize, channels: usize, to: &mut [f32]) {
    for x in (0..width).step_by(SIDE) {
        for channel in (0..channels).step_by(SIDE) {
            let (pixels, depth) = (SIDE.min(width - x), SIDE.min(channels - channel));
            if pixels == SIDE && depth == SIDE {
                turn_square(&from[channel * plane + x..], plane, channels, &mut to[x * channels + channel..]);
                continue;
            }
            for x in x..x + pixels {
                for channel in channel..channel + depth {
                    to[x * channels + channel] = from[channel * plane + x];
                }
            }
        }
    }
}

#[inline(always)]
fn turn_square(from: &[f32], plane: usize, channels: usize, to: &mut [f32]) {
    let mut square = [[0.0; SIDE]; SIDE];
    for (channel, row) in square.iter_mut().enumerate() {
        row.copy_from_slice(&from[channel * plane..][..SIDE]);
    }
    for x in 0..SIDE {
        let to = &mut to[x * channels..][..SIDE];
        for channel in 0..SIDE {
            to[channel] = square[channel][x];
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::Arch;

    use super::*;

    #[test]
    fn every_value_is_where_it_belongs() {
        // With whole squares and without.
        for [pictures, channels, height, width] in [[2, 3, 2, 5], [1, 32, 1, 16], [2, 20, 3, 37]] {
            let from: Vec<f32> = (0..pictures * channels * height * width).map(|i| i as f32).collect();
            let mut to = vec![f32::NAN; from.len()];
            let line = width * channels;
            for (part, to) in to.chunks_mut(2 * line).enumerate() {
                Arch::new().dispatch(Turn {
                    from: &from,
                    plane: (height, width),
                    channels,
                    first: 2 * part,
                    to,
                });
            }
            for (place, &is) in to.iter().enumerate() {
                let (channel, x) = (place % channels, place / channels % width);
                let (y, picture) = (place / line % height, place / line / height);
                assert_eq!(is as usize, ((picture * channels + channel) * height + y) * width + x);
            }
        }
    }
}
