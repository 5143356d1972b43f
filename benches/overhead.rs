//! How much of a run's time passes outside ONNX Runtime's sessions, and whether memory grows with the photos.
//!
//!     cargo bench --bench overhead [-- PHOTOS]
//!
//! Runs the program on rendered photos (200 by default) of 640x480 pixels, without pictures: with the bundled
//! slim model, and with a ResNet-50-FPN of full size and random weights at 800 pixels. Then the slim model on
//! ten times as many photos, whose peak memory should be the same. On Linux.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use safetensors::tensor::{Dtype, TensorView};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let count = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(200);
    let place = tempfile::tempdir()?;
    let photos = place.path().join("photos");
    render(&photos, 10 * count)?;
    let few = list(place.path(), &photos, count)?;
    let many = list(place.path(), &photos, 10 * count)?;
    let checkpoint = place.path().join("resnet50-fpn.safetensors");
    full_size(&checkpoint)?;
    println!("| model | photos | wall s | photos/s | outside the sessions | peak MiB |");
    println!("|---|---|---|---|---|---|");
    run(place.path(), "fod-r18", &few, count)?;
    run(place.path(), "fod-r18", &many, 10 * count)?;
    run(place.path(), &checkpoint.display().to_string(), &few, count)
}

/// Runs the program and prints a row of the table.
fn run(place: &Path, model: &str, photos: &Path, count: usize) -> Outcome<()> {
    let out = place.join("out");
    let mut child = Command::new(env!("CARGO_BIN_EXE_rcnn"))
        .args(["detect", "-m", model, "--no-draw", "--overwrite", "-o"])
        .args([&out, photos])
        .stdout(Stdio::null())
        .spawn()?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        peak = peak.max(peak_kib(&status).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(20));
    }
    let record: rcnn::run::Record = serde_json::from_slice(&std::fs::read(out.join("run.json"))?)?;
    let name = Path::new(model).file_stem().unwrap_or_default().to_string_lossy();
    let (wall, outside) = (record.wall, 100.0 * record.overhead());
    println!(
        "| {name} | {count} | {wall:.1} | {:.2} | {outside:.1} % | {:.0} |",
        count as f64 / wall,
        peak as f64 / 1024.0
    );
    Ok(())
}

fn peak_kib(status: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Numbers that look random and are the same everywhere.
struct Noise(u64);

impl Noise {
    /// From -1 to 1.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

fn render(folder: &Path, count: usize) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    for number in 0..count {
        let mut noise = Noise(number as u64);
        let shift = 40.0 * noise.next();
        let picture = image::RgbImage::from_fn(640, 480, |x, y| {
            let wave = ((x as f32 + shift) / 37.0).sin() * (y as f32 / 29.0).cos();
            let grain = 8.0 * noise.next();
            image::Rgb([0.0, 20.0, -20.0].map(|tint| (120.0 + 70.0 * wave + grain + tint) as u8))
        });
        picture.save(folder.join(format!("{number:05}.jpg")))?;
    }
    Ok(())
}

fn list(place: &Path, photos: &Path, count: usize) -> Outcome<PathBuf> {
    let lines: Vec<String> =
        (0..count).map(|i| photos.join(format!("{i:05}.jpg")).display().to_string()).collect();
    let path = place.join(format!("{count}.txt"));
    std::fs::write(&path, lines.join("\n"))?;
    Ok(path)
}

/// A checkpoint with torchvision's names and shapes (`fasterrcnn_resnet50_fpn`, 91 classes) and random weights.
fn full_size(path: &Path) -> Outcome<()> {
    let mut tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    let mut noise = Noise(1);
    let mut add = |name: String, shape: &[usize], value: &mut dyn FnMut() -> f32| {
        let bytes = (0..shape.iter().product::<usize>()).flat_map(|_| value().to_le_bytes()).collect();
        tensors.insert(name, (shape.to_vec(), bytes));
    };
    let mut weight =
        |add: &mut dyn FnMut(String, &[usize], &mut dyn FnMut() -> f32), name: &str, shape: &[usize]| {
            let inputs: usize = shape[1..].iter().product();
            let bound = (3.0 / inputs as f32).sqrt();
            add(format!("{name}.weight"), shape, &mut || bound * noise.next());
        };
    let norm = |add: &mut dyn FnMut(String, &[usize], &mut dyn FnMut() -> f32),
                name: &str,
                channels: usize| {
        for (part, value) in [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)] {
            add(format!("{name}.{part}"), &[channels], &mut || value);
        }
    };
    weight(&mut add, "backbone.body.conv1", &[64, 3, 7, 7]);
    norm(&mut add, "backbone.body.bn1", 64);
    let mut inputs = 64;
    for (stage, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
        let width = 64 << stage;
        for block in 0..blocks {
            let prefix = format!("backbone.body.layer{}.{block}", stage + 1);
            let convs = [(width, inputs, 1), (width, width, 3), (4 * width, width, 1)];
            for (number, (outputs, inputs, kernel)) in convs.into_iter().enumerate() {
                weight(&mut add, &format!("{prefix}.conv{}", number + 1), &[outputs, inputs, kernel, kernel]);
                norm(&mut add, &format!("{prefix}.bn{}", number + 1), outputs);
            }
            if block == 0 {
                weight(&mut add, &format!("{prefix}.downsample.0"), &[4 * width, inputs, 1, 1]);
                norm(&mut add, &format!("{prefix}.downsample.1"), 4 * width);
            }
            inputs = 4 * width;
        }
        let level = format!("blocks.{stage}.0");
        weight(&mut add, &format!("backbone.fpn.inner_{level}"), &[256, inputs, 1, 1]);
        weight(&mut add, &format!("backbone.fpn.layer_{level}"), &[256, 256, 3, 3]);
        for part in ["inner", "layer"] {
            add(format!("backbone.fpn.{part}_{level}.bias"), &[256], &mut || 0.0);
        }
    }
    let plain = [
        ("rpn.head.conv.0.0", vec![256, 256, 3, 3]),
        ("rpn.head.cls_logits", vec![3, 256, 1, 1]),
        ("rpn.head.bbox_pred", vec![12, 256, 1, 1]),
        ("roi_heads.box_head.fc6", vec![1024, 12544]),
        ("roi_heads.box_head.fc7", vec![1024, 1024]),
        ("roi_heads.box_predictor.cls_score", vec![91, 1024]),
        ("roi_heads.box_predictor.bbox_pred", vec![364, 1024]),
    ];
    for (name, shape) in plain {
        weight(&mut add, name, &shape);
        add(format!("{name}.bias"), &shape[..1], &mut || 0.0);
    }
    let views: Vec<(String, TensorView<'_>)> = tensors
        .iter()
        .map(|(name, (shape, bytes))| Ok((name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Outcome<_>>()?;
    safetensors::serialize_to_file(views, None, path)?;
    Ok(())
}
