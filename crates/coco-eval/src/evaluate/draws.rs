//! Numbers in many draws of the images, or of whole clusters of them: what intervals are made of.
//!
//! Draws of several results on the same annotations are the same draws, so that they can be averaged and subtracted.

use super::interval::{Bias, DrawnNumber, Interval, IntervalKind};

/// How often, how and what to draw.
#[derive(Clone, Copy, Debug)]
pub struct Resampling<'a> {
    /// How many draws.
    pub count: usize,
    /// The same seed gives the same draws on any machine.
    pub seed: u64,
    /// What kind of draws and of interval.
    pub method: IntervalKind,
    /// Clusters that are drawn as a whole; images one by one where absent.
    pub clusters: Option<&'a super::Clusters>,
}

impl Resampling<'_> {
    /// Draws of single images for the default intervals.
    pub fn of_images(count: usize, seed: u64) -> Resampling<'static> {
        Resampling { count, seed, method: IntervalKind::default(), clusters: None }
    }
}

/// The numbers of some results, and what they are in each draw.
#[derive(Clone, Debug)]
pub struct Draws {
    pub(super) method: IntervalKind,
    /// The numbers; -1 where there is nothing to measure.
    pub(super) stats: Vec<f64>,
    /// The numbers in each draw; NaN where nothing is drawn that could be found.
    pub(super) values: Vec<Vec<f64>>,
    /// Their biases.
    pub(super) biases: Vec<Bias>,
    /// For each number the images that have something to find.
    pub(super) images: Vec<usize>,
    /// The same of clusters.
    pub(super) clusters: Option<Vec<usize>>,
    pub(super) difference: bool,
}

impl Draws {
    /// The numbers over all images.
    pub fn stats(&self) -> &[f64] {
        &self.stats
    }

    /// Where each number lies.
    pub fn intervals(&self) -> Vec<Interval> {
        (0..self.stats.len())
            .map(|place| {
                let drawn = DrawnNumber {
                    value: self.stats[place],
                    values: self
                        .values
                        .iter()
                        .map(|row| row[place])
                        .filter(|value| !value.is_nan())
                        .collect(),
                    bias: self.biases[place],
                    images: self.images[place],
                    clusters: self.clusters.as_ref().map(|clusters| clusters[place]),
                    difference: self.difference,
                };
                drawn.interval(self.method)
            })
            .collect()
    }

    /// The mean of several results, such as those of trainings that differ in their seeds; nothing of none.
    pub fn mean(of: &[&Draws]) -> Option<Draws> {
        let (first, count) = (*of.first()?, of.len() as f64);
        let mut mean = first.clone();
        for (place, value) in mean.stats.iter_mut().enumerate() {
            *value = of.iter().map(|draws| draws.stats[place]).sum::<f64>() / count;
        }
        for (number, row) in mean.values.iter_mut().enumerate() {
            for (place, value) in row.iter_mut().enumerate() {
                *value = of.iter().map(|draws| draws.values[number][place]).sum::<f64>() / count;
            }
        }
        for (place, bias) in mean.biases.iter_mut().enumerate() {
            let all = || of.iter().map(|draws| draws.biases[place]);
            bias.bias = all().map(|bias| bias.bias).sum::<f64>() / count;
            bias.error = all().map(|bias| bias.error).sum::<f64>() / count;
        }
        Some(mean)
    }

    /// These numbers less others, draw by draw. Biases of two results on the same images are much the same, so none is left in
    /// the difference that could be told from noise.
    pub fn less(&self, other: &Draws) -> Draws {
        let rows = self.values.iter().zip(&other.values);
        Draws {
            stats: self.stats.iter().zip(&other.stats).map(|(own, other)| own - other).collect(),
            values: rows
                .map(|(own, other)| own.iter().zip(other).map(|(own, other)| own - other).collect())
                .collect(),
            biases: vec![Bias::default(); self.biases.len()],
            difference: true,
            ..self.clone()
        }
    }

    /// The numbers in each draw; NaN where nothing is drawn that could be found.
    pub fn values(&self) -> &[Vec<f64>] {
        &self.values
    }
}

