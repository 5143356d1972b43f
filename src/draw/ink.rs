//! Lines, fills and text into pixels, by `imageproc`. Knows no marks and places nothing.

use ab_glyph::FontArc;
use image::{Rgb, RgbImage};
use imageproc::drawing::{draw_text_mut, text_size};

use super::colour::luma;
use super::font::Fonts;
use super::place::Rect;

/// How much of a label's ground is colour; the rest shows the photo.
const GROUND: u32 = 208;
/// How dark the seam beside a line is, of 256: it keeps a line readable on ground of its own colour.
const SEAM: u32 = 110;

/// A box's line of this width, just inside the rectangle, with a thin dark seam within.
pub(super) fn outline(picture: &mut RgbImage, rect: Rect, line: i64, colour: [u8; 3]) {
    ring(picture, rect, line, colour, 256);
    ring(picture, rect.shrink(line), (line / 3).max(1), [0; 3], SEAM);
}

/// The space a label takes: its text without characters that cannot be drawn, cut if wider than the picture, and
/// its width and height with padding. `None` where not even a few letters fit.
pub(super) fn fit(fonts: &Fonts, label: &str, size: i64, widest: i64) -> Option<(String, (i64, i64))> {
    let text: String = label.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    let text = text.trim();
    let (pad, height) = (padding(size), size + 2 * (size / 12));
    let wide =
        |text: &str| fonts.parts(text).iter().map(|part| advance(*part, size)).sum::<i64>() + 1 + 2 * pad;
    if text.is_empty() {
        return None;
    }
    if wide(text) <= widest {
        return Some((text.to_owned(), (wide(text), height)));
    }
    // The score at the end is worth more than the end of the name.
    let (name, score) = text.rsplit_once(' ').unwrap_or((text, ""));
    let letters: Vec<char> = name.chars().collect();
    (2..letters.len()).rev().find_map(|count| {
        let short: String = letters[..count].iter().collect();
        let short = format!("{short}… {score}").trim_end().to_owned();
        (wide(&short) <= widest).then(|| (short.clone(), (wide(&short), height)))
    })
}

/// A label's ground in the class's colour, and its text in black or white, whichever reads better.
pub(super) fn label(
    picture: &mut RgbImage,
    fonts: &Fonts,
    text: &str,
    rect: Rect,
    size: i64,
    colour: [u8; 3],
) {
    fill(picture, rect, colour, GROUND);
    let ink = if luma(colour) > 112 { [0; 3] } else { [255; 3] };
    let (mut x, y) = (rect.x + padding(size), rect.y + size / 12);
    for (font, part) in fonts.parts(text) {
        let (line, below) = Fonts::line(font, size as f32);
        let top = y + below.round() as i64;
        draw_text_mut(picture, Rgb(ink), x as i32, top as i32, line, font, part);
        x += advance((font, part), size);
    }
}

/// Pixels from the beginning of a part of a text to that of the next.
fn advance((font, part): (&FontArc, &str), size: i64) -> i64 {
    i64::from(text_size(Fonts::line(font, size as f32).0, font, part).0) - 1
}

/// Space left and right of the text.
fn padding(size: i64) -> i64 {
    (size / 5).max(2)
}

fn ring(picture: &mut RgbImage, rect: Rect, line: i64, colour: [u8; 3], opacity: u32) {
    let upper = line.min(rect.height);
    let lower = line.min(rect.height - upper);
    let between = Rect { y: rect.y + upper, height: rect.height - upper - lower, ..rect };
    let left = line.min(rect.width);
    let right = line.min(rect.width - left);
    fill(picture, Rect { height: upper, ..rect }, colour, opacity);
    fill(picture, Rect { y: rect.y + rect.height - lower, height: lower, ..rect }, colour, opacity);
    fill(picture, Rect { width: left, ..between }, colour, opacity);
    fill(picture, Rect { x: rect.x + rect.width - right, width: right, ..between }, colour, opacity);
}

/// Mixes a colour into the part of the rectangle that is inside the picture; opacity from 0 to 256.
fn fill(picture: &mut RgbImage, rect: Rect, colour: [u8; 3], opacity: u32) {
    let columns = |end: u32| rect.x.clamp(0, end.into())..(rect.x + rect.width.max(0)).clamp(0, end.into());
    let rows = |end: u32| rect.y.clamp(0, end.into())..(rect.y + rect.height.max(0)).clamp(0, end.into());
    for y in rows(picture.height()) {
        for x in columns(picture.width()) {
            mix(picture.get_pixel_mut(x as u32, y as u32), colour, opacity);
        }
    }
}

/// Mixes a colour into a pixel; opacity from 0 to 256.
pub(super) fn mix(pixel: &mut Rgb<u8>, colour: [u8; 3], opacity: u32) {
    for (under, over) in pixel.0.iter_mut().zip(colour) {
        *under = ((u32::from(*under) * (256 - opacity) + u32::from(over) * opacity + 128) / 256) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_and_keeps_its_score() {
        let fonts = Fonts::default();
        let (text, (width, _)) = fit(&fonts, "AdjustableWrench 0.97", 13, 90).expect("room for some letters");
        assert!(text.starts_with("Adj") && text.ends_with("… 0.97"), "{text}");
        assert!(width <= 90);
        assert_eq!(fit(&fonts, "AdjustableWrench 0.97", 13, 10), None);
    }

    #[test]
    fn a_fill_mixes_only_inside_the_picture() {
        let mut picture = RgbImage::from_pixel(4, 4, Rgb([100; 3]));
        fill(&mut picture, Rect { x: -2, y: 3, width: 4, height: 9 }, [200, 100, 0], 128);
        assert_eq!(picture.get_pixel(1, 3).0, [150, 100, 50]);
        assert_eq!(picture.get_pixel(2, 3).0, [100; 3]);
        assert_eq!(picture.get_pixel(1, 2).0, [100; 3]);
    }
}
