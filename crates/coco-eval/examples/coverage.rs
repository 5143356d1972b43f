//! How often intervals hold what they should: `cargo run --release -p coco-eval --example coverage [REPLICATES [DRAWS [SETTING]]]`.
//!
//! A detector is simulated whose AP over very many images is known. Again and again somebody has a few of these images,
//! evaluates, and asks for 95 % intervals: printed is in how many of 100 cases they hold the known value, for each way of making
//! them; and how often two detectors that are equally good are called different. The table is in docs/evaluate.md.

use std::f64::consts::TAU;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use coco_eval::{Evaluator, IntervalKind, Reading, Resampling};

/// What is simulated.
#[derive(Clone, Copy)]
struct Setting {
    name: &'static str,
    images: usize,
    classes: usize,
    /// Objects of an image beyond the first, and false detections, on average of an exponential distribution that is cut down to
    /// whole numbers.
    more: f64,
    wrong: f64,
    /// How easy the objects are.
    ease: f64,
    /// The k-th class is as frequent as one over k to this power.
    tail: f64,
    /// Images of a video, which show the same objects.
    video: usize,
}

const SETTINGS: [Setting; 9] = [
    Setting {
        name: "31 classes, 399 images of one object",
        images: 399,
        classes: 31,
        more: 0.05,
        wrong: 2.0,
        ease: 0.8,
        tail: 0.5,
        video: 1,
    },
    Setting {
        name: "the same, easy objects",
        images: 399,
        classes: 31,
        more: 0.05,
        wrong: 1.0,
        ease: 3.0,
        tail: 0.5,
        video: 1,
    },
    Setting {
        name: "31 classes, 399 images, hard objects, rare classes",
        images: 399,
        classes: 31,
        more: 0.8,
        wrong: 8.0,
        ease: -0.5,
        tail: 1.0,
        video: 1,
    },
    Setting {
        name: "20 classes, 300 images",
        images: 300,
        classes: 20,
        more: 0.8,
        wrong: 4.0,
        ease: 0.8,
        tail: 0.5,
        video: 1,
    },
    Setting {
        name: "20 classes, 1,000 images",
        images: 1000,
        classes: 20,
        more: 0.8,
        wrong: 4.0,
        ease: 0.8,
        tail: 0.5,
        video: 1,
    },
    Setting {
        name: "3 classes, 200 images",
        images: 200,
        classes: 3,
        more: 0.8,
        wrong: 4.0,
        ease: 0.8,
        tail: 0.5,
        video: 1,
    },
    Setting {
        name: "80 classes, 800 images",
        images: 800,
        classes: 80,
        more: 0.8,
        wrong: 4.0,
        ease: 0.8,
        tail: 0.5,
        video: 1,
    },
    Setting {
        name: "1 class, 60 images",
        images: 60,
        classes: 1,
        more: 0.8,
        wrong: 4.0,
        ease: 0.8,
        tail: 0.5,
        video: 1,
    },
    Setting {
        name: "10 classes, 40 videos of 10 images",
        images: 400,
        classes: 10,
        more: 0.8,
        wrong: 4.0,
        ease: 0.8,
        tail: 0.5,
        video: 10,
    },
];

/// Images whose AP is taken for the true one.
const MANY: usize = 200_000;
/// Places and names of the numbers that are shown.
const SHOWN: [(usize, &str); 4] = [(0, "AP"), (1, "AP50"), (3, "APs"), (8, "AR")];
const METHODS: [(IntervalKind, &str); 3] = [
    (IntervalKind::Subsampling, "subsampling"),
    (IntervalKind::Basic, "basic"),
    (IntervalKind::Percentile, "percentile"),
];

/// Steele, Lea and Flood's SplitMix64.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((value ^ (value >> 31)) >> 11) as f64 / (1u64 << 53) as f64 + f64::EPSILON / 4.0
    }

    fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let (radius, turn) = (self.uniform(), self.uniform());
        mean + deviation * (-2.0 * radius.ln()).sqrt() * (TAU * turn).cos()
    }

    fn count(&mut self, mean: f64) -> usize {
        (-mean * self.uniform().ln()) as usize
    }
}

fn logistic(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}

