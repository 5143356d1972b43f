//! Fax in TIFFs: lines of black and white in the codes of ITU-T's T.4 and T.6. The crate `fax` knows the codes.
//!
//! Knows nothing of a TIFF's tags.

use std::convert::Infallible;

use fax::BitReader;
use fax::maps::{Mode, black, mode, white};

/// How lines are coded and parted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fax {
    /// Each line by itself, from a multiple of so many bits on.
    Aligned(usize),
    /// Each line behind a mark, by itself.
    Marked,
    /// Each line behind a mark and a bit that says whether it is coded by itself.
    MarkedMixed,
    /// Each line by the line before it.
    Group4,
}

/// What is wrong with the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// A code that is none, or too few lines.
    Wrong,
    /// Pixels that are not coded at all.
    Uncompressed,
}

/// Bits from the highest of each byte on; behind the last there are zeros for a while, as codes are looked up by more bits
/// than they have.
struct FaxBits<'a> {
    bytes: &'a [u8],
    at: usize,
}

const BEHIND: usize = 32;

impl BitReader for FaxBits<'_> {
    type Error = Infallible;

    fn peek(&self, bits: u8) -> Option<u16> {
        if self.at + usize::from(bits) > 8 * self.bytes.len() + BEHIND {
            return None;
        }
        let byte = |place: usize| u32::from(self.bytes.get(self.at / 8 + place).copied().unwrap_or(0));
        let window = byte(0) << 16 | byte(1) << 8 | byte(2);
        let shifted = window << (8 + self.at % 8);
        Some((u64::from(shifted) >> (32 - u32::from(bits))) as u16)
    }

    fn consume(&mut self, bits: u8) -> Result<(), Infallible> {
        self.at += usize::from(bits);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        (self.at.next_multiple_of(8) - self.at) as u8
    }
}

impl FaxBits<'_> {
    fn next(&mut self) -> Option<u16> {
        let bit = self.peek(1);
        self.at += 1;
        bit
    }

    /// Behind the next mark of a line's end, eleven zeros or more and a one; what is before it is passed over.
    fn pass_mark(&mut self) -> Result<(), Damage> {
        while self.peek(11).ok_or(Damage::Wrong)? != 0 {
            self.at += 1;
        }
        self.at += 11;
        while self.next().ok_or(Damage::Wrong)? == 0 {}
        Ok(())
    }

    /// The length of a run: multiples of 64, and a rest.
    fn run(&mut self, is_black: bool, most: usize) -> Result<usize, Damage> {
        let mut length = 0;
        loop {
            let part = if is_black { black::decode(self) } else { white::decode(self) };
            let part = usize::from(part.ok_or(Damage::Wrong)?);
            length += part;
            if length > most {
                return Err(Damage::Wrong);
            }
            if part < 64 {
                return Ok(length);
            }
        }
    }
}

/// Where the colour of a line's pixels changes, from white at its begin.
#[derive(Debug, Default)]
struct FaxLine {
    changes: Vec<usize>,
}

impl FaxLine {
    /// Two changes at one place are none.
    fn change(&mut self, at: usize) {
        if self.changes.last() == Some(&at) {
            self.changes.pop();
        } else {
            self.changes.push(at);
        }
    }

    fn by_itself(&mut self, bits: &mut FaxBits<'_>, width: usize) -> Result<(), Damage> {
        let (mut at, mut is_black) = (0, false);
        while at < width {
            at += bits.run(is_black, width - at)?;
            self.change(at);
            is_black = !is_black;
        }
        Ok(())
    }

    /// Whether there is a line; there is none behind the last.
    fn by_the_last(&mut self, last: &FaxLine, bits: &mut FaxBits<'_>, width: usize) -> Result<bool, Damage> {
        // Before its begin, all is white.
        let (mut at, mut begun, mut is_black) = (0, false, false);
        // The place in `last` of the next change to the other colour.
        let mut place = 0;
        while at < width {
            let behind = |change: usize| if begun { change > at } else { true };
            while place > 0 && behind(last.changes[place - 1]) {
                place -= 1;
            }
            while last.changes.get(place).is_some_and(|&change| !behind(change)) {
                place += 1;
            }
            place += usize::from((place % 2 == 1) != is_black);
            let change = |place: usize| last.changes.get(place).map_or(width, |&change| change.min(width));
            let mark = bits.peek(12) == Some(1);
            match mode::decode(bits).ok_or(Damage::Wrong)? {
                Mode::Pass => at = change(place + 1),
                Mode::Vertical(by) => {
                    let to = change(place).checked_add_signed(by.into());
                    at = to.filter(|&to| to <= width && to >= at).ok_or(Damage::Wrong)?;
                    self.change(at);
                    is_black = !is_black;
                }
                Mode::Horizontal => {
                    for colour in [is_black, !is_black] {
                        at += bits.run(colour, width - at)?;
                        self.change(at);
                    }
                }
                Mode::Extension => return Err(Damage::Uncompressed),
                Mode::EOF if mark && !begun => return Ok(false),
                Mode::EOF => return Err(Damage::Wrong),
            }
            begun = true;
            place = place.min(last.changes.len());
        }
        Ok(true)
    }

