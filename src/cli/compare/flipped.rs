//! The photos that flipped between models, for the page: which, where their files are, and what either model finds in them.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::compare::{Candidate, CompareError, Flip, Flips, JudgedModel, Judging, flips};
use crate::photo::DecodeOptions;
use crate::report::FlippedPhoto;
use crate::run::{Annotated, Task};
use coco_eval::ResultId;

use super::CompareArgs;

/// Most photos that are shown for a model.
const MOST: usize = 6;

/// The photos that were given, by the images' ids.
pub(super) struct GivenPhotos {
    files: HashMap<ResultId, PathBuf>,
    /// Widths and heights of the annotations, where boxes were not found in these very files.
    sizes: HashMap<ResultId, (u32, u32)>,
    /// How models see them.
    pub(super) decode: DecodeOptions,
}

impl GivenPhotos {
    /// Those that models run on.
    pub(super) fn of_run(tasks: &[Task], decode: DecodeOptions) -> GivenPhotos {
        let file = |task: &Task| (task.image_id.clone(), task.entry.path.clone());
        GivenPhotos { files: tasks.iter().map(file).collect(), sizes: HashMap::new(), decode }
    }

    /// Those that saved results were found in, by the annotations.
    pub(super) fn of_saved(tasks: &[Task], annotated: &Annotated, decode: DecodeOptions) -> GivenPhotos {
        let size = |task: &Task| {
            let (width, height) = annotated.size(&task.image_id)?;
            Some((task.image_id.clone(), (width.round() as u32, height.round() as u32)))
        };
        GivenPhotos { sizes: tasks.iter().filter_map(size).collect(), ..GivenPhotos::of_run(tasks, decode) }
    }

    /// A photo of those that flipped, as the page shows it; none where its file was not given.
    fn shown(&self, flip: Flip, names: [&str; 2]) -> Option<FlippedPhoto> {
        let id: ResultId = serde_json::from_value(flip.moved.image_id?).ok()?;
        let path = self.files.get(&id)?.clone();
        let words = |name: &str, ap: f64| format!("{name}, AP {ap:.2}");
        Some(FlippedPhoto {
            name: flip.moved.name,
            path,
            size: self.sizes.get(&id).copied(),
            sides: [
                (words(names[0], flip.moved.own), flip.first),
                (words(names[1], flip.moved.other), flip.other),
            ],
        })
    }
}

/// What the page shows of photos.
#[derive(Default)]
pub(super) struct ShownFlips {
    /// By model, in their order.
    pub(super) photos: Vec<Vec<FlippedPhoto>>,
    /// Names of the categories in them.
    pub(super) categories: Vec<String>,
    /// How models see them.
    pub(super) decode: DecodeOptions,
}

impl ShownFlips {
    /// What flipped, of the photos that were given.
    pub(super) fn of(
        args: &CompareArgs,
        given: &GivenPhotos,
        candidates: &[Candidate],
        judged: &[JudgedModel],
        how: &Judging<'_>,
    ) -> Result<ShownFlips, CompareError> {
        let mut shown = ShownFlips { decode: given.decode, ..ShownFlips::default() };
        let flips = flips(&args.annotations, candidates, judged, how, MOST)?;
        for (Flips { categories, photos }, model) in flips.into_iter().zip(judged) {
            let names = [judged[0].name.as_str(), model.name.as_str()];
            shown.photos.push(photos.into_iter().filter_map(|flip| given.shown(flip, names)).collect());
            if !categories.is_empty() {
                shown.categories = categories;
            }
        }
        Ok(shown)
    }
}