/// A data set, and what two equally good detectors find in it.
struct Files {
    annotations: PathBuf,
    results: [PathBuf; 2],
}

/// Draws images and writes them; with `even`, all classes are equally frequent.
fn write(
    setting: &Setting,
    images: usize,
    even: bool,
    random: &mut Random,
    folder: &Path,
) -> std::io::Result<Files> {
    let weight = |k: usize| if even { 1.0 } else { ((k + 1) as f64).powf(-setting.tail) };
    let total: f64 = (0..setting.classes).map(weight).sum();
    let mut sum = 0.0;
    let ends: Vec<f64> = (0..setting.classes)
        .map(|k| {
            sum += weight(k) / total;
            sum
        })
        .collect();
    let class = |random: &mut Random| {
        let share = random.uniform();
        ends.partition_point(|&end| end < share).min(setting.classes - 1)
    };
    let (mut listed, mut objects, mut found) = (String::new(), String::new(), [String::new(), String::new()]);
    let mut ids = 0;
    let mut result = |detector: usize, image: usize, class: usize, bbox: [f64; 4], score: f64| {
        let [x, y, w, h] = bbox;
        let comma = if found[detector].is_empty() { "" } else { ",\n" };
        let _ = write!(
            found[detector],
            "{comma}{{\"image_id\":{image},\"category_id\":{},\"bbox\":[{x:.2},{y:.2},{w:.2},{h:.2}],\"score\":{score:.6}}}",
            class + 1
        );
    };
    let videos = setting.video > 1;
    for first in (0..images).step_by(setting.video) {
        let scene = random.normal(0.0, 0.6);
        let ground_truth: Vec<(usize, [f64; 4], f64)> = (0..=random.count(setting.more))
            .map(|_| {
                let (class, height) = (class(random), random.normal(4.1, 0.7).exp());
                let width = height * (0.6 + random.uniform());
                let bbox = [random.uniform() * 560.0, random.uniform() * 400.0, width, height];
                let hardness = (12.9898 * class as f64).sin();
                (
                    class,
                    bbox,
                    scene + hardness + random.normal(0.0, if videos { 0.7 } else { 0.8 }) + setting.ease,
                )
            })
            .collect();
        for image in first..(first + setting.video).min(images) {
            let comma = if image == 0 { "" } else { "," };
            let _ =
                write!(listed, "{comma}{{\"id\":{image},\"video\":{first},\"file_name\":\"{image}.jpg\"}}");
            for &(class, bbox, ease) in &ground_truth {
                let (size, ease) = match videos {
                    true => (random.normal(0.0, 0.15).exp(), ease + random.normal(0.0, 0.6)),
                    false => (1.0, ease),
                };
                let [x, y, w, h] = [bbox[0], bbox[1], bbox[2] * size, bbox[3] * size];
                ids += 1;
                let comma = if ids == 1 { "" } else { ",\n" };
                let _ = write!(
                    objects,
                    "{comma}{{\"id\":{ids},\"image_id\":{image},\"category_id\":{},\"bbox\":[{x:.2},{y:.2},{w:.2},{h:.2}],\"area\":{:.2},\"iscrowd\":0}}",
                    class + 1,
                    w * h
                );
                for detector in 0..2 {
                    let ease = ease + random.normal(0.0, 0.7);
                    if random.uniform() > logistic(1.2 * ease) {
                        continue;
                    }
                    let off = 0.04 + 0.08 * random.uniform() + 0.12 * (-ease.max(-2.0)).exp();
                    let mut near = |value: f64, side: f64| value + random.normal(0.0, off) * side;
                    let guess =
                        [near(x, w / 2.0), near(y, h / 2.0), near(w, w).max(2.0), near(h, h).max(2.0)];
                    let score = logistic(1.2 * ease + random.normal(-0.3, 0.9));
                    result(detector, image, class, guess, score);
                }
            }
            for detector in 0..2 {
                for _ in 0..random.count(setting.wrong) {
                    let (class, side) = (class(random), random.normal(4.1, 0.7).exp());
                    let bbox = [random.uniform() * 560.0, random.uniform() * 400.0, side, side];
                    result(detector, image, class, bbox, logistic(random.normal(-2.2, 1.1)));
                }
            }
        }
    }
    let categories: Vec<String> =
        (1..=setting.classes).map(|id| format!("{{\"id\":{id},\"name\":\"c{id}\"}}")).collect();
    let set = format!(
        "{{\"images\":[{listed}],\"annotations\":[{objects}],\"categories\":[{}]}}",
        categories.join(",")
    );
    let path = |name: &str| folder.join(name);
    let files = Files { annotations: path("gt.json"), results: [path("a.json"), path("b.json")] };
    std::fs::write(&files.annotations, set)?;
    for (path, found) in files.results.iter().zip(&found) {
        std::fs::write(path, format!("[{found}]"))?;
    }
    Ok(files)
}

