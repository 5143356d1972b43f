//! The `rcnn` program: the command line, and its exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    rcnn::cli::start_clean();
    ExitCode::from(rcnn::cli::main(std::env::args_os()))
}
