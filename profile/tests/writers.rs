//! Several processes rewrite the file concurrently, and are killed while they write.

mod common;

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use aemp_core::Value;
use aemp_profile::{ConfigFile, Scope};
use common::{Folder, child, task};

const KEYS: usize = 40;
const WRITERS: usize = 3;
const KILLS: usize = 60;

/// Not a test: the child process of the tests below.
#[test]
fn as_child() {
    let Some((task, path)) = task() else {
        return;
    };
    let file = ConfigFile::from_path(path);
    match task.split_once(' ') {
        // Adds keys of its own, one at a time.
        Some(("add", who)) => {
            for n in 0..KEYS {
                let key = format!("{who}-{n}");
                file.update(|document| document.set(Scope::Global, &key, number(n)))
                    .expect("an update");
            }
        }
        // Rewrites all of it, until it is killed.
        _ => loop {
            file.update(|document| {
                let next = document
                    .get(Scope::Global, "n")
                    .and_then(Value::as_u64)
                    .unwrap_or(0)
                    + 1;
                document.set(Scope::Global, "n", next.into());
                document.set(Scope::Global, "long", long(next));
            })
            .expect("an update");
        },
    }
}

fn number(n: usize) -> Value {
    (n as u64).into()
}

/// A version `n` that is too large to be written by one system call.
fn long(n: u64) -> Value {
    vec![Value::from(n); 20_000].into()
}

#[test]
fn two_writers_at_once_lose_nothing() {
    let folder = Folder::new("writers");
    let path = folder.path().join("config");
    let writers: Vec<_> = (0..WRITERS)
        .map(|who| child(&format!("add {who}"), &path).spawn().unwrap())
        .collect();
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    let document = ConfigFile::from_path(&path).read().unwrap();
    for who in 0..WRITERS {
        for n in 0..KEYS {
            let found = document.get(Scope::Global, &format!("{who}-{n}"));
            assert_eq!(found, Some(&number(n)), "writer {who}, key {n}");
        }
    }
    assert_eq!(
        document.keys(Scope::Global).unwrap().len(),
        WRITERS * KEYS + 1
    );
}

#[test]
fn a_writer_that_is_killed_at_any_moment_leaves_the_file_whole() {
    let folder = Folder::new("killed");
    let path = folder.path().join("config");
    let file = ConfigFile::from_path(&path);
    let mut caught_writing = 0;
    let mut reached = 0;
    for _ in 0..KILLS {
        let mut writer = child("rewrite", &path).spawn().unwrap();
        // Its first version shows that it is running; kill it at any time after that.
        wait_for_more_than(&file, reached);
        thread::sleep(Duration::from_micros(random() % 50_000));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let found = whole(&path).expect("the file is there");
        assert!(found > reached, "version {found} after {reached}");
        reached = found;
        // Only after the first version there may be no previous one.
        if let Some(previous) = whole(&folder.path().join("config~")) {
            assert!(
                previous == found || previous + 1 == found,
                "{previous} before {found}"
            );
        }
        caught_writing += usize::from(folder.path().join("config.new").exists());
    }
    println!(
        "{caught_writing} of {KILLS} kills came while the next version was written; {reached} versions"
    );
    // Files left by the last killed writer do not disturb the next one.
    file.update(|document| document.set(Scope::Global, "n", 0.into()))
        .unwrap();
    assert_eq!(folder.names(), ["config", "config.lock", "config~"]);
}

#[test]
fn a_writer_that_was_killed_just_before_the_end_leaves_nothing_for_the_next() {
    let folder = Folder::new("linked");
    let path = folder.path().join("config");
    let file = ConfigFile::from_path(&path);
    file.update(|document| document.set(Scope::Global, "n", 0.into()))
        .unwrap();
    // The file has its second name, and the new version has not replaced it yet.
    fs::hard_link(&path, folder.path().join("config~")).unwrap();
    file.update(|document| document.set(Scope::Global, "n", 1.into()))
        .unwrap();
    assert_eq!(folder.names(), ["config", "config.lock", "config~"]);
}

/// The version in the file; all its parts must have the same one.
fn whole(path: &Path) -> Option<u64> {
    if !path.exists() {
        return None;
    }
    let content: Value =
        serde_json::from_slice(&fs::read(path).expect("it can be read")).expect("it is whole");
    let n = content["n"].as_u64().expect("a version");
    assert!(content["long"] == long(n), "one version, not two");
    Some(n)
}

fn wait_for_more_than(file: &ConfigFile, reached: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let document = file.read().expect("it is whole");
        let n = document.get(Scope::Global, "n").and_then(Value::as_u64);
        if n.is_some_and(|n| n > reached) {
            return;
        }
        assert!(Instant::now() < deadline, "no new version within 20 s");
        thread::sleep(Duration::from_millis(1));
    }
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
