//! The `rcnn` program: the command line, and its exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    rcnn::internal::cli::start_clean();
    ExitCode::from(rcnn::internal::cli::main(std::env::args_os()))
}
