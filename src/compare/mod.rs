//! Models side by side on the same annotated photos: how well, at what price, and whether the difference is more
//! than noise.
//!
//! Never sees a terminal. [`measure()`] runs models and writes their results; [`judge()`] holds results against the
//! annotations and against the first of them.

mod flips;
mod judge;
mod measure;
mod published;
mod table;
mod trainings;

pub use flips::{Flip, Flips, flips};
pub use judge::{Candidate, Difference, JudgedModel, Judging, judge, warnings};
pub use measure::{Contender, Costs, Measured, measure};
pub use published::{Circumstances, NUMBERS, Reproduction, StatedNumber};
pub use table::{SHOWN, TableForm, ap, each, ends, gain, mib, table};
pub use trainings::Trainings;

use std::path::PathBuf;

/// Why models cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// All photos fail.
    #[error("none of the {count} photos can be used, `{}` among them: {cause}", file.escape_debug())]
    AllFailed {
        /// How many there are.
        count: usize,
        /// The name of the first.
        file: String,
        /// Why that fails.
        cause: String,
    },
    /// The results of a model cannot be written.
    #[error("cannot write `{}`: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        cause: std::io::Error,
    },
    /// Results cannot be judged.
    #[error(transparent)]
    Evaluate(#[from] coco_eval::EvaluateError),
    /// A rung without any training.
    #[error("`{}` has no results to judge", name.escape_debug())]
    NoResults {
        /// What it is called.
        name: String,
    },
    /// The user stopped it.
    #[error("interrupted before all photos were done: a comparison of some says nothing")]
    Interrupted,
}
