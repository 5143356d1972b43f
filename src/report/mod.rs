//! What other parts have measured, to be looked at: plots, and a page of HTML about a run or an evaluation. Knows
//! nothing of models.

mod comparison;
mod flips;
mod found;
mod gallery;
mod judged;
mod lines;
mod matrix;
mod mistakes;
mod outline;
mod page;
mod plot;
mod plot_labels;

pub use comparison::{ColumnHead, ComparisonPage, FlippedPhoto, Gain, MovedRow};
pub use judged::EvaluationReport;
pub use page::{PageError, Sources, page};
pub use plot::{Plot, PlotError, PlotPoint};
