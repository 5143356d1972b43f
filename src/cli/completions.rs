//! `rcnn completions` and `rcnn man`: what a shell and `man` want to know, made from the commands themselves.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Command;
use clap_complete::{Shell, generate};
use clap_mangen::{Man, generate_to};

use super::Exit;
use super::output::Out;
use super::values::folder;

/// Print what makes a shell complete rcnn's commands and options
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn completions bash > ~/.local/share/bash-completion/completions/rcnn
  rcnn completions zsh > ~/.zfunc/_rcnn
  rcnn completions fish > ~/.config/fish/completions/rcnn.fish")]
pub(crate) struct CompletionsArgs {
    /// Shell to complete in
    #[arg(value_name = "SHELL", ignore_case = true)]
    shell: Shell,
}

/// Print the manual page, or write a page a command into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn man | man -l -
  rcnn man -o ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Folder for all pages; created where it is missing
    #[arg(short, long, value_name = "FOLDER", value_parser = folder())]
    out: Option<PathBuf>,
}

/// Runs `rcnn completions`.
pub(crate) fn run(args: &CompletionsArgs, mut command: Command) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, "rcnn", &mut script);
    write(&script)
}

/// Runs `rcnn man`.
pub(crate) fn man(args: &ManArgs, command: Command) -> anyhow::Result<Exit> {
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        return write(&page);
    };
    let failed = || format!("cannot write the pages into `{}`", folder.display());
    std::fs::create_dir_all(folder).and_then(|()| generate_to(command, folder)).with_context(failed)?;
    Ok(Exit::Done)
}

fn write(bytes: &[u8]) -> anyhow::Result<Exit> {
    let mut out = Out::of(false);
    out.write_all(bytes)?;
    out.flush()?;
    Ok(Exit::Done)
}