    /// Sets the bits of the black pixels.
    fn draw(&self, row: &mut [u8], width: usize) {
        for black in self.changes.chunks(2) {
            let end = black.get(1).map_or(width, |&end| end.min(width));
            let (mut at, end) = (black[0].min(width), end);
            while at < end {
                if at.is_multiple_of(8) && at + 8 <= end {
                    row[at / 8] = 0xff;
                    at += 8;
                } else {
                    row[at / 8] |= 128 >> (at % 8);
                    at += 1;
                }
            }
        }
    }
}

/// So many lines of so many pixels, a bit each, ones for black; each begins with a byte of its own.
pub(super) fn decode(packed: &[u8], (width, height): (usize, usize), fax: Fax) -> Result<Vec<u8>, Damage> {
    let row = width.div_ceil(8).max(1);
    let mut bits = FaxBits { bytes: packed, at: 0 };
    let mut bytes = vec![0; row * height];
    let mut last = FaxLine::default();
    for row in bytes.chunks_exact_mut(row) {
        let mut line = FaxLine { changes: Vec::new() };
        let mixed = fax == Fax::MarkedMixed;
        match fax {
            Fax::Aligned(to) => bits.at = bits.at.next_multiple_of(to),
            Fax::Marked | Fax::MarkedMixed => bits.pass_mark()?,
            Fax::Group4 => {}
        }
        let alone = fax != Fax::Group4 && (!mixed || bits.next() == Some(1));
        let is_line = if alone {
            line.by_itself(&mut bits, width)?;
            true
        } else {
            line.by_the_last(&last, &mut bits, width)?
        };
        if bits.at > 8 * packed.len() {
            return Err(Damage::Wrong);
        }
        // Lines that are white to the last are left out.
        if !is_line {
            break;
        }
        line.draw(row, width);
        last = line;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of bits as written, blanks between the codes.
    fn packed(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
        bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(at, bit)| bit << (7 - at)).sum()).collect()
    }

    #[test]
    fn lines_by_hand() {
        // T.4: white 2 is 0111, black 3 is 10, white 3 is 1000; a mark is 000000000001.
        let alone = "0111 10 1000";
        let mark = "000000000001";
        let expected = Ok(vec![0b0011_1000, 0b0011_1000]);
        assert_eq!(decode(&packed(&format!("{alone} 000000 {alone}")), (8, 2), Fax::Aligned(16)), expected);
        assert_eq!(decode(&packed(&format!("{alone} 000000 {alone}")), (8, 2), Fax::Aligned(8)), expected);
        assert_eq!(decode(&packed(&format!("{mark}{alone}{mark}{alone}")), (8, 2), Fax::Marked), expected);
        // The second line as the first: no change is moved, nor is the end.
        assert_eq!(
            decode(&packed(&format!("{mark}1{alone}{mark}0 111")), (8, 2), Fax::MarkedMixed),
            expected
        );
        // T.6: horizontal (001) with white 2 and black 3, and the end where it is; then one to the right (011) and one to
        // the left (010), the end where it is.
        let lines = packed("001 0111 10 1 011 010 1");
        assert_eq!(decode(&lines, (8, 2), Fax::Group4), Ok(vec![0b0011_1000, 0b0001_0000]));
        // A pass (0001) over what is black above.
        let lines = packed("001 0111 10 1 0001 1");
        assert_eq!(decode(&lines, (8, 2), Fax::Group4), Ok(vec![0b0011_1000, 0]));
    }

    #[test]
    fn damage_is_told() {
        for fax in [Fax::Aligned(8), Fax::Marked, Fax::MarkedMixed, Fax::Group4] {
            assert_eq!(decode(&[], (8, 2), fax), Err(Damage::Wrong), "{fax:?}");
            for seed in 0..200u32 {
                let byte = |at: u32| (at + 7).wrapping_mul(seed + 3).wrapping_mul(2_654_435_761) >> 13;
                let noise: Vec<u8> = (0..40).map(|at| byte(at) as u8).collect();
                let _ = decode(&noise, (61, 9), fax);
                let _ = decode(&noise, (1, 1), fax);
            }
        }
        // White 9, which is longer than the line.
        assert_eq!(decode(&packed("10100"), (8, 1), Fax::Aligned(8)), Err(Damage::Wrong));
        // An extension of the codes (0000001).
        assert_eq!(decode(&packed("0000001 111"), (8, 1), Fax::Group4), Err(Damage::Uncompressed));
    }
}
