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
mod mask;
mod names;
mod number;
mod result_id;
mod result_record;
mod results;
mod rows;
mod scan;
mod sizes;
mod stream;
mod value;
mod write;

pub use annotation::{Annotation, Traits};
pub use dataset::{Category, DataSet, Image, Verified, Want};
pub(crate) use entries::{WholeAnnotation, WholeSet, says_something};
pub use error::Error;
pub(crate) use error::{printable, quoted, shown};
pub(crate) use file_names::{FileNames, Found, Parts, Seeker};
pub(crate) use id::Index;
pub use id::{Id, Ids};
pub(crate) use names::{ClassNames, Names, last_part};
pub(crate) use number::shortest;
pub use result_id::ResultId;
pub use results::{Detection, Detections, Form, Noticed};
pub(crate) use results::{Lookup, NOWHERE};
pub use rows::{Grouped, Rows};
pub use sizes::SizeCheck;
pub(crate) use sizes::scaled_as_a_whole;
pub(crate) use write::{CategoryEntry, ImageEntry, List};
