//! When, where and with what a photo was taken, as its EXIF data say. What is damaged, or no such thing, is left out.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ifd::Directory;
use super::metadata;

/// Most characters of a text that are kept.
const LONGEST: usize = 100;

/// EXIF's and TIFF's tags (CIPA DC-008, "Exchangeable image file format").
const MAKE: u16 = 0x010f;
const MODEL: u16 = 0x0110;
const CHANGED: u16 = 0x0132;
const EXIF: u16 = 0x8769;
const TAKEN: u16 = 0x9003;
const TAKEN_OFFSET: u16 = 0x9011;
const GPS: u16 = 0x8825;
const LATITUDE: (u16, u16) = (1, 2);
const LONGITUDE: (u16, u16) = (3, 4);

/// What is known of the making of a photo.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Exif {
    /// When it was taken, `2026-05-01T12:30:00`, with the offset from UTC where the camera knew it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Make and model of the camera.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// Degrees north, -90 to 90.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Degrees east, -180 to 180.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
}

impl Exif {
    /// What a picture file says; nothing where it says nothing, or cannot be read. Of longer files only so many bytes count.
    pub fn of_file(path: &Path, most: u64) -> Option<Exif> {
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(most).read_to_end(&mut bytes).ok()?;
        Exif::of(&bytes)
    }

    /// What the bytes of a picture file say.
    pub fn of(bytes: &[u8]) -> Option<Exif> {
        let block = metadata::exif(bytes)?;
        let main = Directory::first(&block).ok()?;
        let (inner, gps) = (main.inner(EXIF), main.inner(GPS));
        let taken = inner.as_ref().and_then(|inner| Some((time(&text(inner, TAKEN)?)?, inner)));
        let time = match taken {
            Some((time, inner)) => Some(time + &offset(inner).unwrap_or_default()),
            None => text(&main, CHANGED).and_then(|changed| time(&changed)),
        };
        let found = Exif {
            time,
            camera: camera(text(&main, MAKE), text(&main, MODEL)),
            latitude: gps.as_ref().and_then(|gps| degrees(gps, LATITUDE, b'S', 90.0)),
            longitude: gps.as_ref().and_then(|gps| degrees(gps, LONGITUDE, b'W', 180.0)),
        };
        (found != Exif::default()).then_some(found)
    }
}

fn text(tags: &Directory<'_>, tag: u16) -> Option<String> {
    let bytes = tags.bytes(tag).ok().flatten()?;
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..end]);
    let kept: String = text.trim().chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    (!kept.is_empty()).then_some(kept)
}

/// `2026:05:01 12:30:00` in ISO 8601's form.
fn time(exif: &str) -> Option<String> {
    let (date, time) = exif.split_once(' ')?;
    let numbers = |text: &str, mark: char, lengths: [usize; 3]| {
        let parts: Vec<&str> = text.split(mark).collect();
        let fit =
            |(part, length): (&&str, usize)| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        parts.len() == 3 && parts.iter().zip(lengths).all(fit)
    };
    let known = numbers(date, ':', [4, 2, 2]) && numbers(time, ':', [2, 2, 2]) && !date.starts_with("0000");
    known.then(|| format!("{}T{time}", date.replace(':', "-")))
}

/// `+02:00`
fn offset(tags: &Directory<'_>) -> Option<String> {
    let text = text(tags, TAKEN_OFFSET)?;
    let digits = text.strip_prefix(['+', '-'])?.split_once(':')?;
    let two = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    (two(digits.0) && two(digits.1)).then_some(text)
}

/// Models often begin with their make.
fn camera(make: Option<String>, model: Option<String>) -> Option<String> {
    match (make, model) {
        (Some(make), Some(model)) => {
            let first = make.split(' ').next().unwrap_or_default().to_lowercase();
            Some(if model.to_lowercase().starts_with(&first) { model } else { format!("{make} {model}") })
        }
        (make, model) => model.or(make),
    }
}