/// The units that are drawn: images, or clusters of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct DrawnUnits<'a> {
    /// The cluster of each image; each image is its own where absent.
    pub(super) of: Option<&'a [u32]>,
    pub(super) count: usize,
}

/// Memory of drawing.
#[derive(Default)]
pub(super) struct Drawing {
    order: Vec<u32>,
    units: Vec<u32>,
}

impl DrawnUnits<'_> {
    /// The unit of an image.
    pub(super) fn unit(&self, image: u32) -> u32 {
        self.of.map_or(image, |of| of[image as usize])
    }

    /// How often each image is drawn in draw `number`.
    pub(super) fn draw(
        &self,
        (method, seed, number): (IntervalKind, u64, u64),
        images: usize,
        drawing: &mut Drawing,
        weights: &mut Vec<u32>,
    ) {
        let Drawing { order, units } = drawing;
        units.clear();
        units.resize(self.count, 0);
        match method {
            IntervalKind::Subsampling => {
                // Draws come in pairs: a half, and the other half.
                let mut random = SplitMix::new(seed, number / 2);
                order.clear();
                order.extend(0..self.count as u32);
                for place in 0..self.count / 2 {
                    let other = place + random.below(self.count - place);
                    order.swap(place, other);
                    units[order[place] as usize] = 1;
                }
                if number % 2 == 1 {
                    units.iter_mut().for_each(|unit| *unit = 1 - *unit);
                }
            }
            IntervalKind::Basic | IntervalKind::Percentile => {
                let mut random = SplitMix::new(seed, number);
                for _ in 0..self.count {
                    units[random.below(self.count)] += 1;
                }
            }
        }
        weights.clear();
        match self.of {
            Some(of) => weights.extend(of.iter().map(|&unit| units[unit as usize])),
            None => weights.extend_from_slice(units),
        }
        weights.resize(images, 0);
    }
}

/// Steele, Lea and Flood's SplitMix64; each draw has a stream of its own, so that threads do not matter.
struct SplitMix(u64);

impl SplitMix {
    fn new(seed: u64, number: u64) -> SplitMix {
        SplitMix(mix(seed ^ mix(number.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// A number from 0 to below `count`.
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        ((u128::from(mix(self.0)) * count as u128) >> 64) as usize
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(units: &DrawnUnits<'_>, method: IntervalKind, number: u64, images: usize) -> Vec<u32> {
        let mut weights = Vec::new();
        units.draw((method, 1, number), images, &mut Drawing::default(), &mut weights);
        weights
    }

    #[test]
    fn weights_are_draws() {
        let units = DrawnUnits { of: None, count: 1000 };
        let first = draw(&units, IntervalKind::Percentile, 0, 1000);
        assert_eq!(first.iter().sum::<u32>(), 1000);
        assert_ne!(first, draw(&units, IntervalKind::Percentile, 1, 1000));
        assert_eq!(first, draw(&units, IntervalKind::Percentile, 0, 1000));
    }

    #[test]
    fn halves_come_in_pairs() {
        let units = DrawnUnits { of: None, count: 1001 };
        let (half, other) = (
            draw(&units, IntervalKind::Subsampling, 4, 1001),
            draw(&units, IntervalKind::Subsampling, 5, 1001),
        );
        assert_eq!((half.iter().sum::<u32>(), other.iter().sum::<u32>()), (500, 501));
        assert!(half.iter().zip(&other).all(|(a, b)| a + b == 1));
        assert_ne!(half, draw(&units, IntervalKind::Subsampling, 6, 1001));
    }

    #[test]
    fn clusters_are_drawn_whole() {
        let of = [0, 0, 1, 1, 1, 2, 3];
        let units = DrawnUnits { of: Some(&of), count: 4 };
        for (method, number) in
            [(IntervalKind::Subsampling, 0), (IntervalKind::Subsampling, 1), (IntervalKind::Basic, 0)]
        {
            let weights = draw(&units, method, number, of.len());
            assert!(weights[0] == weights[1] && weights[2] == weights[3] && weights[3] == weights[4]);
        }
        assert_eq!(
            [0, 2, 5, 6].map(|k| draw(&units, IntervalKind::Subsampling, 2, 7)[k]).iter().sum::<u32>(),
            2
        );
    }
}
