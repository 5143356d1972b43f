//! What each provider makes of the same networks, interleaved in one run, and whether photos of many shapes cost more
//! than photos of one.
//!
//!     cargo bench --bench providers [-- ROUNDS]
//!
//! First the bundled slim model and a ResNet-50-FPN of full size with random weights at 800: seconds
//! a photo in the sessions, the best of ROUNDS (5 by default), with ratios to the processor's own kernels. Then 500
//! photos that all differ in shape beside 500 of one shape and of the same area. OpenVINO's rows need its plugin
//! (`rcnn runtime install openvino`). On Linux.
#![allow(clippy::print_stdout)] // A program of its own, for whoever reads along.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use rcnn::internal::run::BenchReport;
use support::{Outcome, detect, full_size, list, render, render_sizes};

/// Device and precision of each row.
const ROWS: [(&str, &str); 3] = [("cpu", "exact"), ("openvino", "exact"), ("openvino", "fast")];

fn main() -> Outcome<()> {
    let rounds = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(5);
    let place = tempfile::tempdir()?;
    let place = place.path();
    let openvino =
        rcnn::internal::runtime::installed().iter().any(|found| found.package.name() == "openvino");
    let rows = &ROWS[..if openvino { ROWS.len() } else { 1 }];
    render(&place.join("photos"), 20)?;
    let checkpoint = place.join("resnet50-fpn.safetensors");
    full_size(&checkpoint)?;
    println!(
        "| model | device | precision | trunk ms | ratio | head ms | ratio | photos/s | first boxes s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    compare(place, "fod-r18", 20, rounds, rows)?;
    compare(place, &checkpoint.display().to_string(), 2, rounds, rows)?;
    println!();
    println!("| photos | device | precision | shapes | trunk ms a photo | peak MiB, first 100 | peak MiB |");
    println!("|---|---|---|---|---|---|---|");
    many_shapes(place, rows)
}

/// The best of several rounds in which every row has its turn.
fn compare(
    place: &Path,
    model: &str,
    photos: usize,
    rounds: usize,
    rows: &[(&'static str, &'static str)],
) -> Outcome<()> {
    let mut best = vec![[f64::INFINITY; 4]; rows.len()];
    for _ in 0..rounds {
        for (best, (device, precision)) in best.iter_mut().zip(rows) {
            let report = bench(place, model, photos, &["--device", device, "--precision", precision])?;
            let p50 = |stage: &str| {
                report.latency.iter().find(|one| one.stage == stage).map_or(f64::INFINITY, |one| one.p50)
            };
            let found = [p50("trunk"), p50("head"), 1.0 / report.photos_per_second, report.first_boxes];
            for (best, found) in best.iter_mut().zip(found) {
                *best = best.min(found);
            }
        }
    }
    let name = Path::new(model).file_stem().unwrap_or_default().to_string_lossy();
    for ([trunk, head, photo, first], (device, precision)) in best.iter().zip(rows) {
        println!(
            "| {name} | {device} | {precision} | {:.1} | {:.2} | {:.1} | {:.2} | {:.2} | {first:.2} |",
            1e3 * trunk,
            best[0][0] / trunk,
            1e3 * head,
            best[0][1] / head,
            1.0 / photo
        );
    }
    Ok(())
}

fn bench(place: &Path, model: &str, photos: usize, options: &[&str]) -> Outcome<BenchReport> {
    let output = Command::new(env!("CARGO_BIN_EXE_rcnn"))
        .args(["bench", model, "--json", "-n", &photos.to_string(), "-i"])
        .arg(place.join("photos"))
        .args(options)
        .stderr(Stdio::inherit())
        .output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The bundled model's weights under conventions that pad nothing, so that each photo is a tensor of its own shape.
fn many_shapes(place: &Path, rows: &[(&str, &str)]) -> Outcome<()> {
    let model = place.join("unpadded");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/fod-r18");
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(source.join("import.json"))?)?;
    config["pad_to"] = 1.into();
    (config["min_size"], config["max_size"]) = (300.into(), 550.into());
    std::fs::write(place.join("import.json"), config.to_string())?;
    let imported = Command::new(env!("CARGO_BIN_EXE_rcnn"))
        .arg("import")
        .arg(source.join("model.safetensors"))
        .arg("-o")
        .arg(&model)
        .arg("--config")
        .arg(place.join("import.json"))
        .stdout(Stdio::null())
        .status()?;
    if !imported.success() {
        return Err("the model cannot be imported".into());
    }
    let model = model.display().to_string();
    // The shorter side is 300, the longer one from 301 to 550, lying and standing.
    let many: Vec<(u32, u32)> = (301..=550).flat_map(|side| [(side, 300), (300, side)]).collect();
    assert_eq!(many.iter().collect::<BTreeSet<_>>().len(), 500);
    let one = vec![(425, 300); many.len()];
    for (name, sizes) in [("one", one), ("many", many)] {
        let photos = place.join(name);
        render_sizes(&photos, &sizes)?;
        let (folder, count) = (place.join(format!("{name}-lists")), sizes.len());
        std::fs::create_dir_all(&folder)?;
        let (few, all) = (list(&folder, &photos, 100)?, list(&folder, &photos, count)?);
        for (device, precision) in rows {
            let options = ["-m", &model, "--device", device, "--precision", precision];
            let before = detect(place, &few, &options)?;
            let after = detect(place, &all, &options)?;
            println!(
                "| {count} | {device} | {precision} | {name} | {:.1} | {:.0} | {:.0} |",
                1e3 * after.record.times.trunk / count as f64,
                before.peak_mib,
                after.peak_mib
            );
        }
    }
    Ok(())
}