/// What is counted over all replicates of a setting.
#[derive(Default)]
struct Counts {
    /// For each method and number: intervals that hold the true value, and intervals.
    held: [[(u32, u32); SHOWN.len()]; METHODS.len()],
    /// The same of differences that exclude 0.
    called: [[(u32, u32); SHOWN.len()]; METHODS.len()],
}

fn replicate(
    files: &Files,
    truth: &[f64],
    draws: usize,
    by_video: bool,
    counts: &mut Counts,
) -> Result<(), Box<dyn std::error::Error>> {
    let reading = Reading::default();
    let input = Evaluator::new(&files.annotations, &files.results[0])?;
    let other = Evaluator::new(&files.annotations, &files.results[1])?;
    let clusters = if by_video { Some(input.clusters("video")?) } else { None };
    for (m, (method, _)) in METHODS.into_iter().enumerate() {
        let resampling = Resampling { count: draws, seed: 0, method, clusters: clusters.as_ref() };
        let (own, others) = (input.draws(reading, &resampling)?, other.draws(reading, &resampling)?);
        let (intervals, differences) = (own.intervals(), others.less(&own).intervals());
        for (s, (place, _)) in SHOWN.into_iter().enumerate() {
            let (interval, difference) = (&intervals[place], &differences[place]);
            if interval.exists() {
                let holds = interval.low <= truth[place] && truth[place] <= interval.high;
                counts.held[m][s].0 += u32::from(holds);
                counts.held[m][s].1 += 1;
            }
            if difference.exists() {
                counts.called[m][s].0 += u32::from(difference.excludes_zero());
                counts.called[m][s].1 += 1;
            }
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, otherwise: usize| match arguments.get(place) {
        Some(text) => text.parse(),
        None => Ok(otherwise),
    };
    let (replicates, draws) = (number(0, 200)?, number(1, 200)?);
    let folder = tempfile::tempdir()?;
    let mut out = std::io::stdout().lock();
    let names: Vec<&str> = SHOWN.iter().map(|(_, name)| *name).collect();
    writeln!(out, "| setting | intervals | {} | differences: {} |", names.join(" | "), names.join(" | "))?;
    writeln!(out, "|---|---|{}", "---|".repeat(2 * SHOWN.len()))?;
    for (place, setting) in SETTINGS.iter().enumerate() {
        if arguments.get(2).is_some_and(|part| !setting.name.contains(part.as_str())) {
            continue;
        }
        let mut random = Random(place as u64 + 1);
        let files = write(setting, MANY, true, &mut random, folder.path())?;
        let truth =
            Evaluator::new(&files.annotations, &files.results[0])?.evaluate_as(Reading::default(), false)?;
        let mut counts = Counts::default();
        for _ in 0..replicates {
            let files = write(setting, setting.images, false, &mut random, folder.path())?;
            replicate(&files, &truth.stats, draws, setting.video > 1, &mut counts)?;
        }
        for (m, (_, method)) in METHODS.iter().enumerate() {
            let share =
                |&(count, of): &(u32, u32)| format!("{:.0}", 100.0 * f64::from(count) / f64::from(of.max(1)));
            let cells: Vec<String> = counts.held[m].iter().chain(&counts.called[m]).map(share).collect();
            let title =
                if m == 0 { format!("{}, AP {:.3}", setting.name, truth.stats[0]) } else { String::new() };
            writeln!(out, "| {title} | {method} | {} |", cells.join(" | "))?;
            out.flush()?;
        }
    }
    Ok(())
}
