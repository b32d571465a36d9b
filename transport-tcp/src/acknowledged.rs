//! The bytes of a connection that the peer's host has acknowledged.
//!
//! The only `unsafe` of the workspace: neither the standard library nor socket2, tokio or rustix can read `TCP_INFO` of a
//! socket, and without it the detection of a peer that is stopped while data is sent to it takes up to 1.7 times too
//! long.

#![allow(unsafe_code)]

use std::mem::size_of_val;
use std::os::fd::AsRawFd;

use tokio::net::TcpStream;

/// Offset of `tcpi_bytes_acked` in the kernel's `struct tcp_info`, in bytes: a field of 64 bits, in Linux since 4.1.
const BYTES_ACKED: usize = 120;

/// Bytes that the peer's host has acknowledged; `None` if this system does not know.
pub(crate) fn acknowledged(stream: &TcpStream) -> Option<u64> {
    let mut info = [0_u8; BYTES_ACKED + size_of::<u64>()];
    let mut len = size_of_val(&info) as libc::socklen_t;
    // SAFETY: `stream` holds the descriptor open, and the kernel writes at most `len` bytes, which `info` has.
    let failed = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    // An old kernel returns a shorter structure.
    if failed != 0 || (len as usize) < info.len() {
        return None;
    }
    info.last_chunk().copied().map(u64::from_ne_bytes)
}
