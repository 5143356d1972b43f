//! COCO data sets and results: reading them, as fast as the bytes come, and judging what stands in them.
//!
//! Never sees a network, nor an evaluation. [`DataSet`] is for any command that needs images, categories or
//! annotations; [`Detections`] are what `evaluate` reads.

mod annotation;
mod blocks;
mod dataset;
mod entries;
mod error;
mod file_names;
mod id;
mod memory;
mod names;
mod number;
mod result_id;
mod result_lines;
mod result_record;
mod results;
mod rows;
mod scan;
mod shapes;
mod sizes;
mod stream;
mod value;
#[cfg(feature = "serde")]
mod write;

pub use annotation::{Annotation, Traits};
pub use dataset::{Category, DataSet, Image, Verified, Want};
pub use entries::{WholeAnnotation, WholeSet, says_something};
pub use error::ReadError;
pub use error::{escaped, printable, quoted};
pub use file_names::{FileMatch, FileNames, Parts, Seeker};
pub use id::Index;
pub use id::{Id, Ids};
pub use memory::ResultRow;
pub use names::{ClassNames, DatasetNames, last_part};
pub use number::shortest;
pub use result_id::ResultId;
pub use results::{Detections, Noticed, ResultDetection, ResultsForm};
pub use results::{Lookup, NOWHERE};
pub use rows::{Grouped, Rows};
pub(crate) use shapes::{Among, Needed, Overlaps, TruthShapes};
pub use shapes::{IouType, MaskNotes};
pub use sizes::SizeCheck;
pub use sizes::scaled_as_a_whole;
#[cfg(feature = "serde")]
pub use write::{CategoryEntry, ImageEntry, JsonList};
