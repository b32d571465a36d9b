//! The lock that excludes concurrent writers.
//!
//! It is on a separate file next to the configuration, since the configuration itself is replaced by a new file each
//! time. The lock file is never removed: another writer may be waiting for it. The system releases the lock when its
//! process ends, for any reason.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::FileError;
use crate::replace::{private_options, with_suffix};

/// Time limit of waiting. Rewriting takes milliseconds, so a longer wait means that the other program hangs.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Waits for the lock of the configuration `file`. Dropping the returned file releases it.
pub(crate) fn lock(file: &Path) -> Result<File, FileError> {
    let path = with_suffix(file, ".lock");
    let failed = |step, error| FileError::Write {
        step,
        path: path.clone(),
        error,
    };
    let lock = private_options()
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| failed("opening the lock", error))?;
    let started = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(error)) => return Err(failed("locking", error)),
            Err(TryLockError::WouldBlock) if started.elapsed() >= LOCK_TIMEOUT => {
                return Err(FileError::Locked {
                    path,
                    limit: LOCK_TIMEOUT,
                });
            }
            // Poll, since the system's blocking call has no timeout.
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(2)),
        }
    }
}
