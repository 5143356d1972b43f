//! From a photo to the trunk's input: resized, normalised, padded.

use super::{DetectorError, Sizes};
use crate::family::{ChannelOrder, InputRule, MOST_PIXELS, ResizeFilter, Scaling, SizeRule, ValueRange};
use crate::photo::resize::{self, Planes};
use crate::photo::{Photo, WideGrey};
use crate::runtime::Value;

/// A photo made ready for the trunk.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// (3, padded height, padded width).
    pub tensor: Vec<f32>,
    /// Height and width with padding; only inputs of one padded size share a batch.
    pub padded: (usize, usize),
    /// Height and width without padding.
    pub resized: (usize, usize),
    /// Height and width of the photo.
    pub photo: (usize, usize),
    /// Whether left and right are exchanged.
    pub mirror: bool,
    /// Further views of the same photo, which the network sees after this one.
    pub further: Vec<Input>,
    /// What further models see of the same photo.
    pub partners: Vec<Input>,
}

impl Input {
    /// Its tensor (1, 3, height, width), which it then is without.
    pub(super) fn take(&mut self) -> Result<Value, DetectorError> {
        let shape = [1, 3, self.padded.0, self.padded.1];
        Ok(Value::from_f32(&shape, std::mem::take(&mut self.tensor))?)
    }

    /// The same with left and right exchanged; the padding stays where it is.
    pub(super) fn mirrored(&self) -> Input {
        let Input { padded, resized, photo, .. } = *self;
        let mut tensor = self.tensor.clone();
        for row in tensor.chunks_exact_mut(padded.1.max(1)) {
            row[..resized.1].reverse();
        }
        Input {
            tensor,
            padded,
            resized,
            photo,
            mirror: !self.mirror,
            further: Vec::new(),
            partners: Vec::new(),
        }
    }

    /// The photo's size and the resized picture's.
    pub(super) fn on_its_way(&self) -> Sizes {
        Sizes { photo: self.photo, resized: self.resized }
    }

    /// Padded heights and widths of all views by the first model.
    pub fn sizes(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        std::iter::once(self.padded).chain(self.further.iter().map(|view| view.padded))
    }
}

/// What turns photos into inputs: the rule and the value of each byte.
#[derive(Clone, Debug)]
pub(super) struct Preprocessor {
    rule: InputRule,
    /// Of photos that the rule does not resize.
    scale: f64,
    values: Box<[[f32; 256]; 3]>,
}

impl Preprocessor {
    /// What becomes of grey values of 16 bits.
    pub(super) fn wide_grey(&self) -> WideGrey {
        self.rule.wide_grey()
    }

    /// That of a rule at a multiple of its own size.
    pub(super) fn new(rule: &InputRule, scale: f64) -> Preprocessor {
        let values =
            std::array::from_fn(|channel| std::array::from_fn(|byte| value(rule, channel, byte as f32)));
        let mut rule = rule.clone();
        for side in [&mut rule.min_size, &mut rule.max_size].into_iter().filter(|side| **side > 0) {
            *side = (f64::from(*side) * scale).round().max(1.0) as u32;
        }
        Preprocessor { rule, scale, values: Box::new(values) }
    }

    /// Height and width after resizing, as [`resized`] has them.
    fn size(&self, (height, width): (usize, usize)) -> (usize, usize) {
        if self.rule.min_size > 0 {
            return resized(&self.rule, (height, width));
        }
        let scaled = |side: usize| (side as f64 * self.scale + 0.5) as usize;
        (scaled(height), scaled(width))
    }

    /// Width and height that a photo of a width and height is resized to.
    pub(super) fn resized(&self, (width, height): (u32, u32)) -> (u32, u32) {
        let (height, width) = self.size((height as usize, width as usize));
        (u32::try_from(width).unwrap_or(u32::MAX), u32::try_from(height).unwrap_or(u32::MAX))
    }

    /// About the bytes that [`Preprocessor::prepare`] takes: float32 planes, the resized pixels, and what is resized
    /// across but not yet down.
    pub(super) fn bytes(&self, (width, height): (u32, u32)) -> u64 {
        let (height, width) = (height as usize, width as usize);
        if height == 0 || width == 0 {
            return 0;
        }
        let resized = self.size((height, width));
        let padded = padded(&self.rule, resized);
        let area = |height: usize, width: usize| height as u64 * width as u64;
        12 * area(padded.0, padded.1) + 3 * area(resized.0, resized.1) + 3 * area(height, resized.1)
    }

