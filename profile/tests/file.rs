//! The configuration file: reading it, keeping its content when it is rewritten, and refusing invalid files.

mod common;

use std::fs;

use aemp_core::Value;
use aemp_profile::{ConfigFile, Document, FileError, ProfileSource, Scope};
use common::Folder;

const GLOBAL: Scope<'_> = Scope::Global;

#[test]
fn a_missing_file_is_an_empty_one() {
    let folder = Folder::new("missing");
    let file = ConfigFile::from_path(folder.path().join("config"));
    assert_eq!(file.read().unwrap(), Document::default());
    assert!(folder.names().is_empty());
}

#[test]
fn a_broken_file_is_named_with_line_and_column_and_never_overwritten() {
    let folder = Folder::new("broken");
    let path = folder.path().join("config");
    let cases = [
        ("{\n  \"seeds\": [,]\n}", ":2:13: expected value"),
        ("", ":1:0: EOF while parsing a value"),
        ("{} x", ":1:4: trailing characters"),
        ("{\"a\": \"\u{1}\"}", "control character"),
        (
            "\u{feff}{}",
            ":1:1: the file begins with a byte order mark (BOM)",
        ),
        ("[]", "the whole has to be an object"),
        (
            r#"{"profile": {"p": 1}}"#,
            "the profile \"p\" has to be an object",
        ),
    ];
    for (text, expected) in cases {
        fs::write(&path, text).unwrap();
        let file = ConfigFile::from_path(&path);
        let read = file.read().unwrap_err().to_string();
        assert!(read.contains(expected) && read.contains("config"), "{read}");
        let update = file.update(|document| document.set(GLOBAL, "seeds", Value::Null));
        assert_eq!(update.unwrap_err().to_string(), read);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    assert_eq!(folder.names(), ["config", "config.lock"]);
}

#[test]
fn what_nobody_knows_is_kept_in_its_order() {
    let folder = Folder::new("unknown");
    let path = folder.path().join("config");
    let before = r#"{"zebra": {"b": [1, 2.5, null], "a": "\u0000é"}, "version": 1, "seeds": ["old:1"],
        "profile": {"z": {"later": 18446744073709551615}, "a": {"nodeid": "x", "more": true}}, "acl": -7}"#;
    fs::write(&path, before).unwrap();
    let file = ConfigFile::from_path(&path);
    file.update(|document| {
        document.set(GLOBAL, "seeds", Value::from(vec!["new:1".into()]));
        document.set(Scope::Profile("z"), "binds", Value::from(vec!["*".into()]));
        assert!(document.remove(Scope::Profile("a"), "nodeid"));
        document.set(GLOBAL, "secret", "s".into());
    })
    .unwrap();
    let expected = r#"{"zebra": {"b": [1, 2.5, null], "a": "\u0000é"}, "version": 1, "seeds": ["new:1"],
        "profile": {"z": {"later": 18446744073709551615, "binds": ["*"]}, "a": {"more": true}}, "acl": -7, "secret": "s"}"#;
    let expected: Value = serde_json::from_str(expected).unwrap();
    // Maps are equal only if their pairs have the same order.
    assert_eq!(file.read().unwrap().to_value(), expected);
    assert_eq!(
        fs::read_to_string(folder.path().join("config~")).unwrap(),
        before
    );
}

#[test]
fn the_previous_version_is_kept_and_nothing_else_is_left() {
    let folder = Folder::new("previous");
    let file = ConfigFile::from_path(folder.path().join("config"));
    for n in 0..3 {
        file.update(|document| document.set(GLOBAL, "min_secret", n.into()))
            .unwrap();
    }
    assert_eq!(folder.names(), ["config", "config.lock", "config~"]);
    let previous = ConfigFile::from_path(folder.path().join("config~"))
        .read()
        .unwrap();
    assert_eq!(previous.get(GLOBAL, "min_secret"), Some(&1.into()));
    assert_eq!(
        file.read().unwrap().keys(GLOBAL).unwrap().iter().next(),
        Some(&("version".into(), 1.into()))
    );
}

