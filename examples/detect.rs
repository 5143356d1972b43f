//! Detect in one photo with the model inside the library: `cargo run --example detect -- PHOTO.jpg`
#![allow(clippy::print_stdout, clippy::print_stderr)] // A program of its own, for whoever reads along.

use rcnn::detector::Detector;
use rcnn::model::{DEFAULT, Model};
use rcnn::photo::{self, DecodeOptions};
use rcnn::runtime::{Options, Runtime, SessionOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: detect PHOTO")?;
    let runtime = Runtime::open(&Options::default(), &mut |line| eprintln!("{line}"))?;
    let model = Model::find(DEFAULT)?;
    let detector = Detector::new(&model, &runtime, &SessionOptions::default())?;
    let photo = photo::decode(path.as_ref(), &DecodeOptions::default())?;
    for found in detector.detect(&photo)? {
        let class = &detector.classes()[found.class];
        println!("{} {:.3} {:?}", class.name, found.score, found.bbox);
    }
    Ok(())
}
