//! Compressed masks, as far as boxes need them: run lengths and the bounding box of the set pixels.

/// The run lengths of a compressed mask: five bits a character, the sign in the last, differences from the third on.
/// `None` where the text ends inside a number.
pub(super) fn run_lengths(text: &str) -> Option<Vec<u32>> {
    let mut runs: Vec<u32> = Vec::new();
    let mut bytes = text.bytes();
    while let Some(first) = bytes.next() {
        let (mut value, mut shift, mut byte) = (0i64, 0u32, first);
        loop {
            let code = i64::from(byte) - 48;
            value |= (code & 31).checked_shl(shift).unwrap_or(0);
            shift = (shift + 5).min(60);
            if code & 32 == 0 {
                if code & 16 != 0 {
                    value |= (-1i64).checked_shl(shift).unwrap_or(0);
                }
                break;
            }
            byte = bytes.next()?;
        }
        let before = if runs.len() > 2 { i64::from(runs[runs.len() - 2]) } else { 0 };
        runs.push(value.wrapping_add(before) as u32);
    }
    Some(runs)
}

/// The bounding box of the set pixels of a mask in column order, in pycocotools' arithmetic: with none set, width and
/// height wrap around at 2^32. `None` for a mask without height.
pub(super) fn bounding_box(runs: &[u32], height: u32, width: u32) -> Option<[f64; 4]> {
    if runs.len() < 2 {
        return Some([0.0; 4]);
    }
    if height == 0 {
        return None;
    }
    let (mut left, mut top, mut right, mut bottom) = (width, height, 0u32, 0u32);
    let mut at = 0u32;
    for (place, &run) in runs[..runs.len() / 2 * 2].iter().enumerate() {
        let start = at;
        at = at.wrapping_add(run);
        if place % 2 == 0 || run == 0 {
            continue;
        }
        let end = at.wrapping_sub(1);
        let (first, last) = (start / height, end / height);
        let (high, low) = if first == last { (start % height, end % height) } else { (0, height - 1) };
        (left, right) = (left.min(first), right.max(last));
        (top, bottom) = (top.min(high), bottom.max(low));
    }
    let side = |low: u32, high: u32| f64::from(high.wrapping_sub(low).wrapping_add(1));
    Some([f64::from(left), f64::from(top), side(left, right), side(top, bottom)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_read_as_pycocotools_reads_it() {
        // 3 x 4 pixels, column by column: 1 unset, 2 set, 1 unset, 3 set, 5 unset.
        let runs = run_lengths("12113").unwrap();
        assert_eq!(runs[..3], [1, 2, 1]);
        assert_eq!(bounding_box(&[1, 2, 1, 3, 5], 3, 4), Some([0.0, 0.0, 3.0, 3.0]));
        assert_eq!(bounding_box(&[12], 3, 4), Some([0.0; 4]));
        assert_eq!(bounding_box(&[12, 0], 3, 4), Some([4.0, 3.0, 4294967293.0, 4294967294.0]));
        assert_eq!(run_lengths("o"), None);
    }
}
