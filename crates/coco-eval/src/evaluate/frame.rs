//! Detections whose boxes are those of a picture of another size: which one fits the annotations.

use super::sample::Sample;

/// The picture that boxes belong to, against the image that is annotated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Frame {
    /// So many times as wide and high.
    Scaled(f64, f64),
    /// Of this size, whatever the image's.
    Fixed(f64, f64),
    /// Resized to a longer side of this length.
    LongSide(f64),
    /// Resized to a shorter side of this length.
    ShortSide(f64),
}

/// The share of the sample's annotations that must fit a frame.
const ENOUGH: f64 = 0.25;
/// Logarithms of sizes that differ by less are those of one size.
const NEAR: f64 = 0.05;

impl Frame {
    /// Frames that fit many annotations, each kind's best; what is no other size at all is not among them.
    pub(super) fn guesses(sample: &Sample) -> Vec<Frame> {
        let ratios: Vec<((f64, f64), (f64, f64))> = sample
            .pairs()
            .filter_map(|(truth, guess)| {
                // Centres lie far from 0 and tell the scale best; sides must agree.
                let middle = |bbox: &[f64; 4], axis: usize| bbox[axis] + bbox[axis + 2] / 2.0;
                let ratio = |axis: usize| middle(guess, axis) / middle(&truth.bbox, axis);
                let sides = |axis: usize| guess[axis + 2] / truth.bbox[axis + 2];
                let agree = |axis: usize| {
                    (0.02..50.0).contains(&ratio(axis)) && alike(sides(axis), ratio(axis), 1.35)
                };
                (agree(0) && agree(1)).then(|| ((ratio(0), ratio(1)), sample.sizes[truth.image as usize]))
            })
            .collect();
        let least = (ENOUGH * sample.truths.len() as f64).ceil().max(2.0) as usize;
        let by = |size: &dyn Fn((f64, f64)) -> (f64, f64)| {
            let sizes = ratios.iter().map(|&((across, down), image)| {
                let (width, height) = size(image);
                (across * width, down * height)
            });
            mode(sizes.filter(|(width, height)| width.is_finite() && height.is_finite()).collect(), least)
        };
        let one = |(a, b): (f64, f64)| (a - b).abs() <= 0.1 * a.max(b);
        let scaled = by(&|_| (1.0, 1.0)).map(|(across, down)| Frame::Scaled(across, down));
        let fixed = by(&|size| size).map(|(width, height)| Frame::Fixed(width, height));
        let long = by(&|(w, h)| (w.max(h), w.max(h))).filter(|&sides| one(sides));
        let short = by(&|(w, h)| (w.min(h), w.min(h))).filter(|&sides| one(sides));
        let long = long.map(|(a, b)| Frame::LongSide((a + b) / 2.0));
        let short = short.map(|(a, b)| Frame::ShortSide((a + b) / 2.0));
        let same = |frame: &Frame| matches!(frame, Frame::Scaled(x, y) if x.ln().abs() < NEAR && y.ln().abs() < NEAR);
        [scaled, fixed, long, short].into_iter().flatten().filter(|frame| !same(frame)).collect()
    }

    /// A box of the frame in an image of some size.
    pub(super) fn undo(self, [x, y, width, height]: [f64; 4], (wide, high): (f64, f64)) -> [f64; 4] {
        let (across, down) = match self {
            Frame::Scaled(across, down) => (across, down),
            Frame::Fixed(width, height) => (width / wide, height / high),
            Frame::LongSide(side) => (side / wide.max(high), side / wide.max(high)),
            Frame::ShortSide(side) => (side / wide.min(high), side / wide.min(high)),
        };
        [x / across, y / down, width / across, height / down]
    }

    /// In words.
    pub(super) fn words(self) -> String {
        match self {
            Frame::Scaled(across, down) if (across / down).ln().abs() < NEAR => {
                format!("of pictures {:.2} times as large", (across * down).sqrt())
            }
            Frame::Scaled(across, down) => {
                format!("of pictures {across:.2} times as wide and {down:.2} times as high")
            }
            Frame::Fixed(width, height) => format!("of pictures of {width:.0}x{height:.0} pixels"),
            Frame::LongSide(side) => format!("of pictures whose longer side has {side:.0} pixels"),
            Frame::ShortSide(side) => format!("of pictures whose shorter side has {side:.0} pixels"),
        }
    }
}

/// Whether neither of two positive numbers is so many times the other. Logarithms would cost more than all else here.
fn alike(a: f64, b: f64, times: f64) -> bool {
    (a < times * b) & (b < times * a)
}

/// The middle of the most frequent sizes, if there are enough of them.
fn mode(sizes: Vec<(f64, f64)>, least: usize) -> Option<(f64, f64)> {
    let times = NEAR.exp();
    let near = |a: &(f64, f64), b: &(f64, f64)| alike(a.0, b.0, times) & alike(a.1, b.1, times);
    // A few hundred of them are candidates enough.
    let step = sizes.len().div_ceil(300).max(1);
    let count = |own: &(f64, f64)| sizes.iter().filter(|other| near(own, other)).count();
    let best = sizes.iter().step_by(step).max_by_key(|own| count(own))?;
    let alike: Vec<&(f64, f64)> = sizes.iter().filter(|other| near(best, other)).collect();
    if alike.len() < least {
        return None;
    }
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let wide = middle(alike.iter().map(|size| size.0).collect());
    Some((wide, middle(alike.iter().map(|size| size.1).collect())))
}
