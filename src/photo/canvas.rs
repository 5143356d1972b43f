//! Where a decoder's rows become an upright photo, as they come and without a second copy. Knows no formats.

use image::metadata::Orientation;

use super::Photo;
use super::decode::{DecodeError, DecodeErrorKind, Decoded, upright};

/// Rows that a decoder may give at a time: as many as a row of a JPEG's units holds. More at once turn quicker.
pub(super) const STRIP: usize = 16;

/// An upright photo that is being made of rows as stored. Rows that never come stay black.
pub(super) struct RowCanvas {
    stored: (usize, usize),
    orientation: Orientation,
    /// Memory of zeros that the system gives only when something is written to it.
    pixels: Vec<u8>,
    /// Rows that have come.
    rows: usize,
}

/// Whether turning makes rows of columns.
pub(super) fn lies(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

impl RowCanvas {
    /// For a picture that is stored with a width and height, both at least 1.
    pub(super) fn new(
        (width, height): (u32, u32),
        orientation: Orientation,
    ) -> Result<RowCanvas, DecodeError> {
        let stored = (width as usize, height as usize);
        let bytes = stored.0.checked_mul(stored.1).and_then(|pixels| pixels.checked_mul(3));
        let pixels = bytes.and_then(|bytes| bytemuck::try_zeroed_slice_box(bytes).ok());
        let pixels = pixels.ok_or_else(|| DecodeError::out_of_memory(width, height))?;
        Ok(RowCanvas { stored, orientation, pixels: pixels.into_vec(), rows: 0 })
    }

    /// Where the next rows, at most so many, can be written as they are; nothing if they have to be turned.
    /// [`RowCanvas::written`] says how many were.
    pub(super) fn next_rows(&mut self, most: usize) -> Option<&mut [u8]> {
        let row = 3 * self.stored.0;
        let end = (self.rows + most).min(self.stored.1);
        (self.orientation == Orientation::NoTransforms).then(|| &mut self.pixels[row * self.rows..row * end])
    }

    /// Rows that were written to where [`RowCanvas::next_rows`] said.
    pub(super) fn written(&mut self, rows: usize) {
        self.rows = (self.rows + rows).min(self.stored.1);
    }

    /// Rows that have not come yet.
    pub(super) fn missing(&self) -> usize {
        self.stored.1 - self.rows
    }

    /// Takes whole rows, red, green and blue, and puts them where they belong; more than there can be are left out.
    pub(super) fn push(&mut self, rows: &[u8]) {
        let (width, height) = self.stored;
        let missing = self.missing();
        let rows: Vec<&[[u8; 3]]> =
            rows.chunks_exact(3 * width).take(missing).map(|row| row.as_chunks::<3>().0).collect();
        let first = self.rows;
        let (pixels, _) = self.pixels.as_chunks_mut::<3>();
        if lies(self.orientation) {
            // Rows become columns: each row of the photo gets a short run of pixels of all the rows.
            for x in 0..width {
                for (y, row) in (first..).zip(&rows) {
                    let (column, line) = match self.orientation {
                        Orientation::Rotate90 => (height - 1 - y, x),
                        Orientation::Rotate270 => (y, width - 1 - x),
                        Orientation::Rotate270FlipH => (height - 1 - y, width - 1 - x),
                        _ => (y, x),
                    };
                    pixels[line * height + column] = row[x];
                }
            }
        } else {
            use Orientation::{FlipHorizontal, FlipVertical, Rotate180};
            for (y, row) in (first..).zip(&rows) {
                let line =
                    if matches!(self.orientation, FlipVertical | Rotate180) { height - 1 - y } else { y };
                let place = &mut pixels[line * width..(line + 1) * width];
                place.copy_from_slice(row);
                if matches!(self.orientation, FlipHorizontal | Rotate180) {
                    place.reverse();
                }
            }
        }
        self.rows += rows.len();
    }

    /// The photo.
    pub(super) fn finish(self) -> Photo {
        let (width, height) = self.stored;
        let (width, height) = if lies(self.orientation) { (height, width) } else { (width, height) };
        Photo { width: width as u32, height: height as u32, pixels: self.pixels }
    }
}

/// The upright photo of a whole picture as stored.
pub(super) fn whole(
    stored: (u32, u32),
    orientation: Orientation,
    pixels: Vec<u8>,
) -> Result<Decoded, DecodeError> {
    let (width, height) = stored;
    if pixels.len() as u64 != 3 * u64::from(width) * u64::from(height) {
        return Err(DecodeError::new(DecodeErrorKind::Corrupt, "the picture has other sizes than it says"));
    }
    if orientation == Orientation::NoTransforms {
        return Ok(Decoded { photo: Photo { width, height, pixels }, full: stored, clipped: false });
    }
    let mut canvas = RowCanvas::new(stored, orientation)?;
    pixels.chunks(3 * width as usize * STRIP).for_each(|rows| canvas.push(rows));
    Ok(Decoded { photo: canvas.finish(), full: upright(stored, orientation), clipped: false })
}

impl DecodeError {
    /// The machine, or what limits the process, has no memory for the pixels now.
    pub(super) fn out_of_memory(width: u32, height: u32) -> DecodeError {
        let detail = format!("there is not enough memory for {width}x{height} pixels");
        DecodeError::new(DecodeErrorKind::OutOfMemory, detail)
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, RgbImage};

    use super::*;

    #[test]
    fn photos_are_turned_as_they_come() {
        let (width, height) = (7, 5);
        let stored: Vec<u8> = (0..3 * width * height).map(|i| i as u8).collect();
        for exif in 1..=8 {
            let orientation = Orientation::from_exif(exif).unwrap();
            let whole = RgbImage::from_raw(width, height, stored.clone()).unwrap();
            let mut expected = DynamicImage::ImageRgb8(whole);
            expected.apply_orientation(orientation);
            for rows in [1, 2, 5, 9] {
                let mut canvas = RowCanvas::new((width, height), orientation).unwrap();
                stored.chunks((3 * width) as usize * rows).for_each(|rows| canvas.push(rows));
                assert_eq!(canvas.missing(), 0);
                canvas.push(&stored);
                let photo = canvas.finish();
                assert_eq!((photo.width, photo.height), (expected.width(), expected.height()), "{exif}");
                assert_eq!(photo.pixels, expected.as_bytes(), "{exif} in {rows} rows");
            }
        }
    }

    #[test]
    fn what_no_memory_holds_is_an_error() {
        let most = (u32::MAX, u32::MAX);
        let error = RowCanvas::new(most, Orientation::NoTransforms).err().unwrap();
        assert_eq!(error.kind, DecodeErrorKind::OutOfMemory);
    }
}