/// Degrees, minutes and seconds as a number, negative towards one side.
fn degrees(tags: &Directory<'_>, (side, value): (u16, u16), negative: u8, most: f64) -> Option<f64> {
    let parts = tags.reals(value).ok().flatten()?;
    let &[degrees, minutes, seconds] = parts.get(..3)? else { return None };
    let sum = degrees + minutes / 60.0 + seconds / 3600.0;
    let side = tags.bytes(side).ok().flatten()?.first()?.to_ascii_uppercase();
    // Millionths of a degree are a tenth of a metre.
    let sum = (sum * 1e6).round() / 1e6;
    (sum.is_finite() && sum.abs() <= most).then_some(if side == negative { -sum } else { sum })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tag, type, count, and the value or its offset.
    type Entry = (u16, u16, u32, u32);

    /// A little-endian TIFF of directories at their offsets.
    fn tiff(directories: &[(usize, &[Entry])], values: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[..8].copy_from_slice(b"II*\0\x08\0\0\0");
        for (at, entries) in directories {
            bytes[*at..at + 2].copy_from_slice(&(entries.len() as u16).to_le_bytes());
            for (place, (tag, kind, count, value)) in entries.iter().enumerate() {
                let entry = &mut bytes[at + 2 + 12 * place..][..12];
                entry[..2].copy_from_slice(&tag.to_le_bytes());
                entry[2..4].copy_from_slice(&kind.to_le_bytes());
                entry[4..8].copy_from_slice(&count.to_le_bytes());
                entry[8..].copy_from_slice(&value.to_le_bytes());
            }
        }
        for (at, value) in values {
            bytes[*at..at + value.len()].copy_from_slice(value);
        }
        bytes
    }

    fn rationals(parts: [(u32, u32); 3]) -> Vec<u8> {
        parts.iter().flat_map(|(over, under)| [over.to_le_bytes(), under.to_le_bytes()]).flatten().collect()
    }

    #[test]
    fn time_camera_and_place_are_read() {
        let directories: [(usize, &[_]); 3] = [
            (8, &[(MAKE, 2, 6, 300), (MODEL, 2, 13, 310), (EXIF, 4, 1, 100), (GPS, 4, 1, 150)]),
            (100, &[(TAKEN, 2, 20, 330), (TAKEN_OFFSET, 2, 7, 360)]),
            (150, &[(1, 2, 2, u32::from(b'N')), (2, 5, 3, 380), (3, 2, 2, u32::from(b'W')), (4, 5, 3, 410)]),
        ];
        let (north, west) =
            (rationals([(48, 1), (8, 1), (1414, 100)]), rationals([(11, 1), (3450, 100), (0, 1)]));
        let values: [(usize, &[u8]); 6] = [
            (300, b"Canon\0"),
            (310, b"Canon EOS 5D\0"),
            (330, b"2026:05:01 12:30:09\0"),
            (360, b"+02:00\0"),
            (380, &north),
            (410, &west),
        ];
        // 48 + 8 / 60 + 14.14 / 3600, and 11 + 34.5 / 60 to the west.
        let expected = Exif {
            time: Some("2026-05-01T12:30:09+02:00".into()),
            camera: Some("Canon EOS 5D".into()),
            latitude: Some(48.137_261),
            longitude: Some(-11.575),
        };
        assert_eq!(Exif::of(&tiff(&directories, &values)), Some(expected));
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let nothing =
            tiff(&[(8, &[(CHANGED, 2, 20, 300), (EXIF, 4, 1, 9999)])], &[(300, b"0000:00:00 00:00:00\0")]);
        assert_eq!(Exif::of(&nothing), None);
        let loops = tiff(&[(8, &[(EXIF, 4, 1, 8), (GPS, 4, 1, 8), (MODEL, 2, 4, 0x0041_0a42)])], &[]);
        assert_eq!(Exif::of(&loops).unwrap().camera.as_deref(), Some("BA"));
        let far = rationals([(500, 1), (0, 1), (0, 0)]);
        let far = tiff(&[(8, &[(GPS, 4, 1, 100)]), (100, &[(1, 2, 2, 78), (2, 5, 3, 380)])], &[(380, &far)]);
        assert_eq!(Exif::of(&far), None);
        for end in 0..nothing.len() {
            let _ = Exif::of(&nothing[..end]);
        }
    }
}
