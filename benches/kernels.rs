//! How long each step outside the network takes on one thread.
//!
//!     cargo bench --bench kernels [-- --json]
//!
//! `kernels.py` sets what Pillow, OpenCV and torchvision take for the same work beside it. The best of many calls
//! counts. Photos are rendered, boxes and scores are noise; sizes are those of a ResNet-50-FPN at 800 pixels.
#![allow(clippy::print_stdout)] // A program of its own, for whoever reads along.

mod support;

use std::hint::black_box;

use rcnn::internal::detector::{HeadOutput, RpnLevel, Selection, Sizes, detections, proposals};
use rcnn::internal::family::RankBy;
use rcnn::internal::geometry::{BBox, suppress};
use rcnn::internal::model::{DEFAULT, Model};
use rcnn::internal::photo::resize::{self, Planes};
use rcnn::internal::photo::{DecodeOptions, Decoder, decode_bytes, decode_for};
use support::{Noise, Outcome, best, render_sizes};

const PHOTO: (usize, usize) = (480, 640);
const RESIZED: (usize, usize) = (800, 1067);
const PADDED: (usize, usize) = (800, 1088);
const CLASSES: usize = 90;

fn main() -> Outcome<()> {
    let json = std::env::args().any(|argument| argument == "--json");
    let place = tempfile::tempdir()?;
    render_sizes(place.path(), &[(640, 480), (4000, 3000)])?;
    let small = std::fs::read(place.path().join("00000.jpg"))?;
    let large = std::fs::read(place.path().join("00001.jpg"))?;
    let mut rows: Vec<(&str, f64)> = Vec::new();
    let mut time = |name, work: &mut dyn FnMut()| rows.push((name, best(work)));
    for (name, bytes, decoder) in [
        ("decode 640x480", &small, Decoder::Exact),
        ("decode 640x480, --decoder fast", &small, Decoder::Fast),
        ("decode 4000x3000", &large, Decoder::Exact),
        ("decode 4000x3000, --decoder fast", &large, Decoder::Fast),
    ] {
        let options = DecodeOptions { decoder, ..DecodeOptions::default() };
        time(name, &mut || drop(black_box(decode_bytes(bytes, &options))));
    }
    let options = DecodeOptions { decoder: Decoder::Reduced, ..DecodeOptions::default() };
    let path = place.path().join("00001.jpg");
    for (name, target) in [
        ("decode 4000x3000, --decoder reduced for 800x1067", (1067, 800)),
        ("decode 4000x3000, --decoder reduced for 300x400", (400, 300)),
    ] {
        time(name, &mut || drop(black_box(decode_for(&path, &options, &|_| target))));
    }
    let photo = decode_bytes(&small, &DecodeOptions::default())?;
    let values = [std::array::from_fn(|byte| (byte as f32 / 255.0 - 0.45) / 0.22); 3];
    let planes = Planes { size: RESIZED, padded: PADDED };
    time("resize and normalise, as torchvision", &mut || {
        black_box(resize::normalised(&photo.pixels, PHOTO, planes, [0, 1, 2], &values));
    });
    time("resize, as Pillow", &mut || drop(black_box(resize::pillow(&photo.pixels, PHOTO, RESIZED))));
    time("resize, as OpenCV", &mut || drop(black_box(resize::opencv(&photo.pixels, PHOTO, RESIZED))));
    boxes(&mut time)?;
    if json {
        println!("{}", serde_json::to_string(&rows)?);
    } else {
        println!("| step | ms |\n|---|---|");
        rows.iter().for_each(|(name, seconds)| println!("| {name} | {:.3} |", 1e3 * seconds));
    }
    Ok(())
}

/// The steps on boxes.
fn boxes(time: &mut dyn FnMut(&'static str, &mut dyn FnMut())) -> Outcome<()> {
    let mut conventions = Model::find(DEFAULT)?.manifest().conventions.clone();
    let rule = &conventions.detections;
    let selection = Selection {
        scores: vec![rule.score_threshold; CLASSES],
        nms: rule.nms_threshold,
        class_agnostic: false,
        soft_nms: false,
        most: rule.per_image,
    };
    conventions.proposals.post_nms_top_n = 1000;
    let mut noise = Noise(1);
    let strides = [4, 8, 16, 32, 64];
    let maps = strides.map(|stride| (PADDED.0.div_ceil(stride), PADDED.1.div_ceil(stride)));
    let mut floats = |count: usize| (0..count).map(|_| noise.next()).collect::<Vec<f32>>();
    let logits = maps.map(|(height, width)| floats(3 * height * width));
    let deltas = maps.map(|(height, width)| floats(12 * height * width));
    let levels: Vec<RpnLevel<'_>> = maps
        .iter()
        .enumerate()
        .map(|(i, &map)| RpnLevel { logits: &logits[i], deltas: &deltas[i], map })
        .collect();
    let rank = || levels.iter().map(|level| level.ranked(3, 1000, RankBy::Logit)).collect::<Vec<_>>();
    time("top 1,000 of five levels, with deltas", &mut || drop(black_box(rank())));
    let ranked = rank();
    time("proposals of them: decode, clip, NMS", &mut || {
        black_box(proposals(&conventions, &ranked, &strides, RESIZED, PADDED));
    });
    let at = floats(4 * 5000);
    let corner = |quad: &[f32]| {
        let (x, y) = (500.0 * (quad[0] + 1.0), 400.0 * (quad[1] + 1.0));
        BBox::new(x, y, x + 120.0 * (quad[2] + 1.1), y + 120.0 * (quad[3] + 1.1))
    };
    let all: Vec<BBox> = at.chunks_exact(4).map(corner).collect();
    let scores = floats(5000);
    let groups: Vec<usize> = (0..5000).map(|i| i % 5).collect();
    time("NMS of 5,000 boxes in five groups", &mut || {
        black_box(suppress(&all, &scores, &groups, 0.7));
    });
    let (logits, deltas) = (floats(1000 * (CLASSES + 1)), floats(4000 * (CLASSES + 1)));
    let logits: Vec<f32> = logits.into_iter().map(|logit| 4.0 * logit).collect();
    let output =
        HeadOutput { logits: &logits, deltas: &deltas, classes: CLASSES, box_rows: 4 * (CLASSES + 1) };
    time("detections of 1,000 proposals and 90 classes", &mut || {
        let sizes = Sizes { photo: PHOTO, resized: RESIZED };
        black_box(detections(&conventions, &selection, output, &all[..1000], sizes));
    });
    Ok(())
}
