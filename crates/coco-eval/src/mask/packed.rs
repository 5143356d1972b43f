//! Intervals of many masks in a quarter to half of their memory: distances in 16 bits, and more where one does not fit.

use super::facts::PixelRun;

/// Behind this follow the lower and the upper half of a distance that does not fit.
const LONG: u16 = u16::MAX;

/// Appends the intervals of a mask: for each the distance from the end of the one before, and its length.
pub(crate) fn pack(intervals: &[PixelRun], packed: &mut Vec<u16>) {
    let mut at = 0;
    for interval in intervals {
        put(interval.start - at, packed);
        put(interval.end - interval.start, packed);
        at = interval.end;
    }
}

fn put(distance: u32, packed: &mut Vec<u16>) {
    match u16::try_from(distance) {
        Ok(short) if short != LONG => packed.push(short),
        _ => packed.extend([LONG, distance as u16, (distance >> 16) as u16]),
    }
}

/// Puts the intervals of a mask in the place of others.
pub(crate) fn unpack(packed: &[u16], intervals: &mut Vec<PixelRun>) {
    intervals.clear();
    let (mut rest, mut at) = (packed, 0);
    while let (Some(start), Some(length)) = (take(&mut rest), take(&mut rest)) {
        let start = at + start;
        at = start + length;
        intervals.push(PixelRun { start, end: at });
    }
}

#[inline(always)]
fn take(rest: &mut &[u16]) -> Option<u32> {
    let (&first, others) = rest.split_first()?;
    if first != LONG {
        *rest = others;
        return Some(first.into());
    }
    let (&[low, high], others) = others.split_first_chunk::<2>()?;
    *rest = others;
    Some(u32::from(low) | u32::from(high) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_come_back() {
        let bounds = [
            (0, 1),
            (2, 3),
            (65_536, 65_537),
            (65_600, 131_135),
            (131_136, 131_136 + 65_534),
            (3_000_000_000, u32::MAX),
        ];
        let intervals: Vec<PixelRun> = bounds.map(|(start, end)| PixelRun { start, end }).into();
        let mut packed = Vec::new();
        pack(&intervals, &mut packed);
        let mut found = vec![PixelRun { start: 7, end: 8 }];
        unpack(&packed, &mut found);
        assert_eq!(found, intervals);
        unpack(&[], &mut found);
        assert!(found.is_empty());
    }
}
