//! What the system tells of memory; nothing where it does not.

/// Bytes of this process in memory.
pub fn resident() -> Option<u64> {
    field("/proc/self/status", "VmRSS:")
}

/// Most bytes that this process has had in memory.
pub fn peak() -> Option<u64> {
    field("/proc/self/status", "VmHWM:")
}

/// Bytes that programs can still take without the machine running short.
pub fn available() -> Option<u64> {
    field("/proc/meminfo", "MemAvailable:")
}

/// A number of KiB in one of Linux's tables, in bytes.
fn field(table: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(table).ok()?;
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
    }
}
