//! Detect in one photo with the model inside the library: `cargo run --example detect -- PHOTO.jpg`
#![allow(clippy::print_stdout)] // A program of its own, for whoever reads along.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: detect PHOTO")?;
    let detector = rcnn::Detector::load("fod-r18")?;
    for found in detector.detect(&path)? {
        println!("{} {:.3} {:?}", found.label, found.score, found.bbox);
    }
    Ok(())
}
