//! From a photo to a classifier's input: resized, cut, normalised.

use super::ClassifyError;
use crate::family::{ClassifierFilter, ClassifierInput};
use crate::photo::{Photo, resize};

/// Crops of one size: (views, 3, height, width).
pub(super) struct Batch {
    pub(super) shape: [usize; 4],
    pub(super) values: Vec<f32>,
}

/// An 8-bit picture: (height, width), interleaved.
struct CropPixels {
    size: (usize, usize),
    pixels: Vec<u8>,
}

/// A square to cut out: its corner, and whether it is mirrored.
#[derive(Clone, Copy)]
struct Crop {
    top: usize,
    left: usize,
    mirrored: bool,
}

/// The centre, at `round((side - crop) / 2)`, half to even.
pub(super) fn centre(rule: &ClassifierInput, photo: &Photo) -> Result<Batch, ClassifyError> {
    let picture = fitting(rule, photo)?;
    let cut = middle(rule, &picture);
    Ok(cut_out(rule, &picture, &[cut]))
}

/// Corners and centre, and all five mirrored.
pub(super) fn ten_crops(rule: &ClassifierInput, photo: &Photo) -> Result<Batch, ClassifyError> {
    let picture = fitting(rule, photo)?;
    let crop = rule.crop as usize;
    let (bottom, right) = (picture.size.0 - crop, picture.size.1 - crop);
    let corner = |top, left| Crop { top, left, mirrored: false };
    let centre = middle(rule, &picture);
    let mut cuts = vec![corner(0, 0), corner(0, right), corner(bottom, 0), corner(bottom, right), centre];
    // The same squares of the mirrored picture: corners are mirrored corners, a centre that is off by half a pixel is
    // off to the other side.
    cuts.extend([corner(0, 0), corner(0, right), corner(bottom, 0), corner(bottom, right)]);
    cuts.push(Crop { left: right - centre.left, ..centre });
    cuts[5..].iter_mut().for_each(|cut| cut.mirrored = true);
    Ok(cut_out(rule, &picture, &cuts))
}

/// The whole photo with this shorter side.
pub(super) fn whole(rule: &ClassifierInput, photo: &Photo, side: u32) -> Result<Batch, ClassifyError> {
    let picture = resized(rule.filter, photo, side)?;
    let cut = Crop { top: 0, left: 0, mirrored: false };
    Ok(normalised(rule, &picture, picture.size, &[cut]))
}

fn fitting(rule: &ClassifierInput, photo: &Photo) -> Result<CropPixels, ClassifyError> {
    let picture = resized(rule.filter, photo, rule.resize)?;
    let (height, width) = picture.size;
    if (rule.crop as usize) > height.min(width) {
        return Err(ClassifyError::CropTooLarge { crop: rule.crop, width, height });
    }
    Ok(picture)
}

fn middle(rule: &ClassifierInput, picture: &CropPixels) -> Crop {
    let at = |side: usize| ((side - rule.crop as usize) as f64 / 2.0).round_ties_even() as usize;
    Crop { top: at(picture.size.0), left: at(picture.size.1), mirrored: false }
}

/// Most pixels after resizing: a thin photo's longer side would have no end otherwise.
const MOST: usize = 1 << 26;

/// The shorter side becomes `side`, the longer `int(side * long / short)`.
fn resized(filter: ClassifierFilter, photo: &Photo, side: u32) -> Result<CropPixels, ClassifyError> {
    let (height, width) = (photo.height as usize, photo.width as usize);
    let side = side.max(1) as usize;
    let longer = |short: usize, long: usize| (side.saturating_mul(long) / short.max(1)).max(1);
    let size = if height < width { (side, longer(height, width)) } else { (longer(width, height), side) };
    if size.0.saturating_mul(size.1) > MOST {
        let (from, to) = ((photo.width, photo.height), (size.1, size.0));
        return Err(ClassifyError::TooThin { from, to, most: MOST });
    }
    let resize = match filter {
        ClassifierFilter::Bilinear => resize::pillow,
        ClassifierFilter::Bicubic => resize::pillow_bicubic,
    };
    Ok(CropPixels { size, pixels: resize(&photo.pixels, (height, width), size) })
}

fn cut_out(rule: &ClassifierInput, picture: &CropPixels, cuts: &[Crop]) -> Batch {
    let crop = rule.crop as usize;
    normalised(rule, picture, (crop, crop), cuts)
}

/// `(v / 255 - mean) / std`, channel by channel.
fn normalised(rule: &ClassifierInput, picture: &CropPixels, size: (usize, usize), cuts: &[Crop]) -> Batch {
    let (height, width) = size;
    let mut values = Vec::with_capacity(cuts.len() * 3 * height * width);
    for cut in cuts {
        for channel in 0..3 {
            let (mean, std) = (rule.mean[channel], rule.std[channel]);
            for row in cut.top..cut.top + height {
                let at = |i: usize| {
                    let column = if cut.mirrored { cut.left + width - 1 - i } else { cut.left + i };
                    picture.pixels[3 * (row * picture.size.1 + column) + channel]
                };
                values.extend((0..width).map(|i| (f32::from(at(i)) / 255.0 - mean) / std));
            }
        }
    }
    Batch { shape: [cuts.len(), 3, height, width], values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thin_photo_is_refused_before_it_is_resized() {
        let rule = ClassifierInput {
            resize: 256,
            crop: 224,
            filter: ClassifierFilter::Bilinear,
            mean: [0.5; 3],
            std: [0.5; 3],
        };
        for (width, height) in [(1_000_000, 1), (1, 1_000_000)] {
            let photo = Photo { width, height, pixels: vec![7; 3_000_000] };
            for refused in [centre(&rule, &photo), ten_crops(&rule, &photo), whole(&rule, &photo, 224)] {
                assert!(
                    matches!(refused, Err(ClassifyError::TooThin { from, .. }) if from == (width, height))
                );
            }
        }
    }
}
