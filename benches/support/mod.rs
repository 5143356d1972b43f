//! What the programs that measure share: photos that are rendered, a checkpoint of full size, the peak memory of a
//! process, the time of a call.

#![allow(dead_code, unreachable_pub, missing_docs)] // Each program uses a part.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use safetensors::tensor::{Dtype, TensorView};

pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Seconds of the quickest of many calls.
pub fn best(mut work: impl FnMut()) -> f64 {
    let started = Instant::now();
    let mut best = f64::INFINITY;
    let mut calls = 0;
    while calls < 5 || started.elapsed() < Duration::from_millis(800) {
        let began = Instant::now();
        work();
        best = best.min(began.elapsed().as_secs_f64());
        calls += 1;
    }
    best
}

/// What one run of `rcnn detect` said and took.
pub struct Ran {
    pub record: rcnn::internal::run::Record,
    pub peak_mib: f64,
}

/// Runs `rcnn detect` on a list of photos, without pictures.
pub fn detect(place: &Path, photos: &Path, options: &[&str]) -> Outcome<Ran> {
    let out = place.join("out");
    let mut child = Command::new(env!("CARGO_BIN_EXE_rcnn"))
        .args(["detect", "--no-draw", "--overwrite"])
        .args(options)
        .arg("-o")
        .args([&out, photos])
        .stdout(Stdio::null())
        .spawn()?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    let ended = loop {
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        peak = peak.max(peak_kib(&status).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(20));
    };
    if !ended.success() {
        return Err(format!("rcnn detect ended with {ended}").into());
    }
    let record = serde_json::from_slice(&std::fs::read(out.join("run.json"))?)?;
    Ok(Ran { record, peak_mib: peak as f64 / 1024.0 })
}

fn peak_kib(status: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Numbers that look random and are the same everywhere.
pub struct Noise(pub u64);

impl Noise {
    /// From -1 to 1.
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

pub fn render(folder: &Path, count: usize) -> Outcome<()> {
    render_sizes(folder, &vec![(640, 480); count])
}

/// A photo of each size.
pub fn render_sizes(folder: &Path, sizes: &[(u32, u32)]) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    for (number, &(width, height)) in sizes.iter().enumerate() {
        let mut noise = Noise(number as u64);
        let shift = 40.0 * noise.next();
        let picture = image::RgbImage::from_fn(width, height, |x, y| {
            let wave = ((x as f32 + shift) / 37.0).sin() * (y as f32 / 29.0).cos();
            let grain = 8.0 * noise.next();
            image::Rgb([0.0, 20.0, -20.0].map(|tint| (120.0 + 70.0 * wave + grain + tint) as u8))
        });
        picture.save(folder.join(format!("{number:05}.jpg")))?;
    }
    Ok(())
}

pub fn list(place: &Path, photos: &Path, count: usize) -> Outcome<PathBuf> {
    let lines: Vec<String> =
        (0..count).map(|i| photos.join(format!("{i:05}.jpg")).display().to_string()).collect();
    let path = place.join(format!("{count}.txt"));
    std::fs::write(&path, lines.join("\n"))?;
    Ok(path)
}

/// A checkpoint under construction: torchvision's names, random weights, norms that do nothing.
struct Weights {
    tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)>,
    noise: Noise,
}

impl Weights {
    fn constant(&mut self, name: String, length: usize, value: f32) {
        self.tensors.insert(name, (vec![length], value.to_le_bytes().repeat(length)));
    }

    /// Random weights that keep the size of what passes through.
    fn weight(&mut self, name: &str, shape: &[usize]) {
        let bound = (3.0 / shape[1..].iter().product::<usize>() as f32).sqrt();
        let count: usize = shape.iter().product();
        let bytes = (0..count).flat_map(|_| (bound * self.noise.next()).to_le_bytes()).collect();
        self.tensors.insert(format!("{name}.weight"), (shape.to_vec(), bytes));
    }

    fn with_bias(&mut self, name: &str, shape: &[usize]) {
        self.weight(name, shape);
        self.constant(format!("{name}.bias"), shape[0], 0.0);
    }

    fn with_norm(&mut self, name: &str, norm: &str, shape: &[usize]) {
        self.weight(name, shape);
        for (part, value) in [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)] {
            self.constant(format!("{norm}.{part}"), shape[0], value);
        }
    }
}

/// `fasterrcnn_resnet50_fpn` with 91 classes.
pub fn full_size(path: &Path) -> Outcome<()> {
    let mut weights = Weights { tensors: BTreeMap::new(), noise: Noise(1) };
    weights.with_norm("backbone.body.conv1", "backbone.body.bn1", &[64, 3, 7, 7]);
    let mut inputs = 64;
    for (stage, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
        let width = 64 << stage;
        for block in 0..blocks {
            let prefix = format!("backbone.body.layer{}.{block}", stage + 1);
            let convs = [(width, inputs, 1), (width, width, 3), (4 * width, width, 1)];
            for (i, (outputs, inputs, kernel)) in (1..).zip(convs) {
                let shape = [outputs, inputs, kernel, kernel];
                weights.with_norm(&format!("{prefix}.conv{i}"), &format!("{prefix}.bn{i}"), &shape);
            }
            if block == 0 {
                let (conv, norm) = (format!("{prefix}.downsample.0"), format!("{prefix}.downsample.1"));
                weights.with_norm(&conv, &norm, &[4 * width, inputs, 1, 1]);
            }
            inputs = 4 * width;
        }
        weights.with_bias(&format!("backbone.fpn.inner_blocks.{stage}.0"), &[256, inputs, 1, 1]);
        weights.with_bias(&format!("backbone.fpn.layer_blocks.{stage}.0"), &[256, 256, 3, 3]);
    }
    weights.with_bias("rpn.head.conv.0.0", &[256, 256, 3, 3]);
    weights.with_bias("rpn.head.cls_logits", &[3, 256, 1, 1]);
    weights.with_bias("rpn.head.bbox_pred", &[12, 256, 1, 1]);
    weights.with_bias("roi_heads.box_head.fc6", &[1024, 12544]);
    weights.with_bias("roi_heads.box_head.fc7", &[1024, 1024]);
    weights.with_bias("roi_heads.box_predictor.cls_score", &[91, 1024]);
    weights.with_bias("roi_heads.box_predictor.bbox_pred", &[364, 1024]);
    let views: Vec<(&str, TensorView<'_>)> = weights
        .tensors
        .iter()
        .map(|(name, (shape, bytes))| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Outcome<_>>()?;
    safetensors::serialize_to_file(views, None, path)?;
    Ok(())
}
