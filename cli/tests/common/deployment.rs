//! The files under `deploy/`, and the configurations that docs/deploying.md makes for them.

use std::path::{Path, PathBuf};
use std::process::Command;

use yaml_rust2::{Yaml, YamlLoader};

use super::Home;

/// A file of this repository.
pub(crate) fn path(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(of)
}

/// The content of a file under `deploy/`.
pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(path("deploy").join(name)).expect("it can be read")
}

/// The documents of a YAML file under `deploy/`, with its merges done.
pub(crate) fn yaml(name: &str) -> Vec<Yaml> {
    let documents = YamlLoader::load_from_str(&text(name)).expect("YAML");
    documents.into_iter().map(merged).collect()
}

/// Gives maps the keys of those that they name by `<<`, as Compose does.
fn merged(value: Yaml) -> Yaml {
    match value {
        Yaml::Hash(mut map) => {
            let under = map.remove(&Yaml::String("<<".into()));
            for (key, value) in under
                .into_iter()
                .flat_map(|map| map.into_hash().expect("a map"))
            {
                map.entry(key).or_insert(value);
            }
            Yaml::Hash(
                map.into_iter()
                    .map(|(key, value)| (key, merged(value)))
                    .collect(),
            )
        }
        Yaml::Array(items) => Yaml::Array(items.into_iter().map(merged).collect()),
        other => other,
    }
}

/// The document of a kind in a file for Kubernetes.
pub(crate) fn of_kind(documents: &[Yaml], kind: &str) -> Yaml {
    let found = documents
        .iter()
        .find(|document| document["kind"].as_str() == Some(kind));
    found.unwrap_or_else(|| panic!("a {kind}")).clone()
}

/// A list of texts.
pub(crate) fn words(list: &Yaml) -> Vec<String> {
    let words = list.as_vec().unwrap_or_else(|| panic!("a list: {list:?}"));
    words
        .iter()
        .map(|word| word.as_str().expect("a text").to_owned())
        .collect()
}

/// Types what a section of docs/deploying.md says, in a folder of its own; the path of the configuration that it makes.
pub(crate) fn configuration(home: &Home, section: &str) -> String {
    let page = std::fs::read_to_string(path("docs/deploying.md")).expect("the page");
    let heading = format!("\n## {section}\n");
    let (_, section) = page.split_once(&heading).expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    let typed: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .collect();
    let binaries = Path::new(env!("CARGO_BIN_EXE_aemp"))
        .parent()
        .expect("a folder");
    let search = format!(
        "{}:{}",
        binaries.display(),
        std::env::var("PATH").expect("a path")
    );
    let script = format!("set -e\n{}\necho \"$AEMP_RC\"", typed.join("\n"));
    let done = Command::new("bash")
        .args(["-c", &script])
        .env("PATH", search)
        .current_dir(home.path(""))
        .output()
        .expect("bash");
    let [out, error] =
        [done.stdout, done.stderr].map(|text| String::from_utf8(text).expect("text"));
    assert!(
        done.status.success() && error.is_empty(),
        "{script}: {out}{error}"
    );
    out.trim().to_owned()
}
