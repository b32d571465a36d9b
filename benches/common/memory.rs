//! The memory of this process. Read from the system, since to count in the allocator would need unsafe code; so it has
//! everything in it, pages that the allocator keeps for later included.

/// Bytes of memory that the process has now.
pub(crate) fn resident() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = statm.split(' ').nth(1)?.parse().ok()?;
    // What every Linux on x86 and most on ARM have.
    Some(pages * 4096)
}
