//! Photos as JPEG files, by libjpeg-turbo's own encoder. Knows no paths.

use std::cell::Cell;
use std::io::{self, Write};

use mozjpeg::{ColorSpace, Compress, Marker};

use super::carried::{Carried, EXIF_PREFIX};
use super::metadata::PROFILE_PART;
use super::{Photo, libjpeg};

/// The longest side that a JPEG can have.
pub(crate) const LONGEST_JPEG_SIDE: u32 = 65_500;

/// Writes a photo as a baseline JPEG of full chroma resolution, with the metadata that it carries.
///
/// # Errors
/// What `out` reports, or what the encoder refuses, in its words.
pub(crate) fn jpeg(photo: &Photo, quality: u8, carried: &Carried, out: impl Write) -> io::Result<()> {
    let failed = Cell::new(None);
    let out = Noted { out, failed: &failed };
    let outcome = libjpeg::guarded(|| {
        let mut encoder = Compress::new_err(Box::new(libjpeg::error_manager()), ColorSpace::JCS_RGB);
        encoder.set_size(photo.width as usize, photo.height as usize);
        // What libjpeg-turbo does; the defaults of mozjpeg spend many times as long on smaller files.
        encoder.set_fastest_defaults();
        encoder.set_quality(f32::from(quality));
        encoder.set_chroma_sampling_pixel_sizes((1, 1), (1, 1));
        let mut started = encoder.start_compress(out)?;
        if let Some(exif) = &carried.exif {
            started.write_marker(Marker::APP(1), &[EXIF_PREFIX, exif].concat());
        }
        if let Some(profile) = &carried.profile {
            write_profile(profile, |part| started.write_marker(Marker::APP(2), part));
        }
        started.write_scanlines(&photo.pixels)?;
        started.finish().map(drop)
    });
    match failed.take() {
        // The encoder only knows that there was one.
        Some(error) => Err(error),
        None => outcome.map_err(io::Error::other)?,
    }
}

/// Writes a profile in parts that fit into segments, each behind a name, its number from 1, and how many there are (ICC.1,
/// annex B.4; mozjpeg's own writer counts from 0).
fn write_profile(profile: &[u8], mut write: impl FnMut(&[u8])) {
    const LARGEST: usize = 65_533 - PROFILE_PART.len() - 2;
    let count = profile.len().div_ceil(LARGEST);
    // 255 parts are 16 MB, more than a profile has.
    let Ok(count) = u8::try_from(count) else { return };
    for (number, part) in (1..=count).zip(profile.chunks(LARGEST)) {
        write(&[PROFILE_PART, &[number, count], part].concat());
    }
}

/// A writer whose last error is kept.
struct Noted<'a, W> {
    out: W,
    failed: &'a Cell<Option<io::Error>>,
}

impl<W> Noted<'_, W> {
    fn note<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        outcome.map_err(|error| {
            let kind = error.kind();
            self.failed.set(Some(error));
            kind.into()
        })
    }
}

impl<W: Write> Write for Noted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let outcome = self.out.write(bytes);
        if outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
            return outcome;
        }
        self.note(outcome)
    }

    fn flush(&mut self) -> io::Result<()> {
        let outcome = self.out.flush();
        self.note(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::{DecodeOptions, decode_bytes};

    fn gradient(width: u32, height: u32) -> Photo {
        let pixel = |i: u32| [(i % width * 255 / width) as u8, (i / width * 255 / height) as u8, 90];
        Photo { width, height, pixels: (0..width * height).flat_map(pixel).collect() }
    }

    #[test]
    fn a_smooth_picture_comes_back_nearly_as_it_was() {
        for (width, height) in [(300, 200), (257, 259)] {
            let photo = gradient(width, height);
            let mut file = Vec::new();
            jpeg(&photo, 92, &Carried::default(), &mut file).unwrap();
            let back = decode_bytes(&file, &DecodeOptions::default()).unwrap();
            assert_eq!((back.width, back.height), (width, height));
            let worst = photo.pixels.iter().zip(&back.pixels).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(6), "{worst:?} at {width}x{height}");
        }
    }

    #[test]
    fn colours_keep_their_full_resolution() {
        let mut file = Vec::new();
        jpeg(&gradient(16, 16), 92, &Carried::default(), &mut file).unwrap();
        // Baseline frame: SOF0, length, 8 bits, 16 x 16, then three components with the sampling factors 1 x 1.
        let at = file.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        assert_eq!(file[at + 2..at + 10], [0, 17, 8, 0, 16, 0, 16, 3]);
        assert_eq!([file[at + 11], file[at + 14], file[at + 17]], [0x11; 3]);
    }

    /// Takes some bytes, then no more.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_the_writer_reports_is_what_comes_back() {
        for room in [0, 100, 5000] {
            let error = jpeg(&gradient(800, 600), 92, &Carried::default(), Full(room)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{room}");
        }
    }

    #[test]
    fn what_no_jpeg_holds_is_an_error() {
        let photo = Photo { width: 65_501, height: 1, pixels: vec![0; 3 * 65_501] };
        assert!(jpeg(&photo, 92, &Carried::default(), io::sink()).unwrap_err().to_string().contains("65500"));
    }
}
