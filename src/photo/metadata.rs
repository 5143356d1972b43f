//! What a picture file says beside its pixels: EXIF, the colour profile, and how it is to be turned, which stands wherever
//! Pillow's `exif_transpose` finds it, in the same order.
//!
//! EXIF goes before XMP. In PNG, EXIF may be a chunk before or behind the pixels, or text of older tools. Looks at the
//! file's containers alone and never at its pixels; what is damaged tells nothing.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;
use image::metadata::Orientation;

use super::ifd::Directory;

/// EXIF's and TIFF's tag of the orientation.
const ORIENTATION: u16 = 0x0112;
/// TIFF's tag of the colour profile.
const PROFILE: u16 = 34675;
/// TIFF's tag of XMP.
const XMP: u16 = 700;
/// What stands before EXIF in JPEG, and, of older writers, elsewhere.
const PREFIX: &[u8] = b"Exif\0\0";
/// What stands before XMP in JPEG.
const ADOBE: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// What stands before a part of the colour profile in JPEG; the part's number and how many there are follow.
pub(super) const PROFILE_PART: &[u8] = b"ICC_PROFILE\0";
/// Most bytes that a colour profile in PNG may unpack to.
pub(super) const LARGEST_PROFILE: u64 = 4 << 20;
/// Most bytes that compressed text may unpack to, as in Pillow.
const TEXT: u64 = 1 << 20;

/// How the picture is to be turned.
pub(super) fn orientation(bytes: &[u8]) -> Orientation {
    self::metadata(bytes).orientation().unwrap_or(Orientation::NoTransforms)
}

/// A picture's colour profile.
pub(super) fn profile(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    metadata(bytes).profile
}

/// A picture's EXIF data, as a TIFF file has them.
pub(super) fn exif(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let exif = metadata(bytes).exif?;
    let begin = exif.len() - without_prefix(&exif).len();
    Some(match exif {
        Cow::Borrowed(exif) => Cow::Borrowed(&exif[begin..]),
        Cow::Owned(exif) => Cow::Owned(exif[begin..].to_vec()),
    })
}

fn without_prefix(exif: &[u8]) -> &[u8] {
    let exif = exif.strip_prefix(PREFIX).unwrap_or(exif);
    exif.strip_prefix(PREFIX).unwrap_or(exif)
}

fn metadata(bytes: &[u8]) -> Metadata<'_> {
    if bytes.starts_with(&[0xff, 0xd8]) {
        of_jpeg(bytes)
    } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        of_png(bytes)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        of_webp(bytes)
    } else {
        Metadata {
            exif: Some(bytes.into()),
            xmp: Directory::first(bytes).ok().and_then(|tags| of_tiff(&tags, XMP)),
            profile: Directory::first(bytes).ok().and_then(|tags| of_tiff(&tags, PROFILE)),
        }
    }
}

#[derive(Default)]
struct Metadata<'a> {
    exif: Option<Cow<'a, [u8]>>,
    xmp: Option<Cow<'a, [u8]>>,
    profile: Option<Cow<'a, [u8]>>,
}

impl Metadata<'_> {
    /// A tag of EXIF decides, whatever its value; XMP only where there is none.
    fn orientation(&self) -> Option<Orientation> {
        let exif = without_prefix(self.exif.as_deref().unwrap_or_default());
        let value = match Directory::first(exif) {
            Ok(tags) if matches!(tags.bytes(ORIENTATION), Ok(Some(_))) => {
                tags.first_number(ORIENTATION).ok()?
            }
            _ => in_xmp(self.xmp.as_deref()?),
        };
        value.and_then(|value| Orientation::from_exif(u8::try_from(value).ok()?))
    }
}

/// The digit behind the first `tiff:Orientation="` or `tiff:Orientation>`.
fn in_xmp(xmp: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"tiff:Orientation";
    let mut places = xmp.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME);
    places.find_map(|(at, _)| {
        let rest = &xmp[at + NAME.len()..];
        let rest = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"))?;
        rest.first().filter(|digit| digit.is_ascii_digit()).map(|digit| u64::from(digit - b'0'))
    })
}

fn of_tiff<'a>(tags: &Directory<'a>, tag: u16) -> Option<Cow<'a, [u8]>> {
    tags.bytes(tag).ok().flatten().map(Cow::Borrowed)
}

/// Segments up to the first scan. Several of EXIF are one that was cut up.
fn of_jpeg(bytes: &[u8]) -> Metadata<'_> {
    let mut found = Metadata::default();
    let mut parts = Vec::new();
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        let length = match marker {
            0xff => {
                at += 1;
                continue;
            }
            0x01 | 0xd0..=0xd8 => {
                at += 2;
                continue;
            }
            0xd9 | 0xda => break,
            _ => usize::from(u16::from_be_bytes([high, low])),
        };
        let Some(data) = bytes.get(at + 4..at + 2 + length) else { break };
        if marker == 0xe1 {
            if let Some(part) = data.strip_prefix(PREFIX) {
                match &mut found.exif {
                    Some(exif) => exif.to_mut().extend_from_slice(part),
                    None => found.exif = Some(part.into()),
                }
            } else if let Some(xmp) = data.strip_prefix(ADOBE) {
                found.xmp = Some(xmp.into());
            }
        } else if marker == 0xe2 {
            parts.extend(data.strip_prefix(PROFILE_PART).and_then(<[u8]>::split_first_chunk::<2>));
        }
        at += 2 + length;
    }
    found.profile = joined(parts).map(Cow::Owned);
    found
}

