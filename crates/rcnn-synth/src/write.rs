//! Many scenes into a folder: pictures and one file of COCO annotations, whole or not at all. Knows no drawing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::random::SceneRandom;
use super::scene::{ObjectCount, Scene, SceneObject, render};

/// What to render.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderOptions {
    /// Other seeds give other scenes.
    pub seed: u64,
    /// How many scenes. The first of many are the same as of few.
    pub count: usize,
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// How many objects each scene has; one to four where nothing is said.
    pub objects: Option<ObjectCount>,
    /// How pictures are stored.
    pub format: PictureFormat,
    /// Threads that render; 0 for one a core. The result does not depend on it.
    pub threads: usize,
}

/// How pictures are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PictureFormat {
    /// JPEG of quality 92, as a camera stores them.
    #[default]
    Jpeg,
    /// PNG: the rendered pixels themselves.
    Png,
}

impl PictureFormat {
    fn extension(self) -> &'static str {
        match self {
            PictureFormat::Jpeg => "jpg",
            PictureFormat::Png => "png",
        }
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedFiles {
    /// Pictures.
    pub images: usize,
    /// Annotated objects of each class, in the order of [`classes`](super::classes).
    pub objects: Vec<usize>,
}

/// Why scenes could not be written. The folder is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// The folder holds something that an earlier run did not make.
    #[error(
        "`{}` holds `{entry}`, which no earlier `rcnn synth` made: name a folder that is new or empty",
        folder.display()
    )]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// What is in it.
        entry: String,
    },
    /// There is a file of that name.
    #[error("`{}` is a file: name a folder for the scenes", .0.display())]
    IsAFile(PathBuf),
    /// The file system said no.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A picture could not be encoded.
    #[error("cannot encode a scene of {width} x {height} pixels: {source}")]
    Encode {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Why not.
        source: image::ImageError,
    },
    /// No threads could be started.
    #[error("cannot start {threads} threads: {source}; name fewer")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },
    /// Stopped before the end.
    #[error("stopped: nothing was written")]
    Stopped,
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SceneError {
    move |source| SceneError::Io { action, path: path.to_owned(), source }
}

/// The scene of a series at a place, counted from 0.
pub fn scene(options: &RenderOptions, index: usize) -> Scene {
    let seed = SceneRandom::new(options.seed).fork(index as u64).bits();
    render(seed, options.width, options.height, options.objects)
}

