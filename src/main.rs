//! The `rcnn` program: parse, dispatch, exit code; nothing else.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::main()
}
