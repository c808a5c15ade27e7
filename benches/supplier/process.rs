//! What a process has used, by what Linux tells of it.

/// Seconds of processor that a process has used so far, for itself and in the kernel.
pub fn processor(pid: u32) -> f64 {
    ticks(pid, 2)
}

/// The same with those of its children that have ended.
pub fn processor_with_children(pid: u32) -> f64 {
    ticks(pid, 4)
}

fn ticks(pid: u32, fields: usize) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    // USER_HZ is 100 on every architecture that Debian has.
    after_name.split(' ').skip(11).take(fields).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() as f64
        / 100.0
}

/// The most memory a process has had, in megabytes.
pub fn peak_memory(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / 1_000.0
}
