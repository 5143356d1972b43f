//! All tests that cross a wall, in one binary: it links in a fifth of the time of one for each file. The tests of a new
//! subject are a file beside this one and a line here.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

#[path = "../support/mod.rs"]
mod support;

mod annotated;
mod augment;
mod bad_checkpoints;
mod bench;
mod classify;
mod compare;
mod compare_trainings;
mod completions;
mod convert;
mod convert_forms;
mod convert_kept;
mod cuda;
mod detect;
mod detect_stopped;
mod docs;
mod ensemble;
mod evaluate_cli;
mod exports;
mod facade;
mod fast;
mod golden;
mod golden_classifiers;
mod golden_resize;
mod heif;
mod import;
mod import_heads;
mod import_refused;
mod import_wrapped;
mod install;
mod json_lines;
mod limits;
mod masks;
mod memory;
mod merge;
mod model_format;
mod newcomer;
mod photos;
mod pipes;
mod postprocess;
mod public_interface;
mod pull;
mod quantize;
mod quiet;
mod real_photos;
mod report;
mod reproduce;
mod resume;
mod rooms;
mod runtime;
// The system's own words for what fails are in them.
#[cfg(target_os = "linux")]
mod screens;
mod signals;
mod synth;
mod tiles;
mod type_names;
mod warnings;
mod wide_grey;
