//! Masks into pixels: a translucent ground, a contour, and a dark seam around it, which keeps a thin or tiny mask visible on
//! ground of its own colour. Knows no labels.
//!
//! A mask is drawn column by column from its run lengths; no picture of it is made.

use std::ops::Range;

use coco_eval::Rle;
use image::RgbImage;

use super::ink::mix;

/// How much of the ground is colour, of 256; the rest shows the photo.
const GROUND: u32 = 102;
/// How dark the seam is, of 256.
const SEAM: u32 = 110;

/// Rows that are painted before the next ones: so many, below each other, stay in a processor's nearest cache while the columns
/// beside them are painted.
const BAND: u32 = 64;

/// Rows of one column, in rising order and apart.
type RowRanges = Vec<Range<u32>>;

/// Draws a mask, with a contour that suits boxes with lines of this width. A mask of another size than the picture's is left
/// out.
pub(super) fn draw(picture: &mut RgbImage, mask: &Rle, line: i64, colour: [u8; 3]) {
    let (width, height) = picture.dimensions();
    if (mask.width(), mask.height()) != (width, height) || width == 0 || height == 0 {
        return;
    }
    let contour = (line.clamp(2, 64) / 2) as u32;
    let outside = contour / 2;
    let seam = (contour / 3).max(1);
    let set = columns(mask, width, height);
    let unset: Vec<RowRanges> =
        set.iter().map(|rows| without(std::slice::from_ref(&(0..height)), rows)).collect();
    let (Some(first), Some(last)) =
        (set.iter().position(|rows| !rows.is_empty()), set.iter().rposition(|rows| !rows.is_empty()))
    else {
        return;
    };
    let reach = (outside + seam) as usize;
    let reached = first.saturating_sub(reach)..(last + reach + 1).min(set.len());
    let painted: Vec<(u32, [RowRanges; 3])> = reached
        .map(|column| {
            let around = grown(&set, column, outside + seam, height);
            let outer = grown(&set, column, outside, height);
            let border = grown(&unset, column, contour - outside, height);
            let inner = without(&set[column], &border);
            (column as u32, [without(&around, &outer), without(&outer, &inner), inner])
        })
        .collect();
    let inks = [([0; 3], SEAM), (colour, 256), (colour, GROUND)];
    for top in (0..height).step_by(BAND as usize) {
        let bottom = top.saturating_add(BAND).min(height);
        for (column, layers) in &painted {
            for (rows, (colour, opacity)) in layers.iter().zip(inks) {
                for row in rows.iter().flat_map(|rows| rows.start.max(top)..rows.end.min(bottom)) {
                    mix(picture.get_pixel_mut(*column, row), colour, opacity);
                }
            }
        }
    }
}

/// The set rows of each column.
fn columns(mask: &Rle, width: u32, height: u32) -> Vec<RowRanges> {
    let mut columns: Vec<RowRanges> = vec![RowRanges::new(); width as usize];
    for run in mask.intervals() {
        let mut start = run.start;
        while start < run.end {
            let column = start / height;
            let Some(rows) = columns.get_mut(column as usize) else { return columns };
            let top = column * height;
            let end = run.end.min(top.saturating_add(height));
            rows.push(start - top..end - top);
            start = end;
        }
    }
    columns
}

/// The rows of a column that are no farther than so many pixels, across and along, from those of any.
fn grown(columns: &[RowRanges], column: usize, by: u32, height: u32) -> RowRanges {
    let near = column.saturating_sub(by as usize)..(column + by as usize + 1).min(columns.len());
    let rows = columns[near].iter().flatten();
    let mut all: RowRanges =
        rows.map(|row| row.start.saturating_sub(by)..(row.end + by).min(height)).collect();
    all.sort_unstable_by_key(|row| row.start);
    let mut joined = RowRanges::new();
    for row in all {
        match joined.last_mut() {
            Some(last) if row.start <= last.end => last.end = last.end.max(row.end),
            _ => joined.push(row),
        }
    }
    joined
}

