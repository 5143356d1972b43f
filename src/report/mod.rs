//! Plots of what other parts have measured. Knows numbers and names, nothing of models or files.

mod plot;

pub use plot::{Error, Plot, Point};
