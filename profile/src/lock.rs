//! The lock that keeps two writers apart.
//!
//! It lies on a file of its own beside the configuration, since the configuration itself is replaced by another file
//! each time. That file stays: who took it away could take it from under one who waits. The system ends the lock with
//! its process, however that ends.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::FileError;
use crate::replace::{beside, private};

/// Rewriting takes milliseconds; who waits this long waits for a program that hangs.
const LIMIT: Duration = Duration::from_secs(10);

/// Waits for the lock of the configuration `file`. It lasts as long as what is returned.
pub(crate) fn lock(file: &Path) -> Result<File, FileError> {
    let path = beside(file, ".lock");
    let failed = |step, error| FileError::Write {
        step,
        path: path.clone(),
        error,
    };
    let lock = private()
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| failed("opening the lock", error))?;
    let since = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(error)) => return Err(failed("locking", error)),
            Err(TryLockError::WouldBlock) if since.elapsed() >= LIMIT => {
                return Err(FileError::Locked { path, limit: LIMIT });
            }
            // The system's own way of waiting knows no limit.
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(2)),
        }
    }
}
