//! Why annotations are not converted.

use std::io;
use std::path::{Path, PathBuf};

use crate::photo::ListError;
use coco_eval::ReadError;

/// One variant a way to fail as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// There is nothing at the path.
    #[error("no annotations at `{}`: no such file or folder", .0.display())]
    Missing(PathBuf),
    /// What is at the path can be read only once.
    #[error(
        "`{}` is a pipe or a device: annotations are read more than once, so write them into a file first", .0.display()
    )]
    NoFile(PathBuf),
    /// The file is of no known form.
    #[error(
        "`{}` is not a form of annotations that is known: name a COCO .json, a YOLO data.yaml, or the folder of a run, of a YOLO \
         data set or of Pascal VOC's XML files",
        .0.display()
    )]
    Unknown(PathBuf),
    /// The folder holds nothing of a known form.
    #[error(
        "`{}` holds no annotations: neither detections.jsonl of a run, nor labels/ of a YOLO data set, nor XML files of \
         Pascal VOC's form",
        .0.display()
    )]
    Nothing(PathBuf),
    /// Parts of a data set were asked for where there are none.
    #[error("`{}` has no parts such as `{split}`: --split is for YOLO's data.yaml and VOC's ImageSets/Main", path.display())]
    NoSplits {
        /// The source.
        path: PathBuf,
        /// The part.
        split: String,
    },
    /// The data set has other parts.
    #[error("`{}` has no part `{split}`: {}", path.display(), if .known.is_empty() { "it names none".to_owned() } else { format!("there is {}", .known.join(", ")) })]
    NoSplit {
        /// Where the parts are named.
        path: PathBuf,
        /// The part.
        split: String,
        /// The parts that there are.
        known: Vec<String>,
    },
    /// Nothing at all could be read.
    #[error("nothing of `{}` can be read: {file}: {detail}", path.display())]
    AllFailed {
        /// The source.
        path: PathBuf,
        /// The first file.
        file: String,
        /// Why.
        detail: String,
    },
    /// The COCO file cannot be read.
    #[error(transparent)]
    Coco(#[from] ReadError),
    /// The photos of a YOLO data set cannot be listed.
    #[error(transparent)]
    Photos(#[from] ListError),
    /// A file of the whole source makes no sense.
    #[error("`{}` {what}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A path in a file leads out of the data set's folder.
    #[error(
        "`{}` names `{}`, which is outside of its folder: -i names the folder of the photos, if it is right",
        path.display(),
        named.escape_debug()
    )]
    Outside {
        /// The file.
        path: PathBuf,
        /// What it names.
        named: String,
    },
    /// The result's place is taken.
    #[error("`{}` is there already: name what is new, or a folder that is empty", .0.display())]
    Taken(PathBuf),
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
}

/// Why a text makes no sense as annotations, in a clause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TextError(pub(super) String);

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ConvertError {
    move |source| ConvertError::Io { action, path: path.to_owned(), source }
}
