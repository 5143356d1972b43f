//! What the system tells of memory; nothing where it does not.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of this process in memory.
pub fn resident() -> Option<u64> {
    field("/proc/self/status", "VmRSS:")
}

/// Most bytes that this process has had in memory.
pub fn peak() -> Option<u64> {
    field("/proc/self/status", "VmHWM:")
}

/// Bytes that programs can still take without the machine running short, or this process its limits.
pub fn available() -> Option<u64> {
    let left = |limit: Limit| limit.bytes.saturating_sub(resident().unwrap_or(0));
    let limits = limits().into_iter().filter(|limit| limit.bound != Bound::Machine).map(left);
    limits.chain(field("/proc/meminfo", "MemAvailable:")).min()
}

/// What bounds the memory that this process can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// What is built into the machine.
    Machine,
    /// The limit of a group of processes, as of a container.
    Cgroup,
    /// The limit of a process's addresses or data, as `ulimit` sets them.
    Process,
}

impl Bound {
    /// In words, behind "of the memory of".
    pub fn title(self) -> &'static str {
        match self {
            Bound::Machine => "the machine",
            Bound::Cgroup => "its cgroup",
            Bound::Process => "the process (ulimit)",
        }
    }
}

/// A bound and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What bounds.
    pub bound: Bound,
    /// Bytes of memory.
    pub bytes: u64,
}

/// Half of what the process can have, as long as nobody says how much it may take; and what that is half of. Other
/// programs, and what libraries take without telling, have the rest.
pub fn usual() -> Option<(u64, Limit)> {
    let limit = limits().into_iter().min_by_key(|limit| limit.bytes)?;
    Some((limit.bytes / 2, limit))
}

fn limits() -> Vec<Limit> {
    let limit = |bound, bytes: Option<u64>| bytes.map(|bytes| Limit { bound, bytes });
    let machine = limit(Bound::Machine, field("/proc/meminfo", "MemTotal:"));
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = limit(Bound::Cgroup, of_cgroup(&group, Path::new("/sys/fs/cgroup")));
    let process = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let process = limit(Bound::Process, of_process(&process));
    // A group may be without a limit, or with one that says so by more than there is.
    [machine, group, process].into_iter().flatten().collect()
}

/// The least limit of a process's groups and of those above them, of both versions; `table` is `/proc/self/cgroup`.
fn of_cgroup(table: &str, mount: &Path) -> Option<u64> {
    let places = table.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
        match controllers {
            "" => Some((mount.to_owned(), path, "memory.max")),
            _ if controllers.split(',').any(|name| name == "memory") => {
                Some((mount.join("memory"), path, "memory.limit_in_bytes"))
            }
            _ => None,
        }
    });
    let limit = |file: PathBuf| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let limits = places.flat_map(|(root, path, file)| {
        // In a container the group's own folder is often the root.
        let folders = Path::new(path).ancestors().map(|folder| root.join(folder).join(file));
        folders.filter_map(limit).collect::<Vec<_>>()
    });
    limits.min()
}

/// The soft limits of addresses and of data; `table` is `/proc/self/limits`.
fn of_process(table: &str) -> Option<u64> {
    let limit = |name| {
        let line = table.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    ["Max address space", "Max data size"].into_iter().filter_map(limit).min()
}

/// A number of KiB in one of Linux's tables, in bytes.
fn field(table: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(table).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_smaller_than_its_peak() {
        let (resident, peak) = (resident().unwrap(), peak().unwrap());
        assert!(resident > 1 << 20 && available().unwrap() > 1 << 20);
        assert!(resident <= peak, "{resident} {peak}");
        let (usual, limit) = usual().unwrap();
        assert!(usual <= limit.bytes / 2 && usual > 1 << 20);
    }

    #[test]
    fn the_least_limit_of_all_groups_above_counts() {
        let mount = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let file = mount.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        let of = |table: &str| of_cgroup(table, mount.path());
        assert_eq!(of("0::/a/b\n"), None);
        write("a/b/memory.max", "max\n");
        write("a/memory.max", "2000\n");
        write("memory.max", "3000\n");
        assert_eq!(of("0::/a/b\n"), Some(2000));
        assert_eq!(of("0::/\n"), Some(3000));
        write("memory/a/memory.limit_in_bytes", "1000\n");
        assert_eq!(of("5:cpu,memory:/a\n4:pids:/a\n"), Some(1000));
        assert_eq!(of("4:pids:/a\n"), None);
    }

    #[test]
    fn limits_of_the_process_are_read_from_linuxs_table() {
        let table = "Limit                     Soft Limit           Hard Limit           Units     \n\
                     Max data size             unlimited            unlimited            bytes     \n\
                     Max address space         3221225472           unlimited            bytes     \n";
        assert_eq!(of_process(table), Some(3 << 30));
        assert_eq!(of_process("Max address space  unlimited  unlimited  bytes\n"), None);
    }
}
