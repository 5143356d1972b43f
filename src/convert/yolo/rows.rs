//! The rows of a YOLO label file: the place of a class, then shares of the upright photo's sides.
//!
//! Four shares are the box's centre, width and height; a number behind them is a score. More are a polygon around the
//! object, or, where `kpt_shape` says so, the box and its key points. What is refused is what Ultralytics refuses.

use std::collections::HashSet;
use std::io::{self, Write};

use super::super::clip::ClippedObject;
use super::super::outline::joined;

/// How many key points an object has, and how many numbers each.
pub type KeyPoints = (usize, usize);

/// What the numbers of a row are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YoloKind {
    /// A box.
    Box,
    /// A polygon.
    Polygon,
    /// A box and key points.
    KeyPoints,
}

/// One object.
#[derive(Clone, Debug, PartialEq)]
pub struct YoloRow {
    /// Place of its class.
    pub class: usize,
    /// Centre, width and height.
    pub shape: [f64; 4],
    /// A prediction's confidence.
    pub score: Option<f64>,
    /// What the row held.
    pub kind: YoloKind,
    /// Corners of a polygon, cut at the photo's edges.
    pub outline: Vec<[f64; 2]>,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct YoloRows {
    /// Objects in their order.
    pub rows: Vec<YoloRow>,
    /// What is wrong with other rows, each with its line.
    pub bad: Vec<String>,
    /// Rows that are there once more.
    pub repeated: usize,
}

/// Reads the rows of one file.
#[must_use]
pub fn read_text(text: &str, key_points: Option<KeyPoints>) -> YoloRows {
    let mut found = YoloRows::default();
    let mut met = HashSet::new();
    for (place, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        match row(&words, key_points) {
            Ok(_) if !met.insert(words) => found.repeated += 1,
            Ok(row) => found.rows.push(row),
            Err(what) => found.bad.push(format!("{what}: line {}", place + 1)),
        }
    }
    found
}

fn row(words: &[&str], key_points: Option<KeyPoints>) -> Result<YoloRow, String> {
    let numbers: Option<Vec<f64>> = words.iter().map(|word| word.parse().ok()).collect();
    let numbers = numbers.ok_or("are no numbers")?;
    let [class, shares @ ..] = numbers.as_slice() else { return Err("are empty".into()) };
    if class.fract() != 0.0 || !(0.0..1e6).contains(class) {
        return Err("name no class by a whole number from 0".into());
    }
    let (kind, length) = kind(shares, key_points)?;
    let (shares, score) = (&shares[..length], shares.get(length).copied());
    let shape = match kind {
        YoloKind::Polygon => around(shares),
        YoloKind::Box | YoloKind::KeyPoints => [shares[0], shares[1], shares[2], shares[3]],
    };
    // As Ultralytics has it: a hundredth beyond the edge is rounding; more is pixels where shares are meant, or damage.
    let [x, y, width, height] = shape;
    let good = [x, y].iter().all(|share| (-0.01..=1.01).contains(share))
        && [width, height].iter().all(|share| (0.0..=1.01).contains(share));
    if !good {
        return Err("lie outside the photo: shares of its sides are expected, from 0 to 1".into());
    }
    let (shape, outline) = match kind {
        YoloKind::Polygon => (cut(shape), corners(shares)),
        YoloKind::Box | YoloKind::KeyPoints => (shape, Vec::new()),
    };
    Ok(YoloRow { class: *class as usize, shape, score: confidence(score)?, kind, outline })
}

/// A confidence; a whole number above 1 is the number of a track and says nothing about the box.
fn confidence(score: Option<f64>) -> Result<Option<f64>, String> {
    match score {
        Some(score) if score > 1.0 && score.fract() == 0.0 => Ok(None),
        Some(score) if !(0.0..=1.0).contains(&score) => {
            Err("have a confidence that is not from 0 to 1 behind the box".into())
        }
        score => Ok(score),
    }
}

/// What a row's shares are, and how many of them; one more is a score.
fn kind(shares: &[f64], key_points: Option<KeyPoints>) -> Result<(YoloKind, usize), String> {
    let length = shares.len();
    if matches!(length, 4 | 5) {
        return Ok((YoloKind::Box, 4));
    }
    if let Some((count, each)) = key_points {
        let whole = 4 + count * each;
        return if length == whole || length == whole + 1 {
            Ok((YoloKind::KeyPoints, whole))
        } else {
            Err(format!(
                "have {length} numbers behind the class, and not 4 for a box and {count} times {each} for key points (`kpt_shape`)"
            ))
        };
    }
    if length < 6 {
        return Err("are neither a box of four numbers nor a polygon of three points or more".into());
    }
    if length.is_multiple_of(2) {
        return Ok((YoloKind::Polygon, length));
    }
    // Visible, hidden or absent: 2, 1 or 0 behind each point.
    let visible = |flag: &f64| [0.0, 1.0, 2.0].contains(flag);
    if (length - 4).is_multiple_of(3) && shares[4..].iter().skip(2).step_by(3).all(visible) {
        return Err("look like key points, and no `kpt_shape` in data.yaml says so".into());
    }
    Ok((YoloKind::Polygon, length - 1))
}

/// The box around a polygon.
fn around(shares: &[f64]) -> [f64; 4] {
    let span = |axis: usize| {
        let along = || shares.iter().skip(axis).step_by(2).copied();
        // A comparison with what is no number must not pass it over.
        if along().any(f64::is_nan) {
            return (f64::NAN, f64::NAN);
        }
        let (low, high) = (along().fold(f64::INFINITY, f64::min), along().fold(f64::NEG_INFINITY, f64::max));
        ((low + high) / 2.0, high - low)
    };
    let ((x, width), (y, height)) = (span(0), span(1));
    [x, y, width, height]
}

/// The corners of a polygon, those outside moved to the photo's edge.
fn corners(shares: &[f64]) -> Vec<[f64; 2]> {
    shares.chunks_exact(2).map(|corner| [corner[0].clamp(0.0, 1.0), corner[1].clamp(0.0, 1.0)]).collect()
}

/// The part of a box inside the photo.
fn cut([x, y, width, height]: [f64; 4]) -> [f64; 4] {
    let span = |centre: f64, side: f64| {
        let [low, high] = [centre - side / 2.0, centre + side / 2.0];
        if low >= 0.0 && high <= 1.0 {
            return (centre, side);
        }
        let [low, high] = [low.clamp(0.0, 1.0), high.clamp(0.0, 1.0)];
        ((low + high) / 2.0, high - low)
    };
    let ((x, width), (y, height)) = (span(x, width), span(y, height));
    [x, y, width, height]
}

/// Writes the rows of one photo.
pub(in super::super) fn write(
    (width, height): (u32, u32),
    cuts: &[ClippedObject<'_>],
    out: &mut impl Write,
) -> io::Result<()> {
    let (wide, high) = (f64::from(width), f64::from(height));
    for ClippedObject { object, corners: [left, top, right, bottom] } in cuts {
        let shares = [
            (left + right) / 2.0 / wide,
            (top + bottom) / 2.0 / high,
            (right - left) / wide,
            (bottom - top) / high,
        ];
        // Trainers read float32: its digits are all that counts.
        let [x, y, w, h] = shares.map(|share| share as f32);
        writeln!(out, "{} {x} {y} {w} {h}", object.category)?;
    }
    Ok(())
}

/// Writes the rows of one photo as polygons, as Ultralytics' segmentation models take them: of an object of several parts one
/// polygon that goes over to each and back; of one without an outline its box. Rows of boxes among polygons would be read
/// as polygons.
pub(in super::super) fn write_outlines(
    (width, height): (u32, u32),
    cuts: &[ClippedObject<'_>],
    out: &mut impl Write,
) -> io::Result<()> {
    let (wide, high) = (f64::from(width), f64::from(height));
    for ClippedObject { object, corners: [left, top, right, bottom] } in cuts {
        let mut line = joined(&object.outlines);
        if line.len() < 3 {
            line = vec![[*left, *top], [*right, *top], [*right, *bottom], [*left, *bottom]];
        }
        write!(out, "{}", object.category)?;
        for [x, y] in line {
            let [x, y] = [x / wide, y / high].map(|share| share.clamp(0.0, 1.0) as f32);
            write!(out, " {x} {y}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str, key_points: Option<KeyPoints>) -> YoloRow {
        let found = read_text(text, key_points);
        assert_eq!((found.rows.len(), found.bad.len()), (1, 0), "{text}: {:?}", found.bad);
        found.rows[0].clone()
    }

    fn near(is: [f64; 4], should: [f64; 4]) {
        assert!(is.iter().zip(should).all(|(is, should)| (is - should).abs() < 1e-12), "{is:?} {should:?}");
    }

    #[test]
    fn rows_are_boxes_or_polygons() {
        let read = read_text("0 0.5 0.25 0.5 0.5\n\n 3 0.1 0.2 0.3 0.2 0.3 0.6 0.2 0.5\r\n", None);
        let boxed = YoloRow {
            class: 0,
            shape: [0.5, 0.25, 0.5, 0.5],
            score: None,
            kind: YoloKind::Box,
            outline: Vec::new(),
        };
        assert_eq!(read.rows[0], boxed);
        assert_eq!((read.rows[1].class, read.rows[1].kind), (3, YoloKind::Polygon));
        near(read.rows[1].shape, [0.2, 0.4, 0.2, 0.4]);
        assert_eq!(read.rows[1].outline, [[0.1, 0.2], [0.3, 0.2], [0.3, 0.6], [0.2, 0.5]]);
    }

    #[test]
    fn confidences_stand_behind_boxes_and_polygons() {
        let boxed = one("0 .5 .5 .2 .2 0.91", None);
        assert_eq!((boxed.shape, boxed.score, boxed.kind), ([0.5, 0.5, 0.2, 0.2], Some(0.91), YoloKind::Box));
        let polygon = one("0 .1 .1 .3 .1 .3 .5 0.75", None);
        assert_eq!((polygon.score, polygon.kind), (Some(0.75), YoloKind::Polygon));
        near(polygon.shape, [0.2, 0.3, 0.2, 0.4]);
        assert_eq!(one("0 .5 .5 .2 .2 17", None).score, None);
    }

    #[test]
    fn key_points_are_no_polygons() {
        let pose = "0 .5 .5 .2 .2 .9 .9 2 .1 .1 0";
        let row = one(pose, Some((2, 3)));
        assert_eq!((row.shape, row.kind), ([0.5, 0.5, 0.2, 0.2], YoloKind::KeyPoints));
        assert_eq!(one(&format!("{pose} 0.8"), Some((2, 3))).score, Some(0.8));
        assert!(read_text(pose, Some((3, 3))).bad[0].contains("3 times 3 for key points"));
        // One point of three numbers without kpt_shape.
        assert!(read_text("0 .5 .5 .2 .2 .9 .9 2", None).bad[0].contains("look like key points"));
    }

    /// Ultralytics judges the box around the polygon, with a hundredth of tolerance.
    #[test]
    fn polygons_a_little_outside_are_cut() {
        near(one("0 -0.002 .1 .3 .1 .3 .5 -0.002 .5", None).shape, [0.15, 0.3, 0.3, 0.4]);
        near(one("0 0 0 1.004 0 1.004 1.004", None).shape, [0.5, 0.5, 1.0, 1.0]);
        assert!(read_text("0 -0.2 .1 1.2 .1 1.2 .5", None).bad[0].contains("outside the photo"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_the_rest_is_read() {
        for (text, words) in [
            ("0 1 1", "neither a box"),
            ("0", "neither a box"),
            ("0.5 .1 .1 .1 .1", "name no class"),
            ("-1 .1 .1 .1 .1", "name no class"),
            ("a .1 .1 .1 .1", "no numbers"),
            ("0 100 20 30 40", "outside the photo"),
            ("0 .1 NaN .1 .1", "outside the photo"),
            ("0 .1 NaN .1 .1 .2 .2", "outside the photo"),
            ("0 .1 .1 -.1 .1", "outside the photo"),
            ("0 .1 .1 .1 .1 1.5", "a confidence"),
        ] {
            let found = read_text(&format!("0 .1 .1 .1 .1\n{text}\n1 .1 .1 .1 .1\n0 .1 .1 .1 .1"), None);
            assert!(
                found.bad[0].contains(words) && found.bad[0].ends_with("line 2"),
                "{text}: {:?}",
                found.bad
            );
            assert_eq!((found.rows.len(), found.bad.len(), found.repeated), (2, 1, 1));
        }
    }
}