/// What is in the one and not in the other.
fn without(rows: &[Range<u32>], others: &[Range<u32>]) -> RowRanges {
    let mut left = RowRanges::new();
    for row in rows {
        let mut start = row.start;
        for other in others.iter().filter(|other| other.end > row.start && other.start < row.end) {
            if other.start > start {
                left.push(start..other.start);
            }
            start = start.max(other.end);
        }
        if start < row.end {
            left.push(start..row.end);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    const GREY: [u8; 3] = [100; 3];
    const RED: [u8; 3] = [250, 0, 0];

    /// A mask drawn on grey, each pixel as a letter: photo, ground, contour, seam.
    fn drawn(rows: &[&str], line: i64) -> Vec<String> {
        let (height, width) = (rows.len() as u32, rows[0].len() as u32);
        let at = |x: u32, y: u32| u8::from(rows[y as usize].as_bytes()[x as usize] == b'#');
        let pixels: Vec<u8> = (0..width).flat_map(|x| (0..height).map(move |y| at(x, y))).collect();
        let mut picture = RgbImage::from_pixel(width, height, Rgb(GREY));
        draw(&mut picture, &Rle::from_pixels(&pixels, height, width), line, RED);
        let letter = |pixel: &Rgb<u8>| match pixel.0 {
            GREY => '.',
            RED => 'C',
            // 100 + (250 - 100) * 102 / 256, and 100 * (256 - 110) / 256.
            [160, 60, 60] => 'g',
            [57, 57, 57] => 's',
            other => panic!("{other:?}"),
        };
        picture.rows().map(|row| row.map(letter).collect()).collect()
    }

    #[test]
    fn a_mask_has_ground_contour_and_seam() {
        let rows = [".......", ".#####.", ".#####.", ".#####.", ".#####.", ".......", "......."];
        let found = drawn(&rows, 2);
        assert_eq!(found, ["sssssss", "sCCCCCs", "sCgggCs", "sCgggCs", "sCCCCCs", "sssssss", "......."]);
    }

    #[test]
    fn thin_and_tiny_masks_are_all_contour() {
        assert_eq!(drawn(&[".....", "..#..", ".....", "....."], 2), [".sss.", ".sCs.", ".sss.", "....."]);
        // In a larger picture, lines of 6: a contour of 3, one of them outside the mask.
        let found = drawn(&["......", "......", "..#...", "......", "......", "......"], 6);
        assert_eq!(found, ["sssss.", "sCCCs.", "sCCCs.", "sCCCs.", "sssss.", "......"]);
    }

    /// More rows than are painted at once.
    #[test]
    fn a_high_mask_is_drawn_whole() {
        assert_eq!(drawn(&["..#.."; 200], 2), [".sCs."; 200]);
    }

    #[test]
    fn nothing_is_drawn_along_the_edge_of_the_picture() {
        assert_eq!(drawn(&["####", "####", "####", "...."], 2), ["gggg", "gggg", "CCCC", "ssss"]);
        assert_eq!(drawn(&["##", "##"], 2), ["gg", "gg"]);
    }

    #[test]
    fn a_mask_of_another_size_or_without_pixels_is_left_out() {
        let mut picture = RgbImage::from_pixel(3, 2, Rgb(GREY));
        for mask in [Rle::new(3, 2, vec![0, 6]), Rle::new(2, 3, vec![6]), Rle::new(2, 3, vec![])] {
            draw(&mut picture, &mask, 2, RED);
        }
        assert!(picture.pixels().all(|pixel| pixel.0 == GREY));
        // Run lengths of more pixels than the size says.
        draw(&mut picture, &Rle::new(2, 3, vec![5, 90]), 2, RED);
        assert_eq!(picture.get_pixel(2, 1).0, RED);
    }
}
