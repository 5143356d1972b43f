//! How much of a run's time passes outside ONNX Runtime's sessions, and whether memory grows with the photos.
//!
//!     cargo bench --bench overhead [-- PHOTOS]
//!
//! Runs the program on rendered photos (200 by default) of 640x480 pixels, without pictures: with the bundled
//! slim model, and with a ResNet-50-FPN of full size and random weights at 800 pixels. Then the slim model on
//! ten times as many photos, whose peak memory should be the same. On Linux.
#![allow(clippy::print_stdout)] // A program of its own, for whoever reads along.

mod support;

use std::path::Path;

use support::{Outcome, detect, full_size, list, render};

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
    let ran = detect(place, photos, &["-m", model])?;
    let name = Path::new(model).file_stem().unwrap_or_default().to_string_lossy();
    let (wall, outside) = (ran.record.wall, 100.0 * ran.record.overhead());
    println!(
        "| {name} | {count} | {wall:.1} | {:.2} | {outside:.1} % | {:.0} |",
        count as f64 / wall,
        ran.peak_mib
    );
    Ok(())
}
