//! The configuration file: whatever it holds, it is a configuration or an error that shows no secret, and what is written
//! is what was read.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use aemp::Value;
use aemp::profile::{ConfigFile, Key, Place, Scope, Sources};
use libfuzzer_sys::fuzz_target;

/// Takes the place of each secret of a file.
const SECRET: &str = "a secret of 35 bytes, that is its own";

/// The file of this process, in memory where the system has such a place.
static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    folder.join(format!("aemp-fuzz-config-{}", std::process::id()))
});

fuzz_target!(|data: &[u8]| {
    let file = ConfigFile::from_path(&*PATH);
    fs::write(&*PATH, data).expect("the file can be written");
    let Ok(mut document) = file.read() else {
        return;
    };
    let names: Vec<String> = document.profile_names().map(str::to_owned).collect();
    let scopes = || {
        names
            .iter()
            .map(|name| Scope::Profile(name))
            .chain([Scope::Global])
    };
    for scope in scopes() {
        for key in [Key::Secret, Key::Cert] {
            if document
                .get(scope, key.name())
                .is_some_and(|value| value.as_str().is_some())
            {
                document.set(scope, key.name(), SECRET.into());
            }
        }
    }
    let content = document.to_value();
    // Each value alone.
    for scope in scopes() {
        for (name, value) in document.keys(scope).into_iter().flatten() {
            if let Some(key) = name.as_str().and_then(Key::from_name) {
                let word = key.word(&value.to_string());
                for value in [value, &word] {
                    if let Err(error) = key.check(value, &Place::Program) {
                        shows_no_secret(&format!("{error} {error:?}"));
                    }
                }
            }
        }
    }
    // All profiles, and one that there is not.
    for name in names.iter().map(String::as_str).chain(["nobody"]) {
        let mut sources = Sources::new("host", "r4nd0m");
        sources.name = Some(name);
        sources.file = Some(&content);
        match sources.resolve() {
            Ok(profile) => {
                let warnings: Vec<String> =
                    profile.warnings.iter().map(ToString::to_string).collect();
                shows_no_secret(&format!("{profile:?} {warnings:?}"));
            }
            Err(error) => shows_no_secret(&format!("{error} {error:?}")),
        }
    }
    // Written and read again, it is the same, but that integers beyond 64 bits are floats.
    let written = serde_json::to_vec_pretty(&content).expect("what was read can be written");
    fs::write(&*PATH, &written).expect("the file can be written");
    let again = file
        .read()
        .expect("what was written can be read")
        .to_value();
    assert_eq!(Value::to_string(&again), content.to_string());
});

fn shows_no_secret(text: &str) {
    assert!(!text.contains(SECRET), "{text}");
}
