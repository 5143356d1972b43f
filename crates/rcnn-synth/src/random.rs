//! A small random generator: the same numbers on every machine. Knows nothing of what they are for.
//!
//! The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014):
//! a counter that grows by a fixed odd number, scrambled. It is whole-number arithmetic throughout.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(super) struct SceneRandom {
    state: u64,
}

/// 2^64 divided by the golden ratio, made odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's scrambling: every bit in changes half of the bits out.
fn scramble(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl SceneRandom {
    /// The stream of a seed.
    pub(super) fn new(seed: u64) -> SceneRandom {
        SceneRandom { state: seed }
    }

    /// A stream of its own for one part of a scene, so that a change to one part leaves the others as they were.
    pub(super) fn fork(&self, part: u64) -> SceneRandom {
        SceneRandom { state: scramble(self.state ^ scramble(part.wrapping_add(STEP))) }
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        scramble(self.state)
    }

    /// From 0 up to, not including, 1, in steps of 2^-24 (which float32 holds exactly).
    pub(super) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / 16_777_216.0
    }

    /// From low up to high.
    pub(super) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A whole number below the bound, which is at least 1.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        // The top of a 128-bit product: no division, and no bias worth a word at these bounds.
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// One of the choices, which are not empty.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Bell-shaped with mean 0 and deviation 1, within ±3.5: the sum of four uniform numbers.
    pub(super) fn bell(&mut self) -> f32 {
        let bits = self.bits();
        let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
        // Four uniform numbers have the variance 4/12, so the deviation 1/√3.
        (sum as f32 / 65_536.0 - 2.0) * 1.732_050_8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_splitmix64() {
        // The first numbers for the seed 1234567, as other implementations of the generator give them.
        let mut random = SceneRandom::new(1_234_567);
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn numbers_keep_to_their_ranges() {
        let mut random = SceneRandom::new(7);
        let bells: Vec<f32> = (0..10_000).map(|_| random.bell()).collect();
        let mean = bells.iter().sum::<f32>() / 10_000.0;
        let spread = (bells.iter().map(|bell| bell * bell).sum::<f32>() / 10_000.0).sqrt();
        assert!(mean.abs() < 0.05 && (spread - 1.0).abs() < 0.05, "{mean} {spread}");
        assert!((0..1000).all(|_| random.below(3) < 3 && (0.0..1.0).contains(&random.unit())));
    }

    #[test]
    fn forks_differ_and_leave_the_stream_alone() {
        let random = SceneRandom::new(7);
        let (mut a, mut b) = (random.fork(0), random.fork(1));
        assert_ne!(a.bits(), b.bits());
        assert_eq!(random.state, 7);
    }
}
