//! `rcnn synth`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use rcnn_synth::{self as synth, ObjectCount, PictureFormat, RenderOptions, SceneError};
use serde::Serialize;

use super::output::{print_watched_report, tell};
use super::progress::ProgressLine;
use super::values::{folder, whole};
use super::{Exit, signals};

/// Render scenes of runway debris with exact annotations
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn synth -o scenes
  rcnn synth -o scenes --count 2000 --seed 7 --size 640x480
  rcnn synth -o crowded --objects 8-16
  rcnn detect scenes/images -o out

Writes FOLDER/images/ and FOLDER/annotations.json (COCO), all or nothing; scenes of an earlier
run in the folder are replaced. The same seed, size, objects and version give the same bytes on every
machine, and the first scenes of a long run are those of a short one. A box holds the whole
silhouette of its object, hidden parts included, cut at the picture's edges; an object of which
less than half shows is left out.")]
pub(crate) struct SynthArgs {
    /// Folder for the scenes: new, empty, or of an earlier `rcnn synth`
    #[arg(short, long, value_name = "FOLDER", value_parser = folder())]
    out: PathBuf,
    /// Scenes to render
    #[arg(short = 'n', long, default_value_t = 24, value_name = "N",
        value_parser = whole::<u32>(1..=1_000_000))]
    count: u32,
    /// Seed of what is drawn by chance
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = whole::<u64>(..))]
    seed: u64,
    /// Size of the scenes, width x height, or one number for squares
    #[arg(long, default_value = "300", value_name = "WxH", value_parser = size)]
    size: (u32, u32),
    /// Objects in a scene, as in 8 or 6-12, the smaller the more there are; 1 to 4 by default, mostly few
    #[arg(long, value_name = "N-M", value_parser = objects)]
    objects: Option<ObjectCount>,
    /// Format of the pictures
    #[arg(long, default_value = "jpg", value_name = "FORMAT")]
    format: PictureFormatArg,
    /// Threads to use; all cores by default, which is 0. The scenes do not depend on it
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = whole::<u16>(0..=1024))]
    threads: u16,
    /// Print one JSON document on standard output, and everything else on standard error: a summary
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum PictureFormatArg {
    /// JPEG of quality 92
    Jpg,
    /// without loss
    Png,
}

/// Sides that objects can be known by, up to what one scene may take of memory.
const SIDES: std::ops::RangeInclusive<u32> = 32..=4096;

fn size(text: &str) -> Result<(u32, u32), String> {
    let (width, height) = text.split_once(['x', 'X', '×']).unwrap_or((text, text));
    let side = |text: &str| {
        let side: Option<u32> = text.trim().parse().ok().filter(|side| SIDES.contains(side));
        side.ok_or_else(|| {
            format!("sides from {} to {} are needed, as in 640x480 or 300", SIDES.start(), SIDES.end())
        })
    };
    Ok((side(width)?, side(height)?))
}

/// Most objects in a scene: more would hide each other.
const MOST_OBJECTS: u32 = 100;

fn objects(text: &str) -> Result<ObjectCount, String> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.trim().parse().ok().filter(|number| *number <= MOST_OBJECTS);
    match (number(least), number(most)) {
        (Some(least), Some(most)) if least <= most => Ok(ObjectCount { least, most }),
        _ => Err(format!("one number or two from 0 to {MOST_OBJECTS} are needed, as in 8 or 6-12")),
    }
}

/// Runs the command.
pub(crate) fn run(args: SynthArgs) -> anyhow::Result<Exit> {
    let options = RenderOptions {
        seed: args.seed,
        count: args.count as usize,
        width: args.size.0,
        height: args.size.1,
        objects: args.objects,
        format: match args.format {
            PictureFormatArg::Jpg => PictureFormat::Jpeg,
            PictureFormatArg::Png => PictureFormat::Png,
        },
        threads: args.threads.into(),
    };
    let stop = signals::stop_on_signal();
    let total = u64::from(args.count);
    let progress = Mutex::new(ProgressLine::new("scenes", 0, total));
    let started = Instant::now();
    let outcome = synth::write(&options, &args.out, &stop, &|done| {
        // A poisoned lock means that another thread failed and will say so itself.
        if let Ok(mut progress) = progress.lock() {
            progress.set(done as u64, total, 0);
        }
    });
    if let Ok(progress) = progress.lock() {
        progress.end();
    }
    let written = match outcome {
        Err(SceneError::Stopped) => {
            tell!("{}", SceneError::Stopped);
            return Ok(signals::received().unwrap_or(Exit::Interrupted));
        }
        outcome => outcome?,
    };
    let seconds = started.elapsed().as_secs_f64();
    let objects: usize = written.objects.iter().sum();
    let report = SynthReport {
        folder: args.out.display().to_string(),
        annotations: args.out.join("annotations.json").display().to_string(),
        images: written.images,
        objects,
        classes: synth::classes().zip(written.objects.iter().copied()).collect(),
        seed: options.seed,
        width: options.width,
        height: options.height,
        seconds,
    };
    print_watched_report(&report, args.json)?;
    Ok(Exit::Done)
}

/// What was rendered.
#[derive(Serialize)]
struct SynthReport {
    folder: String,
    annotations: String,
    images: usize,
    objects: usize,
    /// Objects of each class.
    classes: BTreeMap<&'static str, usize>,
    seed: u64,
    width: u32,
    height: u32,
    #[serde(skip)]
    seconds: f64,
}

impl fmt::Display for SynthReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SynthReport { folder, images, objects, width, height, seconds, .. } = self;
        let rate = *images as f64 / seconds.max(1e-6);
        writeln!(
            f,
            "{images} scenes of {width} x {height} pixels with {objects} objects in {folder}, {rate:.0} a second"
        )
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_one_number_or_two() {
        assert_eq!(super::size("300"), Ok((300, 300)));
        assert_eq!(super::size("640x480"), Ok((640, 480)));
        for wrong in ["0", "31", "640x", "x", "5000", "-3", "300x300x300"] {
            assert!(super::size(wrong).is_err(), "{wrong}");
        }
    }
}
