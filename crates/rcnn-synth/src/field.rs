//! SceneRandom fields: smooth noise over a picture or at a point. Knows nothing of what it is used for.

use super::maths::Point;
use super::random::SceneRandom;

/// Smooth noise over a whole picture: random levels from -1 to 1 on a lattice of this cell in pixels, eased
/// between. Added to what is there, times the amount.
pub(super) fn add_noise(field: &mut [f32], width: usize, cell: f32, amount: f32, random: &mut SceneRandom) {
    let height = field.len() / width;
    // A lattice that starts somewhere within a cell, so that octaves do not line up.
    let (start_x, start_y) = (random.unit(), random.unit());
    let columns = (width as f32 / cell) as usize + 3;
    let rows = (height as f32 / cell) as usize + 3;
    let lattice: Vec<f32> = (0..columns * rows).map(|_| 2.0 * random.unit() - 1.0).collect();
    let place = |pixel: usize, start: f32| {
        let position = pixel as f32 / cell + start;
        let whole = position.floor();
        let share = position - whole;
        (whole as usize, share * share * (3.0 - 2.0 * share))
    };
    let across: Vec<(usize, f32)> = (0..width).map(|x| place(x, start_x)).collect();
    let mut eased = vec![0.0; columns];
    for (y, line) in field.chunks_exact_mut(width).enumerate() {
        let (row, share) = place(y, start_y);
        let (upper, lower) = (&lattice[row * columns..], &lattice[(row + 1) * columns..]);
        for (value, (a, b)) in eased.iter_mut().zip(upper.iter().zip(lower)) {
            *value = (a + (b - a) * share) * amount;
        }
        for (value, (column, share)) in line.iter_mut().zip(&across) {
            let (a, b) = (eased[*column], eased[column + 1]);
            *value += a + (b - a) * share;
        }
    }
}

/// A field of several octaves: each half the cell and `fall` times the amount of the one before.
pub(super) fn clouds(
    width: usize,
    height: usize,
    cell: f32,
    octaves: usize,
    fall: f32,
    random: &mut SceneRandom,
) -> Vec<f32> {
    let mut field = vec![0.0; width * height];
    let (mut cell, mut amount) = (cell, 1.0);
    for _ in 0..octaves {
        add_noise(&mut field, width, cell, amount, random);
        (cell, amount) = (cell * 0.53, amount * fall);
    }
    field
}

/// Smooth noise from -1 to 1 at one point of an endless lattice of cell 1.
pub(super) fn noise_at(point: Point, seed: u32) -> f32 {
    let (left, top) = (point.x.floor(), point.y.floor());
    let ease = |share: f32| share * share * (3.0 - 2.0 * share);
    let (across, down) = (ease(point.x - left), ease(point.y - top));
    let (x, y) = (left as i32, top as i32);
    let upper = level(x, y, seed) * (1.0 - across) + level(x.wrapping_add(1), y, seed) * across;
    let below = y.wrapping_add(1);
    let lower = level(x, below, seed) * (1.0 - across) + level(x.wrapping_add(1), below, seed) * across;
    upper * (1.0 - down) + lower * down
}

/// The level at a lattice point: its coordinates multiplied by odd numbers and scrambled.
fn level(x: i32, y: i32, seed: u32) -> f32 {
    let mixed = (x as u32).wrapping_mul(0x9e37_79b1)
        ^ (y as u32).wrapping_mul(0x85eb_ca77)
        ^ seed.wrapping_mul(0xc2b2_ae3d);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2c1b_3c6d);
    let mixed = (mixed ^ (mixed >> 12)).wrapping_mul(0x297a_2d39);
    ((mixed ^ (mixed >> 15)) >> 8) as f32 / 8_388_608.0 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::at;

    #[test]
    fn noise_keeps_its_range_and_is_smooth() {
        let field = clouds(64, 48, 16.0, 1, 0.5, &mut SceneRandom::new(3));
        assert!(field.iter().all(|value| (-1.0..=1.0).contains(value)));
        assert!(
            field
                .windows(2)
                .enumerate()
                .all(|(i, pair)| (i + 1) % 64 == 0 || (pair[1] - pair[0]).abs() < 0.2)
        );
        let spread = field.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        assert!(spread > 0.3);
    }

    #[test]
    fn noise_at_a_point_is_smooth_over_cells() {
        let (before, after) = (noise_at(at(2.9999, -1.5), 5), noise_at(at(3.0001, -1.5), 5));
        assert!((before - after).abs() < 1e-2);
        assert_ne!(noise_at(at(0.0, 0.0), 1), noise_at(at(0.0, 0.0), 2));
    }
}
