//! `KeepaliveOptions`: the socket options by which the system detects a dead host in time.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// The socket options for one `dead_after` time.
///
/// Linux has two timers, and both must detect a dead host:
///
/// * Idle connection: the first keepalive probe is sent `interval` after the last byte or acknowledgement was received,
///   and further ones at the same interval. With `TCP_USER_TIMEOUT` set, the number of probes (`TCP_KEEPCNT`) is
///   ignored: the first probe that is due after that timeout since the last received segment ends the connection
///   instead.
/// * Busy connection: no probes while bytes are unacknowledged. The connection ends when the oldest of them has waited
///   for `TCP_USER_TIMEOUT`, counted from its first retransmission. The same applies to bytes that wait because the
///   peer's window is closed, although the peer answers.
///
/// The host may have died up to `interval` after its last segment. So the timeout is a little over three quarters of
/// `dead_after` plus `interval`, and an idle connection ends at most `interval` later. The smaller `interval` is, the
/// less the timers differ, and the later bytes may be first sent to a dead host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeepaliveOptions {
    /// Time to the first keepalive probe and between two probes, in whole seconds.
    interval: u32,
    /// Number of probes after the first. Used on systems without `TCP_USER_TIMEOUT`.
    probes: u32,
    /// `TCP_USER_TIMEOUT`.
    user_timeout: Duration,
}

/// Lower bound of `dead_after`: below it the kernel's whole seconds leave no time for two probes.
const MIN_DEAD_AFTER: Duration = Duration::from_secs(2);

/// Factor for the kernel's timers, which are late by up to an eighth.
const TIMER_SLACK: f64 = 1.13;

/// Upper bound of `dead_after`: keeps every option far below the range of its field.
const MAX_DEAD_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

impl KeepaliveOptions {
    pub(crate) fn new(dead_after: Duration) -> Self {
        let time = dead_after
            .clamp(MIN_DEAD_AFTER, MAX_DEAD_AFTER)
            .as_secs_f64();
        let interval = (time / 8.0).floor().max(1.0);
        let user_timeout = time * 0.76 + interval * TIMER_SLACK;
        Self {
            interval: interval as u32,
            probes: (user_timeout / interval).ceil() as u32 - 1,
            user_timeout: Duration::from_millis((user_timeout * 1000.0) as u64),
        }
    }

    pub(crate) fn apply(&self, socket: &SockRef<'_>) -> io::Result<()> {
        let interval = Duration::from_secs(self.interval.into());
        let keepalive = TcpKeepalive::new().with_time(interval);
        #[cfg(any(
            target_os = "android",
            target_os = "freebsd",
            target_os = "ios",
            target_os = "linux",
            target_os = "macos",
            target_os = "netbsd",
            target_os = "windows",
        ))]
        let keepalive = keepalive.with_interval(interval).with_retries(self.probes);
        socket.set_tcp_keepalive(&keepalive)?;
        #[cfg(any(target_os = "android", target_os = "linux"))]
        socket.set_tcp_user_timeout(Some(self.user_timeout))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        let keepalive = |secs| KeepaliveOptions::new(Duration::from_secs(secs));
        let of = |interval, probes, millis| KeepaliveOptions {
            interval,
            probes,
            user_timeout: Duration::from_millis(millis),
        };
        assert_eq!(keepalive(30), of(3, 8, 26_190));
        assert_eq!(keepalive(8), of(1, 7, 7_210));
        assert_eq!(keepalive(2), of(1, 2, 2_650));
        assert_eq!(keepalive(0), keepalive(2));
        assert_eq!(keepalive(u64::MAX), keepalive(86_400));
    }

    #[test]
    fn both_clocks_keep_within_a_quarter() {
        for millis in (5_000..200_000).step_by(37) {
            let keepalive = KeepaliveOptions::new(Duration::from_millis(millis));
            let time = millis as f64 / 1000.0;
            let (least, most) = (time * 0.75, time * 1.25);
            let interval = f64::from(keepalive.interval);
            let user = keepalive.user_timeout.as_secs_f64();
            let late = interval * TIMER_SLACK;
            assert!(user - late >= least, "{time}: {keepalive:?}");
            assert!(user + late <= most, "{time}: {keepalive:?}");
            let counted = interval * f64::from(keepalive.probes + 1);
            assert!(counted >= user && counted <= most, "{time}: {keepalive:?}");
        }
    }
}
