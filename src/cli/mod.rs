//! The command line: one file a command, each with its arguments and a call into the library.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod detect;
mod doctor;
mod evaluate;
mod import;
mod runtime_args;

/// What `rcnn` ends with; the numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// Nothing usable was done.
    Failed = 1,
    /// Done, but some photos failed.
    PhotosFailed = 3,
    /// Stopped by the user; what is written is valid.
    Interrupted = 130,
}

/// Finds objects in photos with residual networks
#[derive(Debug, Parser)]
#[command(name = "rcnn", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Detect(detect::Args),
    Evaluate(evaluate::Args),
    Import(import::Args),
    Doctor(doctor::Args),
}

/// Parses the command line, runs the command and turns its outcome into the process's exit code.
pub(crate) fn main() -> ExitCode {
    init_tracing();
    let outcome = match Cli::parse().command {
        Command::Detect(args) => detect::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Import(args) => import::run(args),
        Command::Doctor(args) => doctor::run(args),
    };
    match outcome {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            eprintln!("rcnn: {error:#}");
            ExitCode::from(Exit::Failed as u8)
        }
    }
}

/// Prints lines to standard output. A reader that has seen enough is no failure.
pub(crate) fn print(lines: &[String]) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let written = lines.iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// `RCNN_LOG` turns on tracing, in `tracing-subscriber`'s filter syntax.
fn init_tracing() {
    if let Ok(filter) = std::env::var("RCNN_LOG") {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
            .with_writer(std::io::stderr)
            .init();
    }
}