#[test]
fn without_a_change_nothing_is_written() {
    let folder = Folder::new("unchanged");
    let path = folder.path().join("config");
    fs::write(&path, "{ }").unwrap();
    let file = ConfigFile::from_path(&path);
    file.update(|document| assert!(!document.remove(GLOBAL, "seeds")))
        .unwrap();
    let refused: Result<(), FileError> = file.try_update(|document| {
        document.set(GLOBAL, "seeds", "a:1".into());
        Err(FileError::NoPlace)
    });
    assert!(refused.is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "{ }");
}

#[test]
fn what_would_mean_something_else_is_read_and_not_rewritten() {
    let folder = Folder::new("later");
    let path = folder.path().join("config");
    let file = ConfigFile::from_path(&path);
    for (text, expected) in [
        (
            r#"{"version": 2}"#,
            "config has version 2, and this program writes version 1 only",
        ),
        (r#"{"version": "x"}"#, "config has version \"x\""),
        (
            r#"{"version": 1, "a": [-9223372036854775809]}"#,
            "config:1:22: -9223372036854775809 is beyond 64 bits",
        ),
    ] {
        fs::write(&path, text).unwrap();
        file.read().unwrap();
        let update = file.update(|document| document.set(GLOBAL, "nodeid", "x".into()));
        let error = update.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(file.read_for_update().unwrap_err().to_string(), error);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::write(&path, r#"{"version": "1", "a": 18446744073709551615}"#).unwrap();
    file.update(|document| document.set(GLOBAL, "nodeid", "x".into()))
        .unwrap();
}

#[test]
fn a_profile_goes_as_a_whole() {
    let folder = Folder::new("profile");
    let file = ConfigFile::from_path(folder.path().join("config"));
    file.update(|document| {
        document.set(Scope::Profile("a"), "nodeid", "x".into());
        document.set(Scope::Profile("b"), "nodeid", "y".into());
        assert!(document.remove_profile("a"));
        assert!(!document.remove_profile("c"));
    })
    .unwrap();
    assert_eq!(
        file.read().unwrap().profile_names().collect::<Vec<_>>(),
        ["b"]
    );
}

#[cfg(unix)]
#[test]
fn only_this_user_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("mode");
    let path = folder.path().join("config");
    fs::write(&path, "{}").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let file = ConfigFile::from_path(&path);
    file.update(|document| document.set(GLOBAL, "secret", "s".into()))
        .unwrap();
    file.update(|document| document.set(GLOBAL, "secret", "t".into()))
        .unwrap();
    for name in folder.names() {
        let mode = fs::metadata(folder.path().join(&name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_stays_one() {
    let folder = Folder::new("link");
    let real = folder.path().join("real");
    fs::write(&real, "{}").unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("real", &link).unwrap();
    let file = ConfigFile::from_path(&link);
    file.update(|document| document.set(GLOBAL, "nodeid", "n".into()))
        .unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let read = ConfigFile::from_path(&real).read().unwrap();
    assert_eq!(read.get(GLOBAL, "nodeid"), Some(&"n".into()));
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_leaves_the_file_as_it_is() {
    let folder = Folder::new("nowhere");
    let file = ConfigFile::from_path(folder.path().join("no/such/config"));
    let error = file
        .update(|document| document.set(GLOBAL, "nodeid", "n".into()))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(
            "cannot rewrite the configuration, which is left as it is: opening the lock"
        ),
        "{error}"
    );
}

#[test]
fn a_builder_reads_it_through_its_source() {
    let folder = Folder::new("source");
    let path = folder.path().join("config");
    fs::write(&path, r#"{"nodeid": "n"}"#).unwrap();
    let file = ConfigFile::from_path(&path);
    assert_eq!(file.load().unwrap()["nodeid"], "n".into());
    assert!(!file.host_name().unwrap().is_empty());
}
