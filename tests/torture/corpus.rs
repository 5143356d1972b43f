//! Malformed pictures of every format, the same for the same chances: good ones that are cut, flipped, spliced and
//! joined, with headers that lie, and those that were forged to cost much.

use std::fs;

use fastrand::Rng;

use crate::forged;
use crate::support::fixtures;

/// A file to be tried.
#[derive(Clone)]
pub struct Picture {
    pub ending: String,
    pub bytes: Vec<u8>,
}

/// Good pictures of every format and kind.
pub fn good() -> Vec<Picture> {
    let mut paths: Vec<_> = fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let picture = |path: &std::path::PathBuf| {
        let ending = path.extension()?.to_str()?.to_owned();
        let is_picture = ["jpg", "png", "webp", "tif", "bmp", "gif"].contains(&ending.as_str());
        is_picture.then(|| Picture { ending, bytes: fs::read(path).unwrap() })
    };
    paths.iter().filter_map(picture).collect()
}

/// So many malformed ones; a few may still be good, as nobody can tell from a flipped bit.
pub fn malformed(count: usize, costly: bool, random: &mut Rng) -> Vec<Picture> {
    let good = good();
    let mut all = forged::all(costly);
    while all.len() < count {
        let Picture { ending, mut bytes } = good[random.usize(..good.len())].clone();
        for _ in 0..random.usize(1..=3) {
            let other = &good[random.usize(..good.len())].bytes;
            harm(&mut bytes, other, random);
        }
        all.push(Picture { ending, bytes });
    }
    random.shuffle(&mut all);
    all.truncate(count);
    all
}

/// One harm of many kinds.
fn harm(bytes: &mut Vec<u8>, other: &[u8], random: &mut Rng) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    let at = random.usize(..length);
    let some = random.usize(1..=64).min(length - at);
    match random.u8(..11) {
        0 => bytes.truncate(at),
        // Near the end, where a picture still looks whole.
        1 => bytes.truncate(length - random.usize(1..=16).min(length)),
        2 => (0..random.usize(1..=8)).for_each(|_| bytes[random.usize(..length)] ^= 1 << random.u8(..8)),
        3 => bytes[at..at + some].iter_mut().for_each(|byte| *byte = random.u8(..)),
        4 => bytes[at..].fill(random.choice([0, 0xff, 0x55]).unwrap_or(0)),
        5 => drop(bytes.drain(at..at + some)),
        6 => {
            let again = bytes[at..at + some].repeat(random.usize(2..50));
            drop(bytes.splice(at..at, again));
        }
        // The beginning of one and the end of another.
        7 => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[random.usize(..other.len())..]);
        }
        // A number in the header, as large or small as it can be.
        8 | 9 => {
            let at = random.usize(..length.min(96));
            let width = random.choice([1, 2, 4, 8]).unwrap_or(1);
            let value = random.choice([0u64, 1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff, u64::MAX]).unwrap_or(0);
            let digits =
                if random.bool() { value.to_le_bytes() } else { value.to_be_bytes().map(|byte| byte) };
            let end = (at + width).min(length);
            bytes[at..end].copy_from_slice(&digits[..end - at]);
        }
        _ => {
            let to = random.usize(..length - some + 1);
            let part = bytes[at..at + some].to_vec();
            bytes[to..to + some].copy_from_slice(&part);
        }
    }
}
