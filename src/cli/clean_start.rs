//! Starting anew where the system's loader would look for libraries in the current folder. Must not know any command.

/// Replaces the process by one of the same program and arguments whose loader's variables have absolute entries alone:
/// `LD_LIBRARY_PATH=/opt/cuda/lib64:` ends with an empty one, which stands for the current folder, and the loader
/// never looks at the variable again. Where that fails, libraries are refused later, with a sentence.
#[cfg(unix)]
pub(super) fn without_current_folder() {
    use std::os::unix::process::CommandExt as _;

    let relative = crate::runtime::relative_folders();
    let Ok(program) = std::env::current_exe() else { return };
    if relative.is_empty() {
        return;
    }
    let mut arguments = std::env::args_os();
    let mut command = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments);
    for (variable, left) in relative {
        match left {
            Some(left) => command.env(variable, left),
            None => command.env_remove(variable),
        };
    }
    let _ = command.exec();
}

/// Windows has no such variables.
#[cfg(not(unix))]
pub(super) fn without_current_folder() {}