    /// `full` are the width and height that boxes refer to; the photo may have been decoded smaller.
    pub(super) fn prepare(&self, photo: &Photo, full: (u32, u32)) -> Result<Input, DetectorError> {
        let size = (photo.height as usize, photo.width as usize);
        let (width, height) = full;
        let full = (height as usize, width as usize);
        let resized = self.size(full);
        if resized.0 == 0 || resized.1 == 0 {
            return Err(DetectorError::TooThin { width, height });
        }
        if resized.0 as u64 * resized.1 as u64 > MOST_PIXELS && (self.rule.min_size > 0 || self.scale > 1.0) {
            return Err(DetectorError::TooLong { width, height, resized: (resized.1, resized.0) });
        }
        let padded = padded(&self.rule, resized);
        let order = match self.rule.channel_order {
            ChannelOrder::Rgb => [0, 1, 2],
            ChannelOrder::Bgr => [2, 1, 0],
        };
        let planes = Planes { size: resized, padded };
        let tensor = match self.rule.filter {
            ResizeFilter::NormalisedBilinear => {
                resize::normalised(&photo.pixels, size, planes, order, &self.values)
            }
            ResizeFilter::PillowBilinear => {
                let pixels = resize::pillow(&photo.pixels, size, resized);
                resize::normalised(&pixels, resized, planes, order, &self.values)
            }
            ResizeFilter::OpencvBilinear => {
                let pixels = resize::opencv(&photo.pixels, size, resized);
                resize::normalised(&pixels, resized, planes, order, &self.values)
            }
            ResizeFilter::OpencvBicubic => {
                let pixels = resize::opencv_cubic(&photo.pixels, size, resized);
                resize::normalised(&pixels, resized, planes, order, &self.values)
            }
            ResizeFilter::OpencvBicubicFixed => {
                let pixels = resize::opencv_cubic_fixed(&photo.pixels, size, resized);
                resize::normalised(&pixels, resized, planes, order, &self.values)
            }
        };
        Ok(Input {
            tensor,
            padded,
            resized,
            photo: full,
            mirror: false,
            further: Vec::new(),
            partners: Vec::new(),
        })
    }
}

/// What a byte becomes, in float32.
fn value(rule: &InputRule, channel: usize, byte: f32) -> f32 {
    let value = match (rule.value_range, rule.scaling) {
        (ValueRange::Unit, Scaling::DivideInDouble) => byte * (1.0 / 255.0),
        (ValueRange::Unit, _) => byte / 255.0,
        (ValueRange::Byte, _) => byte,
    };
    let (mean, std) = (rule.mean[channel], rule.std[channel]);
    match rule.scaling {
        Scaling::Divide => (value - mean) / std,
        Scaling::MultiplyByInverse => (value - mean) * (1.0 / std),
        Scaling::DivideInDouble => {
            let centred = (f64::from(value) - as_written(mean)) as f32;
            (f64::from(centred) / as_written(std)) as f32
        }
    }
}

/// The float64 of the shortest decimal number that a float32 stands for: 0.485 and not 0.48500001431.
fn as_written(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// Height and width after resizing; a side may come out as 0. All in float64.
pub(super) fn resized(rule: &InputRule, (height, width): (usize, usize)) -> (usize, usize) {
    if rule.min_size == 0 {
        return (height, width);
    }
    let (h, w) = (height as f64, width as f64);
    let (short, long) = (f64::from(rule.min_size), f64::from(rule.max_size));
    let fitting = (short / h.min(w)).min(long / h.max(w));
    match rule.size_rule {
        SizeRule::WholeShortestEdge => {
            let (least, most) = (h.min(w), h.max(w));
            let side =
                if most / least * short > long { (long * least / most).round_ties_even() } else { short };
            let longer = (side * most / least).floor();
            let (nh, nw) = if w < h { (longer, side) } else { (side, longer) };
            (nh as usize, nw as usize)
        }
        SizeRule::Floor => ((h * fitting).floor() as usize, (w * fitting).floor() as usize),
        SizeRule::HalfUp => ((h * fitting + 0.5) as usize, (w * fitting + 0.5) as usize),
        SizeRule::ShortestEdge => {
            let scale = short / h.min(w);
            let (mut nh, mut nw) = if h < w { (short, scale * w) } else { (scale * h, short) };
            if nh.max(nw) > long {
                let again = long / nh.max(nw);
                (nh, nw) = (nh * again, nw * again);
            }
            ((nh + 0.5) as usize, (nw + 0.5) as usize)
        }
    }
}

pub(super) fn padded(rule: &InputRule, (height, width): (usize, usize)) -> (usize, usize) {
    let multiple = rule.pad_to.max(1) as usize;
    (height.next_multiple_of(multiple), width.next_multiple_of(multiple))
}
