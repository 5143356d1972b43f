//! A colour for every class. Whole numbers only, so that it is the same everywhere; knows no pictures.

use std::sync::LazyLock;

/// After this many classes the colours come round again.
const COLOURS: usize = 256;

/// The colour of a class as red, green and blue: distinct for the first 256 classes, never pale, grey or near black.
pub fn colour(class: usize) -> [u8; 3] {
    TABLE[class % TABLE.len()]
}

/// Each next colour is the one farthest from all before it, so the first few differ most.
static TABLE: LazyLock<Vec<[u8; 3]>> = LazyLock::new(|| {
    let candidates: Vec<[u8; 3]> = (0..16 * 16 * 16u32)
        .map(|index| [index / 256, index / 16 % 16, index % 16].map(|level| (level * 17) as u8))
        .filter(vivid)
        .collect();
    let mut nearest = vec![u32::MAX; candidates.len()];
    let mut table = vec![[255, 68, 51]];
    while table.len() < COLOURS {
        let last = table[table.len() - 1];
        let mut farthest = 0;
        for (index, candidate) in candidates.iter().enumerate() {
            nearest[index] = nearest[index].min(difference(*candidate, last));
            if nearest[index] > nearest[farthest] {
                farthest = index;
            }
        }
        table.push(candidates[farthest]);
    }
    table
});

/// Strong enough to stand out against pavement, skin, grass and shade.
fn vivid(colour: &[u8; 3]) -> bool {
    let (low, high) = (colour.iter().min(), colour.iter().max());
    let strength = high.zip(low).map_or(0, |(high, low)| high - low);
    strength >= 85 && (84..=215).contains(&luma(*colour))
}

/// Brightness from 0 to 255 with the weights of ITU-R BT.601.
pub(super) fn luma(colour: [u8; 3]) -> u32 {
    let [red, green, blue] = colour.map(u32::from);
    (299 * red + 587 * green + 114 * blue) / 1000
}

/// How different two colours look, squared: plain distance with channel weights that depend on the mean red,
/// a whole-number stand-in for a perceptual space.
fn difference(a: [u8; 3], b: [u8; 3]) -> u32 {
    let red = (u32::from(a[0]) + u32::from(b[0])) / 2;
    let [r, g, b] = std::array::from_fn(|i| u32::from(a[i].abs_diff(b[i])).pow(2));
    ((512 + red) * r + 1024 * g + (767 - red) * b) / 256
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Smallest distance between any two of the first so many colours.
    fn closest(count: usize) -> u32 {
        let pairs = (0..count).flat_map(|a| (0..a).map(move |b| (a, b)));
        pairs.map(|(a, b)| difference(colour(a), colour(b))).min().expect("two colours").isqrt()
    }

    #[test]
    fn colours_are_far_apart() {
        // Black and white are 765 apart. Neighbouring levels of one channel are at most 2.
        assert!(closest(10) > 200, "{}", closest(10));
        assert!(closest(31) > 100, "{}", closest(31));
        assert!(closest(91) > 55, "{}", closest(91));
        assert!(closest(256) > 25, "{}", closest(256));
    }

    #[test]
    fn colours_never_change() {
        assert_eq!(colour(0), [255, 68, 51]);
        assert_eq!(colour(256), colour(0));
        let _ = colour(usize::MAX);
    }
}
