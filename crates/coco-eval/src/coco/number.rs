//! Numbers in JSON: the correctly rounded double, or the exact integer.
//!
//! Short numbers are a division of two exact doubles. Those of up to 19 digits, as float32 values have that were
//! widened and printed, are one wide multiplication (the method of Eisel and Lemire). The rest goes to the standard
//! library.

use super::scan::NumberText;

/// What stands at a place.
pub(super) enum NumberRead {
    Number(NumberText, usize),
    Short,
    Bad(usize, &'static str),
}

/// Where a number ends whose value nobody needs.
pub(super) enum NumberEnd {
    Plain(usize),
    /// Not of the usual form, or too near the end of the slice: [`read`] decides.
    Other,
}

/// Powers of ten that a double holds exactly.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Reads the number at `start`, which must end before the slice does: only what follows shows that it is whole.
#[inline]
pub(super) fn read(data: &[u8], start: usize) -> NumberRead {
    let mut at = start;
    let negative = data.get(at) == Some(&b'-');
    at += usize::from(negative);
    let first = at;
    let mut mantissa: u64 = 0;
    digits_into(data, &mut at, &mut mantissa);
    let mut digits = at - first;
    if digits == 0 {
        return word(data, first, negative);
    }
    if data[first] == b'0' && digits > 1 {
        // Python reads `0` and then finds no comma.
        return NumberRead::Number(NumberText::Int(0), first + 1);
    }
    let mut exponent: i64 = 0;
    let mut whole = true;
    if data.get(at) == Some(&b'.') {
        whole = false;
        let point = at + 1;
        at = point;
        digits_into(data, &mut at, &mut mantissa);
        if at == point {
            return if at == data.len() {
                NumberRead::Short
            } else {
                NumberRead::Bad(at, "expected a digit behind the point")
            };
        }
        digits += at - point;
        exponent = -((at - point) as i64);
    }
    if let Some(b'e' | b'E') = data.get(at) {
        whole = false;
        let sign = data.get(at + 1);
        let power = at + 1 + usize::from(matches!(sign, Some(b'-' | b'+')));
        at = power;
        let mut value: i64 = 0;
        while let Some(digit) = digit(data, at) {
            value = value.saturating_mul(10).saturating_add(digit as i64);
            at += 1;
        }
        if at == power {
            return if at == data.len() {
                NumberRead::Short
            } else {
                NumberRead::Bad(at, "expected a digit in the exponent")
            };
        }
        exponent = exponent.saturating_add(if sign == Some(&b'-') { -value } else { value });
    }
    if at == data.len() {
        return NumberRead::Short;
    }
    if whole {
        return NumberRead::Number(integer(&data[start..at], mantissa, digits, negative), at);
    }
    let value = if digits <= 19 { scaled(mantissa, exponent) } else { None };
    let value = match value {
        Some(value) if negative => -value,
        Some(value) => value,
        None => by_library(&data[start..at]),
    };
    NumberRead::Number(NumberText::Float(value), at)
}

#[inline]
fn digit(data: &[u8], at: usize) -> Option<u64> {
    let digit = data.get(at)?.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

/// A byte that is not 0 for each of eight bytes that is no digit, up to the first of them; behind it anything.
#[inline]
fn others(bytes: u64) -> u64 {
    const UPPER: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const THREES: u64 = 0x3030_3030_3030_3030;
    // A byte is a digit if its upper half is 3 and stays 3 when 6 is added to it. A carry out of a byte of 250 or
    // more spoils bytes behind it.
    ((bytes & UPPER) ^ THREES) | ((bytes.wrapping_add(0x0606_0606_0606_0606) & UPPER) ^ THREES)
}

/// How many of eight bytes are digits before the first that is none.
#[inline]
fn leading_digits(bytes: u64) -> usize {
    others(bytes).trailing_zeros() as usize / 8
}

/// The number that the first `count` of eight bytes spell; `count` is not 0 and all of these are digits.
#[inline]
fn spelled(bytes: u64, count: usize) -> u64 {
    // The bytes move up so that zeros stand before them; then neighbours are joined: eight digits, four pairs, two
    // quadruples, one number.
    let digits = bytes.wrapping_sub(0x3030_3030_3030_3030) << (64 - 8 * count);
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let quads = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (quads * 10_000 + (quads >> 32)) & 0xffff_ffff
}

/// What a number is multiplied by when digits are appended.
const EIGHTS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Appends the digits from `at` on to a number.
#[inline]
fn digits_into(data: &[u8], at: &mut usize, number: &mut u64) {
    while let Some(&eight) = data[*at..].first_chunk::<8>() {
        let bytes = u64::from_le_bytes(eight);
        let count = leading_digits(bytes);
        if count == 0 {
            return;
        }
        *number = number.wrapping_mul(EIGHTS[count]).wrapping_add(spelled(bytes, count));
        *at += count;
        if count < 8 {
            return;
        }
    }
    while let Some(digit) = digit(data, *at) {
        *number = number.wrapping_mul(10).wrapping_add(digit);
        *at += 1;
    }
}

/// Bytes that the quick way looks at: a sign, seven digits and a point, and three eights of digits behind it.
const QUICK: usize = 40;

/// A bit for each of eight bytes: set where it is no digit.
#[inline]
fn not_digits(bytes: u64) -> u32 {
    const SEVENS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let other = others(bytes);
    let tops = (((other & SEVENS) + SEVENS) | other) & !SEVENS;
    // One product moves the top bit of byte k to bit 56 + k.
    ((tops >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

/// A number such as `-123.456` that is not near the end of the slice, and its end; `None` for any other spelling.
///
/// Point and end are found by looking at 24 bytes at once, as each number waits for the end of the one before it.
#[inline]
pub(super) fn quick(data: &[u8], start: usize) -> Option<(f64, usize)> {
    let text = data.get(start..)?.first_chunk::<QUICK>()?;
    let eight = |at: usize| text.get(at..)?.first_chunk::<8>().map(|&eight| u64::from_le_bytes(eight));
    let negative = text[0] == b'-';
    let first = usize::from(negative);
    let front = eight(first)?;
    let stops = not_digits(front) | not_digits(eight(first + 8)?) << 8 | not_digits(eight(first + 16)?) << 16;
    let whole = stops.trailing_zeros() as usize;
    let end = (stops & stops.wrapping_sub(1)).trailing_zeros() as usize;
    if whole == 0 || whole > 7 || end > 23 || end < whole + 2 {
        return None;
    }
    if text[first + whole] != b'.'
        || matches!(text[first + end], b'e' | b'E')
        || (text[first] == b'0' && whole > 1)
    {
        return None;
    }
    let places = end - whole - 1;
    let mut mantissa = spelled(front, whole);
    let mut at = first + whole + 1;
    let mut left = places;
    while left > 0 {
        let count = left.min(8);
        mantissa = mantissa.checked_mul(EIGHTS[count])?.checked_add(spelled(eight(at)?, count))?;
        at += count;
        left -= count;
    }
    let value = match TENS.get(places) {
        Some(power) if mantissa < 1 << 53 => mantissa as f64 / power,
        _ => wide(mantissa, places)?,
    };
    Some((if negative { -value } else { value }, start + first + end))
}

/// A whole number of up to seven digits that is not near the end of the slice, and its end.
#[inline]
pub(super) fn quick_integer(data: &[u8], start: usize) -> Option<(i64, usize)> {
    let text = data.get(start..)?.first_chunk::<8>()?;
    let bytes = u64::from_le_bytes(*text);
    let count = leading_digits(bytes);
    if count == 0 || count == 8 || matches!(text[count], b'.' | b'e' | b'E') || (text[0] == b'0' && count > 1)
    {
        return None;
    }
    Some((spelled(bytes, count) as i64, start + count))
}

/// Where the digits from `at` on end.
#[inline]
fn past_digits(data: &[u8], mut at: usize) -> usize {
    while let Some(&eight) = data[at..].first_chunk::<8>() {
        let count = leading_digits(u64::from_le_bytes(eight));
        at += count;
        if count < 8 {
            return at;
        }
    }
    while digit(data, at).is_some() {
        at += 1;
    }
    at
}

/// The most decimal places that [`wide`] can take off without a second look at the rounding.
const PLACES: usize = 27;

/// 1 / 5^k, rounded up to 128 bits of which the first is set.
const FIFTHS: [u128; PLACES + 1] = {
    let mut table = [1 << 127; PLACES + 1];
    let mut power: u128 = 1;
    let mut k = 1;
    while k <= PLACES {
        power *= 5;
        // Long division of a power of two, until the quotient has 128 bits.
        let (mut quotient, mut rest) = (0u128, 1u128);
        while quotient >> 127 == 0 {
            rest *= 2;
            quotient = quotient * 2 + if rest >= power { 1 } else { 0 };
            rest = if rest >= power { rest - power } else { rest };
        }
        table[k] = quotient + 1;
        k += 1;
    }
    table
};

/// `mantissa / 10^places`, correctly rounded.
#[inline]
fn wide(mantissa: u64, places: usize) -> Option<f64> {
    let fifth = *FIFTHS.get(places)?;
    if mantissa == 0 {
        return Some(0.0);
    }
    let shift = mantissa.leading_zeros();
    let whole = u128::from(mantissa << shift);
    // The upper 128 of the product's 192 bits.
    let product = whole * (fifth >> 64) + ((whole * (fifth & u128::from(u64::MAX))) >> 64);
    let (high, low) = ((product >> 64) as u64, product as u64);
    let top = (high >> 63) as u32;
    let mut bits = high >> (top + 9);
    // The double lies exactly between two others only for few places; then the even one is taken.
    if low <= 1 && places <= 4 && bits & 3 == 1 && bits << (top + 9) == high {
        bits &= !1;
    }
    bits = (bits + (bits & 1)) >> 1;
    let mut exponent = ((-217_706 * places as i64) >> 16) + 63 + i64::from(top) - i64::from(shift) + 1023;
    if bits >> 53 == 1 {
        bits >>= 1;
        exponent += 1;
    }
    Some(f64::from_bits((bits & ((1 << 52) - 1)) | (exponent as u64) << 52))
}

/// `mantissa * 10^exponent`, correctly rounded, where that is cheap.
#[inline]
fn scaled(mantissa: u64, exponent: i64) -> Option<f64> {
    if mantissa < 1 << 53 {
        if let Some(&power) = usize::try_from(-exponent).ok().and_then(|power| TENS.get(power)) {
            return Some(mantissa as f64 / power);
        }
        if let Some(&power) = usize::try_from(exponent).ok().and_then(|power| TENS.get(power)) {
            return Some(mantissa as f64 * power);
        }
    }
    wide(mantissa, usize::try_from(-exponent).ok()?)
}

fn integer(text: &[u8], mantissa: u64, digits: usize, negative: bool) -> NumberText {
    if digits <= 18 {
        let value = mantissa as i64;
        return NumberText::Int(if negative { -value } else { value });
    }
    match std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) {
        Some(value) => NumberText::Int(value),
        None => NumberText::Big(by_library(text)),
    }
}

/// The standard library rounds correctly and gives infinity beyond the range, as Python does.
fn by_library(text: &[u8]) -> f64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

fn word(data: &[u8], at: usize, negative: bool) -> NumberRead {
    let sign = if negative { -1.0 } else { 1.0 };
    for (word, value) in [("Infinity", sign * f64::INFINITY), ("NaN", f64::NAN)] {
        let rest = &data[at.min(data.len())..];
        if word == "NaN" && negative {
            continue;
        }
        if rest.starts_with(word.as_bytes()) {
            return NumberRead::Number(NumberText::Float(value), at + word.len());
        }
        if word.as_bytes().starts_with(rest) {
            return NumberRead::Short;
        }
    }
    NumberRead::Bad(at, if negative { "expected a digit" } else { "expected a value" })
}

/// Where the number at `start` ends, without its value.
#[inline]
pub(super) fn end(data: &[u8], start: usize) -> NumberEnd {
    let mut at = start;
    at += usize::from(data.get(at) == Some(&b'-'));
    let first = at;
    at = past_digits(data, at);
    if at == first || (data[first] == b'0' && at > first + 1) {
        return NumberEnd::Other;
    }
    if data.get(at) == Some(&b'.') {
        let point = at + 1;
        at = past_digits(data, point);
        if at == point {
            return NumberEnd::Other;
        }
    }
    match data.get(at) {
        None | Some(b'e' | b'E') => NumberEnd::Other,
        Some(_) => NumberEnd::Plain(at),
    }
}

/// The double that is written with the digits of a float32.
pub fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> f64 {
        let padded = format!("{text},{}", " ".repeat(QUICK));
        let value = slow_value(text);
        if let Some((found, end)) = quick(padded.as_bytes(), 0) {
            assert_eq!((found.to_bits(), end), (value.to_bits(), text.len()), "{text}");
        }
        if let Some((found, end)) = quick_integer(padded.as_bytes(), 0) {
            assert_eq!((found as f64, end), (value, text.len()), "{text}");
        }
        value
    }

    fn slow_value(text: &str) -> f64 {
        match read(format!("{text} ").as_bytes(), 0) {
            NumberRead::Number(value, end) => {
                assert_eq!(end, text.len(), "{text}");
                value.double()
            }
            _ => panic!("{text}"),
        }
    }

    proptest! {
            #[test]
            fn numbers_are_rounded_as_the_standard_library_rounds(
                sign in "-?", whole in "0|[1-9][0-9]{0,20}", fraction in "(\\.[0-9]{1,25})?", power in "([eE][+-]?[0-9]{1,3})?",
            ) {
                let text = format!("{sign}{whole}{fraction}{power}");
    let expected = text.parse::<f64>().unwrap();
                // A whole number has no negative zero.
                let expected = if text == "-0" { 0.0 } else { expected };
                prop_assert_eq!(value(&text).to_bits(), expected.to_bits(), "{}", text);
            }

            #[test]
            fn doubles_read_back(bits in any::<u64>()) {
                let number = f64::from_bits(bits);
                prop_assume!(number.is_finite());
                for text in [format!("{number:?}"), format!("{number:e}"), format!("{:?}", f64::from(number as f32))] {
                    if let Ok(expected) = text.parse::<f64>() && expected.is_finite() {
                        prop_assert_eq!(value(&text).to_bits(), expected.to_bits());
                    }
                }
            }

            #[test]
            fn widened_floats_read_back(number in -2000.0f32..2000.0) {
                let text = format!("{:?}", f64::from(number));
                prop_assert_eq!(value(&text), f64::from(number));
            }
        }

    #[test]
    fn integers_are_exact_and_words_are_numbers() {
        assert!(matches!(
            read(b"9223372036854775807,", 0),
            NumberRead::Number(NumberText::Int(i64::MAX), 19)
        ));
        assert!(matches!(read(b"9223372036854775808,", 0), NumberRead::Number(NumberText::Big(_), 19)));
        assert!(matches!(read(b"-0,", 0), NumberRead::Number(NumberText::Int(0), 2)));
        assert_eq!(value("1e400"), f64::INFINITY);
        assert_eq!(value("-Infinity"), f64::NEG_INFINITY);
        assert!(value("NaN").is_nan());
        assert!(value("-0.0").is_sign_negative());
        assert!(matches!(read(b"12", 0), NumberRead::Short));
        assert!(matches!(read(b"Infin", 0), NumberRead::Short));
        assert!(matches!(read(b"-NaN ", 0), NumberRead::Bad(..)));
    }
}
