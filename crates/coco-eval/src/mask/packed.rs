//! Intervals of many masks in a quarter of their memory: most run on from one column to the next, a little higher or lower and a
//! little longer or shorter, which takes two bytes.

use super::facts::PixelRun;

/// In the place of a step: what does not fit two bytes follows.
const OTHER: u8 = 0x80;

/// Behind this follow the lower and the upper half of a distance that does not fit 16 bits.
const LONG: u16 = u16::MAX;

/// The run that is expected where a column looks like the one before it.
#[derive(Clone, Copy, Default)]
struct ExpectedRun {
    start: u32,
    length: u32,
}

/// Appends the intervals of a mask of a height: for each, as two signed bytes, by how much it begins behind where the one before
/// began, a column further, and by how much it is longer; or else the distance from its end and the length.
pub(crate) fn pack(intervals: &[PixelRun], height: u32, packed: &mut Vec<u8>) {
    let (mut expected, mut at) = (ExpectedRun::default(), 0);
    for &PixelRun { start, end } in intervals {
        let length = end - start;
        let step = |value: u32, from: u32| {
            let step = i64::from(value) - i64::from(from);
            i8::try_from(step).ok().map(|step| step as u8).filter(|&step| step != OTHER)
        };
        match (step(start, expected.start), step(length, expected.length)) {
            (Some(start), Some(length)) => packed.extend([start, length]),
            _ => {
                packed.push(OTHER);
                put(start - at, packed);
                put(length, packed);
            }
        }
        at = end;
        expected = ExpectedRun { start: start.wrapping_add(height), length };
    }
}

fn put(distance: u32, packed: &mut Vec<u8>) {
    match u16::try_from(distance) {
        Ok(short) if short != LONG => packed.extend(short.to_le_bytes()),
        _ => {
            packed.extend(LONG.to_le_bytes());
            packed.extend(distance.to_le_bytes());
        }
    }
}

/// Puts the intervals of a mask of a height in the place of others.
pub(crate) fn unpack(packed: &[u8], height: u32, intervals: &mut Vec<PixelRun>) {
    intervals.clear();
    // Two bytes an interval at least.
    intervals.reserve(packed.len() / 2);
    let (mut rest, mut expected, mut at) = (packed, ExpectedRun::default(), 0u32);
    while let Some((&[first, second], others)) = rest.split_first_chunk::<2>() {
        let (start, length) = if first != OTHER {
            rest = others;
            let step = |from: u32, step: u8| from.wrapping_add_signed(i32::from(step as i8));
            (step(expected.start, first), step(expected.length, second))
        } else {
            rest = &rest[1..];
            let (Some(gap), Some(length)) = (take(&mut rest), take(&mut rest)) else { return };
            (at.wrapping_add(gap), length)
        };
        at = start.wrapping_add(length);
        intervals.push(PixelRun { start, end: at });
        expected = ExpectedRun { start: start.wrapping_add(height), length };
    }
}

fn take(rest: &mut &[u8]) -> Option<u32> {
    let (&short, others) = rest.split_first_chunk::<2>()?;
    *rest = others;
    let short = u16::from_le_bytes(short);
    if short != LONG {
        return Some(short.into());
    }
    let (&long, others) = rest.split_first_chunk::<4>()?;
    *rest = others;
    Some(u32::from_le_bytes(long))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intervals(bounds: &[(u32, u32)]) -> Vec<PixelRun> {
        bounds.iter().map(|&(start, end)| PixelRun { start, end }).collect()
    }

    #[test]
    fn intervals_come_back() {
        let far = [
            (0, 1),
            (2, 3),
            (65_536, 65_537),
            (65_600, 131_135),
            (131_136, 131_136 + 65_534),
            (3_000_000_000, u32::MAX),
        ];
        // Columns of 1000 rows: one like the other, steps that just fit and that just do not.
        let near = [
            (100, 300),
            (1100, 1300),
            (2227, 2300),
            (3100, 3300),
            (3972, 4299),
            (4844, 5000),
            (5971, 6000),
            (7099, 7255),
        ];
        for (bounds, height) in [(&far[..], 7), (&near[..], 1000), (&[], 1)] {
            let (intervals, mut packed) = (intervals(bounds), Vec::new());
            pack(&intervals, height, &mut packed);
            let mut found = vec![PixelRun { start: 7, end: 8 }];
            unpack(&packed, height, &mut found);
            assert_eq!(found, intervals);
        }
    }

    #[test]
    fn columns_alike_take_two_bytes() {
        let columns: Vec<(u32, u32)> =
            (0..50).map(|column| (480 * column + 20, 480 * column + 90 + column)).collect();
        let mut packed = Vec::new();
        pack(&intervals(&columns), 480, &mut packed);
        assert_eq!(packed.len(), 2 * 50);
    }
}
