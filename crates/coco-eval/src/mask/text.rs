//! COCO's text of run lengths: five bits a character, lowest first; from the fourth number on, the difference from the number
//! two before.

use super::error::MaskError;

/// Reads run lengths one after the other (`rleFrString`).
#[derive(Clone, Debug)]
pub(crate) struct CountsReader<'a> {
    text: &'a [u8],
    at: usize,
    count: usize,
    /// The last two numbers, the last one second.
    before: [u32; 2],
}

impl<'a> CountsReader<'a> {
    /// Reads a text up to its end or to a zero byte, where C's strings end.
    pub(crate) fn new(text: &'a [u8]) -> CountsReader<'a> {
        CountsReader { text, at: 0, count: 0, before: [0; 2] }
    }

    /// The next run length; `None` at the end.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<Result<u32, MaskError>> {
        let value = match self.short() {
            Some(value) => value,
            None => match self.long()? {
                Ok(value) => value,
                Err(error) => return Some(Err(error)),
            },
        };
        let value = if self.count > 2 { value.wrapping_add(self.before[0]) } else { value };
        self.count += 1;
        self.before = [self.before[1], value];
        Some(Ok(value))
    }

    /// A number of one character or two, as most are: without a branch on which of the two it is, as that cannot be foreseen.
    #[inline(always)]
    fn short(&mut self) -> Option<u32> {
        let &[first, second] = self.text.get(self.at..)?.first_chunk::<2>()?;
        let (low, high) = (u32::from(first.wrapping_sub(48)), u32::from(second.wrapping_sub(48)));
        let two = low >> 5 & 1;
        if first == 0 || two & u32::from(second == 0 || high & 32 != 0) == 1 {
            return None;
        }
        self.at += 1 + two as usize;
        let bits = low & 31 | (high & 31) << 5 & two.wrapping_neg();
        // The sign is the highest of the five or ten bits.
        let above = 27 - 5 * two;
        Some(((bits << above) as i32 >> above) as u32)
    }

    /// A number of any length.
    fn long(&mut self) -> Option<Result<u32, MaskError>> {
        let mut byte = *self.text.get(self.at)?;
        if byte == 0 {
            return None;
        }
        let (mut value, mut shift) = (0u32, 0u32);
        loop {
            self.at += 1;
            let code = byte.wrapping_sub(48);
            // Only the lower 32 bits are kept, and what lies above is C's own affair: on x86 the distance of a shift wraps.
            value |= u32::from(code & 31).wrapping_shl(shift);
            shift += 5;
            if code & 32 == 0 {
                if code & 16 != 0 {
                    value |= u32::MAX.wrapping_shl(shift);
                }
                break;
            }
            byte = match self.text.get(self.at) {
                Some(&byte) if byte != 0 => byte,
                _ => return Some(Err(MaskError::Cut)),
            };
        }
        Some(Ok(value))
    }
}

/// Appends the text of run lengths (`rleToString`).
pub(super) fn write(runs: &[u32], text: &mut Vec<u8>) {
    for (place, &run) in runs.iter().enumerate() {
        let mut value = i64::from(run);
        if place > 2 {
            value -= i64::from(runs[place - 2]);
        }
        loop {
            let bits = (value & 31) as u8;
            value >>= 5;
            // The sign is the highest of the five bits.
            let more = if bits & 16 == 0 { value != 0 } else { value != -1 };
            text.push((bits | u8::from(more) << 5) + 48);
            if !more {
                break;
            }
        }
    }
}
