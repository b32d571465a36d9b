//! `Life`: how the system is told to notice a dead host in time.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// The socket options for one `dead_after` time.
///
/// Linux has two clocks, and a vanished host must be noticed by both:
///
/// * Idle connection: the first keepalive probe goes out `every` after the last byte or acknowledgement came in,
///   further ones as far apart. With `TCP_USER_TIMEOUT` set, the number of probes (`TCP_KEEPCNT`) is ignored: the
///   first probe that is due when that time has passed since the peer was last heard ends the connection instead.
/// * Busy connection: no probes while bytes are unacknowledged; it ends when the oldest of them has waited for
///   `TCP_USER_TIMEOUT`, counted from its first retransmission. The same holds for bytes that wait because the
///   peer's window is closed, although it answers.
///
/// The host may have vanished up to `every` after it was last heard. So the time-out is a little over three quarters
/// of `dead_after` plus `every`, and the end of an idle connection at most `every` later. The smaller `every` is,
/// the less the clocks differ, and the later may bytes be first sent to a host that has vanished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    /// Time to the first keepalive probe and between two, in whole seconds.
    every: u32,
    /// Number of probes after the first; decides where there is no `unacknowledged`.
    probes: u32,
    /// `TCP_USER_TIMEOUT`.
    unacknowledged: Duration,
}

/// With less the kernel's whole seconds leave no room for two probes.
const SHORTEST: Duration = Duration::from_secs(2);

/// The kernel's timers come late by up to an eighth.
const SLACK: f64 = 1.13;

/// Keeps every option far below what its field can hold.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Life {
    pub(crate) fn new(dead_after: Duration) -> Self {
        let time = dead_after.clamp(SHORTEST, LONGEST).as_secs_f64();
        let every = (time / 8.0).floor().max(1.0);
        let unacknowledged = time * 0.76 + every * SLACK;
        Self {
            every: every as u32,
            probes: (unacknowledged / every).ceil() as u32 - 1,
            unacknowledged: Duration::from_millis((unacknowledged * 1000.0) as u64),
        }
    }

    pub(crate) fn apply(&self, socket: &SockRef<'_>) -> io::Result<()> {
        let every = Duration::from_secs(self.every.into());
        let keepalive = TcpKeepalive::new().with_time(every);
        #[cfg(any(
            target_os = "android",
            target_os = "freebsd",
            target_os = "ios",
            target_os = "linux",
            target_os = "macos",
            target_os = "netbsd",
            target_os = "windows",
        ))]
        let keepalive = keepalive.with_interval(every).with_retries(self.probes);
        socket.set_tcp_keepalive(&keepalive)?;
        #[cfg(any(target_os = "android", target_os = "linux"))]
        socket.set_tcp_user_timeout(Some(self.unacknowledged))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        let life = |secs| Life::new(Duration::from_secs(secs));
        let of = |every, probes, millis| Life {
            every,
            probes,
            unacknowledged: Duration::from_millis(millis),
        };
        assert_eq!(life(30), of(3, 8, 26_190));
        assert_eq!(life(8), of(1, 7, 7_210));
        assert_eq!(life(2), of(1, 2, 2_650));
        assert_eq!(life(0), life(2));
        assert_eq!(life(u64::MAX), life(86_400));
    }

    #[test]
    fn both_clocks_keep_within_a_quarter() {
        for millis in (5_000..200_000).step_by(37) {
            let life = Life::new(Duration::from_millis(millis));
            let time = millis as f64 / 1000.0;
            let (least, most) = (time * 0.75, time * 1.25);
            let every = f64::from(life.every);
            let user = life.unacknowledged.as_secs_f64();
            let late = every * SLACK;
            assert!(user - late >= least, "{time}: {life:?}");
            assert!(user + late <= most, "{time}: {life:?}");
            let counted = every * f64::from(life.probes + 1);
            assert!(counted >= user && counted <= most, "{time}: {life:?}");
        }
    }
}
