//! What of a photo's metadata goes along into a picture that is made of its upright pixels: EXIF without the turning and
//! without the preview, and the colour profile.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::ifd::Directory;
use super::metadata::{self, LARGEST_PROFILE};

/// EXIF's and TIFF's tag of the orientation.
const ORIENTATION: u16 = 0x0112;
/// Most bytes of EXIF in a JPEG, whose segments have 65,533, less what stands before it.
const LARGEST_EXIF: usize = 65_533 - EXIF_PREFIX.len();
/// What stands before EXIF in a JPEG.
pub(super) const EXIF_PREFIX: &[u8] = b"Exif\0\0";
/// A profile's header, and where it names the kind of pixels.
const PROFILE_HEADER: usize = 128;
const PROFILE_KIND: std::ops::Range<usize> = 16..20;

/// Metadata for a picture of red, green and blue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// As in a TIFF file, with an orientation of 1.
    pub(crate) exif: Option<Vec<u8>>,
    /// An ICC profile for red, green and blue.
    pub(crate) profile: Option<Vec<u8>>,
}

impl Carried {
    /// That of a picture file; of longer files only so many bytes count.
    pub(crate) fn of_file(path: &Path, most: u64) -> Carried {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
        read.map_or_else(|_| Carried::default(), |_| Carried::of(&bytes))
    }

    /// That of the bytes of a picture file: at most [`LARGEST_EXIF`] and [`LARGEST_PROFILE`] of them.
    pub(crate) fn of(bytes: &[u8]) -> Carried {
        // A TIFF's own directory describes its pixels, not the picture's.
        let tiff = Directory::first(bytes).is_ok();
        let exif = metadata::exif(bytes).filter(|exif| !tiff && exif.len() <= LARGEST_EXIF);
        let profile = metadata::profile(bytes).filter(|profile| {
            let length = PROFILE_HEADER + 1..=LARGEST_PROFILE as usize;
            length.contains(&profile.len()) && profile.get(PROFILE_KIND) == Some(b"RGB ".as_slice())
        });
        Carried {
            exif: exif.and_then(|exif| upright(exif.into_owned())),
            profile: profile.map(std::borrow::Cow::into_owned),
        }
    }

    /// Bytes of memory that it takes.
    pub(crate) fn bytes(&self) -> u64 {
        let of = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        (of(&self.exif) + of(&self.profile)) as u64
    }
}

/// EXIF of a picture whose pixels are upright, and that a preview would not show.
fn upright(mut exif: Vec<u8>) -> Option<Vec<u8>> {
    let main = Directory::first(&exif).ok()?;
    let (orientation, next, one) = (main.short_at(ORIENTATION), main.next_at(), main.order.short(1));
    if let Some(at) = orientation {
        exif.get_mut(at..at + 2)?.copy_from_slice(&one);
    }
    if let Some(next) = exif.get_mut(next) {
        next.fill(0);
    }
    Some(exif)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::{DecodeOptions, Photo, decode_bytes, encode_jpeg};

    /// Big-endian EXIF: an orientation, then the place of a preview's directory.
    const TURNED: &[u8] = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\x2a";

    fn profile(kind: &[u8; 4]) -> Vec<u8> {
        let mut profile = vec![7; 70_000];
        profile[PROFILE_KIND].copy_from_slice(kind);
        profile
    }

    #[test]
    fn a_jpeg_carries_upright_exif_and_a_profile_of_several_parts() {
        let photo = Photo { width: 8, height: 4, pixels: vec![90; 96] };
        let given = Carried { exif: Some(TURNED.to_vec()), profile: Some(profile(b"RGB ")) };
        let mut file = Vec::new();
        encode_jpeg(&photo, 92, &given, &mut file).unwrap();
        // As it is, a reader would turn it.
        let turned = decode_bytes(&file, &DecodeOptions::default()).unwrap();
        assert_eq!((turned.width, turned.height), (4, 8));
        let carried = Carried::of(&file);
        assert!(carried.profile == given.profile, "the profile is another");
        let exif = carried.exif.clone().unwrap();
        assert_eq!(exif[18..20], [0, 1]);
        assert_eq!(exif[22..], [0; 4]);
        let mut again = Vec::new();
        encode_jpeg(&photo, 92, &carried, &mut again).unwrap();
        let upright = decode_bytes(&again, &DecodeOptions::default()).unwrap();
        assert_eq!((upright.width, upright.height), (8, 4));
    }

    #[test]
    fn profiles_of_other_colours_stay_behind() {
        let photo = Photo { width: 2, height: 1, pixels: vec![90; 6] };
        let mut file = Vec::new();
        encode_jpeg(&photo, 92, &Carried { exif: None, profile: Some(profile(b"CMYK")) }, &mut file).unwrap();
        assert_eq!(Carried::of(&file), Carried::default());
        assert_eq!(Carried::of(TURNED), Carried::default());
    }
}