/// A colour profile of its numbered parts, if all are there.
fn joined(mut parts: Vec<(&[u8; 2], &[u8])>) -> Option<Vec<u8>> {
    parts.sort_by_key(|([number, _], _)| *number);
    let numbered = (1..)
        .zip(&parts)
        .all(|(number, ([own, count], _))| number == usize::from(*own) && usize::from(*count) == parts.len());
    let whole: Vec<&[u8]> = parts.iter().map(|(_, data)| *data).collect();
    (numbered && !whole.is_empty()).then(|| whole.concat())
}

/// Of chunks of one name the last counts.
fn of_png(bytes: &[u8]) -> Metadata<'_> {
    let (mut exif, mut xmp, mut raw, mut profile) = (None, None, None, None);
    let mut rest = &bytes[8..];
    while let Some((kind, data, after)) = png_chunk(rest) {
        rest = after;
        match kind {
            b"eXIf" => exif = Some(data.into()),
            b"iCCP" => {
                profile = split(data)
                    .and_then(|(_, packed)| unpacked_to(packed.strip_prefix(&[0])?, LARGEST_PROFILE))
            }
            b"IEND" => break,
            b"tEXt" | b"zTXt" | b"iTXt" => match text(kind, data) {
                Some((b"exif", value)) if kind == b"tEXt" => exif = Some(value),
                Some((b"Raw profile type exif", value)) => raw = Some(value),
                Some((b"XML:com.adobe.xmp", value)) => xmp = Some(value),
                _ => {}
            },
            _ => {}
        }
    }
    let exif = exif.or_else(|| raw.and_then(|text| raw_profile(&text)).map(Cow::Owned));
    Metadata { exif, xmp, profile }
}

/// A chunk's kind and data, and what comes behind it.
fn png_chunk(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    let data = bytes.get(8..)?.get(..length)?;
    Some((&bytes[4..8], data, bytes.get(length.checked_add(12)?..)?))
}

/// Keyword and text of a chunk, unpacked.
fn text<'a>(kind: &[u8], data: &'a [u8]) -> Option<(&'a [u8], Cow<'a, [u8]>)> {
    let (key, value) = split(data)?;
    let value = match kind {
        b"tEXt" => value.into(),
        b"zTXt" => unpacked(value.strip_prefix(&[0])?)?,
        _ => {
            let (&[packed, method], value) = value.split_first_chunk::<2>()?;
            // Behind the language and the translated keyword.
            let value = split(split(value)?.1)?.1;
            match (packed, method) {
                (0, _) => value.into(),
                (_, 0) => unpacked(value)?,
                _ => return None,
            }
        }
    };
    Some((key, value))
}

/// What stands before and behind the first zero.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn unpacked(bytes: &[u8]) -> Option<Cow<'static, [u8]>> {
    unpacked_to(bytes, TEXT)
}

fn unpacked_to(bytes: &[u8], most: u64) -> Option<Cow<'static, [u8]>> {
    let mut text = Vec::new();
    ZlibDecoder::new(bytes).take(most).read_to_end(&mut text).ok()?;
    Some(text.into())
}

/// Hexadecimal digits from the fourth line on, as ImageMagick wrote them.
fn raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let lines = text.split(|&byte| byte == b'\n').skip(3);
    let digits = lines.flatten().filter(|byte| !byte.is_ascii_whitespace());
    let digits: Option<Vec<u8>> =
        digits.map(|&digit| char::from(digit).to_digit(16).map(|digit| digit as u8)).collect();
    digits.map(|digits| digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect())
}

/// The first chunk of each kind, where the header says that there is one.
fn of_webp(bytes: &[u8]) -> Metadata<'_> {
    let mut found = Metadata::default();
    let (mut rest, mut flags) = (&bytes[12..], 0);
    while let Some((&[a, b, c, d], behind)) = rest.split_first_chunk::<4>() {
        let Some((length, behind)) = behind.split_first_chunk::<4>() else { break };
        let length = u32::from_le_bytes(*length) as usize;
        let Some(data) = behind.get(..length) else { break };
        match &[a, b, c, d] {
            b"VP8X" => flags = data.first().copied().unwrap_or_default(),
            b"EXIF" if flags & 8 != 0 && found.exif.is_none() => found.exif = Some(data.into()),
            b"ICCP" if flags & 0x20 != 0 && found.profile.is_none() => found.profile = Some(data.into()),
            b"XMP " if flags & 4 != 0 && found.xmp.is_none() => found.xmp = Some(data.into()),
            _ => {}
        }
        rest = behind.get(length + length % 2..).unwrap_or_default();
    }
    found
}
