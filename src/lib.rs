#![doc = include_str!("../README.md")]
// The README marks commands that need what is not everywhere: `sh needs=network`.
#![allow(rustdoc::invalid_codeblock_attributes)]
// Without all features, some functions that only these call are left over.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]

/// The examples of docs/library.md, compiled.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct Library;

mod clock;
mod facade;
mod files;
mod hash;
#[cfg(feature = "fetch")]
mod http;
mod loader;
mod within;

mod atomic;
mod cache;
mod checkpoint;
mod classify;
#[cfg(feature = "cli")]
mod cli;
mod compare;
#[cfg(feature = "convert")]
mod convert;
mod convolution;
mod detector;
#[cfg(feature = "draw")]
mod draw;
#[cfg(feature = "convert")]
mod export;
mod family;
mod geometry;
mod memory;
mod model;
mod network;
mod once;
mod onnx;
mod photo;
#[cfg(feature = "quantize")]
mod quantize;
#[cfg(feature = "report")]
mod report;
mod run;
mod runtime;

/// The rooms behind the front: for the program, the tests, the benchmarks and the Python package of this repository. They are
/// no part of the library's interface and change without notice.
#[doc(hidden)]
#[allow(missing_docs)]
pub mod internal {
    pub mod atomic {
        pub use crate::atomic::*;
    }
    pub mod cache {
        pub use crate::cache::*;
    }
    pub mod checkpoint {
        pub use crate::checkpoint::*;
    }
    pub mod classify {
        pub use crate::classify::*;
    }
    #[cfg(feature = "cli")]
    pub mod cli {
        pub use crate::cli::*;
    }
    pub mod compare {
        pub use crate::compare::*;
    }
    #[cfg(feature = "convert")]
    pub mod convert {
        pub use crate::convert::*;
    }
    pub mod convolution {
        pub use crate::convolution::*;
    }
    pub mod detector {
        pub use crate::detector::*;
    }
    #[cfg(feature = "draw")]
    pub mod draw {
        pub use crate::draw::*;
    }
    #[cfg(feature = "convert")]
    pub mod export {
        pub use crate::export::*;
    }
    pub mod family {
        pub use crate::family::*;
    }
    pub mod geometry {
        pub use crate::geometry::*;
    }
    pub mod memory {
        pub use crate::memory::*;
    }
    pub mod model {
        pub use crate::model::*;
    }
    pub mod network {
        pub use crate::network::*;
    }
    pub mod once {
        pub use crate::once::*;
    }
    pub mod onnx {
        pub use crate::onnx::*;
    }
    pub mod photo {
        pub use crate::photo::*;
    }
    #[cfg(feature = "quantize")]
    pub mod quantize {
        pub use crate::quantize::*;
    }
    #[cfg(feature = "report")]
    pub mod report {
        pub use crate::report::*;
    }
    pub mod run {
        pub use crate::run::*;
    }
    pub mod runtime {
        pub use crate::runtime::*;
    }
}

pub use checkpoint::CheckpointError;
pub use detector::{Augment, Detector, DetectorError, MergeRule, UnknownMergeRule};
#[cfg(feature = "draw")]
pub use draw::{Fonts, Mark, annotate};
#[cfg(feature = "convert")]
pub use export::{ExportError, ExportFormat, ExportOptions};
pub use facade::{
    Detection, DetectorBuilder, Error, Pending, PhotoDetections, PhotoInput, PhotoSource, Pipeline, Run,
    RunBuilder,
};
pub use family::{Class, ConfigError, FamilyError};
pub use geometry::BBox;
pub use model::{InvalidModelFile, Model, ModelError, ModelKind};
pub use onnx::GraphError;
pub use photo::{DecodeError, DecodeErrorKind, DecodeOptions, Decoder, Exif, Limits, ListError, Photo};
pub use run::{
    Annotated, AnnotatedError, Counts, Event, Exported, Failure, LabelText, Machine, PictureStyle, Progress,
    Record, RunError, RunOptions, RunState, Settings, Shard, Truth,
};
pub use runtime::{
    ComputeWay, Device, Precision, RuntimeError, TimedWay, UnknownDevice, UnknownPrecision, WayChoice,
    bring_runtime,
};