/// Renders all scenes into a folder: `annotations.json` and `images/`. The folder appears with everything in it, or
/// not at all; scenes of an earlier run in it are replaced. Calls `progress` with the number of scenes done, from any
/// thread, and gives up when `stop` is set.
///
/// # Errors
/// When the folder holds other things, cannot be written, or on `stop`.
pub fn write(
    options: &RenderOptions,
    folder: &Path,
    stop: &AtomicBool,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<RenderedFiles, SceneError> {
    refuse_foreign(folder)?;
    let target = std::path::absolute(folder).map_err(io_error("find", folder))?;
    // As near to the result as can be: only a move within one file system is one step, and an existing folder may
    // be a file system of its own.
    let near = if target.exists() { &target } else { target.parent().unwrap_or(&target) };
    fs::create_dir_all(near).map_err(io_error("create", near))?;
    let workshop =
        tempfile::Builder::new().prefix(WORKSHOP).tempdir_in(near).map_err(io_error("write into", near))?;
    // A folder of its own inside: the workshop itself may be read by its owner only.
    let fresh = workshop.path().join("scenes");
    let images = fresh.join("images");
    fs::create_dir_all(&images).map_err(io_error("create", &images))?;
    let objects = render_all(options, &images, stop, progress)?;
    let annotations = fresh.join(ANNOTATIONS);
    let text = dataset(options, &objects);
    fs::write(&annotations, text).map_err(io_error("write", &annotations))?;
    if target.exists() {
        replace(&fresh, &target, &workshop.path().join("earlier"))?;
    } else {
        fs::rename(&fresh, &target).map_err(io_error("create", &target))?;
    }
    let mut counts = vec![0; super::classes().len()];
    for object in objects.iter().flatten() {
        counts[object.class] += 1;
    }
    Ok(RenderedFiles { images: options.count, objects: counts })
}

fn render_all(
    options: &RenderOptions,
    images: &Path,
    stop: &AtomicBool,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Vec<SceneObject>>, SceneError> {
    let threads = options.threads;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|source| SceneError::Threads { threads, source })?;
    let done = AtomicUsize::new(0);
    pool.install(|| {
        let one = |index: usize| {
            if stop.load(Ordering::Relaxed) {
                return Err(SceneError::Stopped);
            }
            let scene = scene(options, index);
            let path = images.join(file_name(index, options.format));
            fs::write(&path, encode(&scene.picture, options.format)?).map_err(io_error("write", &path))?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            Ok(scene.objects)
        };
        (0..options.count).into_par_iter().map(one).collect()
    })
}

fn file_name(index: usize, format: PictureFormat) -> String {
    format!("{:06}.{}", index + 1, format.extension())
}

fn encode(picture: &RgbImage, format: PictureFormat) -> Result<Vec<u8>, SceneError> {
    let (width, height) = picture.dimensions();
    let mut bytes = Vec::new();
    match format {
        PictureFormat::Jpeg => JpegEncoder::new_with_quality(&mut bytes, 92).write_image(
            picture.as_raw(),
            width,
            height,
            ExtendedColorType::Rgb8,
        ),
        PictureFormat::Png => {
            PngEncoder::new(&mut bytes).write_image(picture.as_raw(), width, height, ExtendedColorType::Rgb8)
        }
    }
    .map_err(|source| SceneError::Encode { width, height, source })?;
    Ok(bytes)
}

/// Refuses a folder with anything in it that this module does not write, before any work is done.
fn refuse_foreign(folder: &Path) -> Result<(), SceneError> {
    if folder.is_file() {
        return Err(SceneError::IsAFile(folder.to_owned()));
    }
    if !folder.exists() {
        return Ok(());
    }
    let foreign = |entry: String| SceneError::Foreign { folder: folder.to_owned(), entry };
    let mut entries = names(folder)?;
    entries.retain(|name| !name.starts_with(WORKSHOP));
    if let Some(entry) = entries.iter().find(|name| ![ANNOTATIONS, "images"].contains(&name.as_str())) {
        return Err(foreign(entry.clone()));
    }
    if entries.is_empty() {
        return Ok(());
    }
    if !made_here(&folder.join(ANNOTATIONS)) {
        return Err(foreign(entries[0].clone()));
    }
    let ours = |name: &String| {
        let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
        stem.len() >= 6
            && stem.bytes().all(|byte| byte.is_ascii_digit())
            && ["jpg", "png"].contains(&extension)
    };
    match names(&folder.join("images"))?.iter().find(|name| !ours(name)) {
        Some(name) => Err(foreign(format!("images/{name}"))),
        None => Ok(()),
    }
}

/// Names in a folder, sorted; none where there is no folder.
fn names(folder: &Path) -> Result<Vec<String>, SceneError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io_error("read", folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_error("read", folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

const ANNOTATIONS: &str = "annotations.json";
/// Start of the name of the folder that work goes on in; one that is left behind was of a run that was killed.
const WORKSHOP: &str = ".rcnn-synth-";
const MADE_BY: &str = "rcnn synth";

/// Whether annotations say that they are ours.
fn made_here(path: &Path) -> bool {
    #[derive(Deserialize)]
    struct OwnMark {
        info: About,
    }
    #[derive(Deserialize)]
    struct About {
        made_by: String,
    }
    fs::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<OwnMark>(&bytes).ok())
        .is_some_and(|dataset| dataset.info.made_by == MADE_BY)
}

/// Moves fresh scenes into a folder that stays where it is, as somebody may stand in it; what was there is moved out
/// of the way first, and back again if the new scenes cannot come in. Annotations come last: where they are, all pictures are.
fn replace(fresh: &Path, folder: &Path, earlier: &Path) -> Result<(), SceneError> {
    fs::create_dir(earlier).map_err(io_error("create", earlier))?;
    // Better the earlier scenes than none. Where putting them back fails too, the first failure is the one to tell.
    move_entries(folder, earlier).inspect_err(|_| {
        let _ = move_entries(earlier, folder);
    })?;
    move_entries(fresh, folder).inspect_err(|_| {
        let _ = move_entries(folder, fresh);
        let _ = move_entries(earlier, folder);
    })
}

/// Moves what this module writes, as far as it is there.
fn move_entries(from: &Path, to: &Path) -> Result<(), SceneError> {
    for entry in ["images", ANNOTATIONS] {
        let (source, target) = (from.join(entry), to.join(entry));
        if source.exists() {
            fs::rename(&source, &target).map_err(io_error("write", &target))?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct SceneAnnotations {
    info: Info,
    licenses: [License; 1],
    images: Vec<ImageRow>,
    annotations: Vec<AnnotationRow>,
    categories: Vec<CategoryRow>,
}

#[derive(Serialize)]
struct Info {
    description: &'static str,
    made_by: &'static str,
    version: &'static str,
    seed: u64,
}

#[derive(Serialize)]
struct License {
    id: u32,
    name: &'static str,
}

#[derive(Serialize)]
struct ImageRow {
    id: usize,
    file_name: String,
    width: u32,
    height: u32,
    license: u32,
}

#[derive(Serialize)]
struct AnnotationRow {
    id: usize,
    image_id: usize,
    category_id: usize,
    bbox: [u32; 4],
    area: u64,
    iscrowd: u8,
}

#[derive(Serialize)]
struct CategoryRow {
    id: usize,
    name: &'static str,
    supercategory: &'static str,
}

/// The annotations in COCO's form; all ids count from 1.
fn dataset(options: &RenderOptions, scenes: &[Vec<SceneObject>]) -> Vec<u8> {
    let image = |index: usize| ImageRow {
        id: index + 1,
        file_name: file_name(index, options.format),
        width: options.width,
        height: options.height,
        license: 1,
    };
    let objects =
        scenes.iter().enumerate().flat_map(|(scene, objects)| objects.iter().map(move |o| (scene, o)));
    let annotations = objects.enumerate().map(|(index, (scene, object))| AnnotationRow {
        id: index + 1,
        image_id: scene + 1,
        category_id: object.class + 1,
        bbox: [object.x, object.y, object.width, object.height],
        area: u64::from(object.width) * u64::from(object.height),
        iscrowd: 0,
    });
    let categories = super::classes().enumerate();
    let dataset = SceneAnnotations {
        info: Info {
            description: "rendered scenes of runway debris",
            made_by: MADE_BY,
            version: env!("CARGO_PKG_VERSION"),
            seed: options.seed,
        },
        licenses: [License { id: 1, name: env!("CARGO_PKG_LICENSE") }],
        images: (0..options.count).map(image).collect(),
        annotations: annotations.collect(),
        categories: categories
            .map(|(index, name)| CategoryRow { id: index + 1, name, supercategory: "debris" })
            .collect(),
    };
    let mut text = serde_json::to_vec(&dataset).expect("numbers and texts can be written as JSON");
    text.push(b'\n');
    text
}
