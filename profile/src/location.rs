//! The location of the configuration file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Its name in the home directory, the same as in AnyEvent::MP.
const NAME: &str = ".perl-anyevent-mp";

/// Environment variables with its path. The first one that is set and not empty counts.
const VARIABLES: [&str; 2] = ["AEMP_RC", "PERL_ANYEVENT_MP_RC"];

/// What has said where the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The program.
    Given,
    /// This environment variable.
    Variable(&'static str),
    /// `HOME`.
    Home,
    /// The system's list of users, since `HOME` is not set.
    Users,
}

impl Origin {
    /// Why nothing is found at `path`, where no file is.
    pub(crate) fn no_file(self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Given | Self::Home => format!("there is no {path}"),
            Self::Variable(name) => format!("{name} names {path}, which does not exist"),
            Self::Users => format!("HOME is not set, and there is no {path}"),
        }
    }
}

/// The path, from the environment variables and the home directory, and what has said so.
pub(crate) fn locate(
    variable: impl Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
) -> Option<(PathBuf, Origin)> {
    let set = |name| variable(name).filter(|text| !text.is_empty());
    let mut named = VARIABLES
        .iter()
        .filter_map(|name| Some((set(name)?.into(), Origin::Variable(name))));
    named.next().or_else(|| {
        let home = home.filter(|home| !home.as_os_str().is_empty())?;
        let origin = set("HOME").map_or(Origin::Users, |_| Origin::Home);
        Some((home.join(NAME), origin))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_variable_comes_before_perls_and_both_before_the_home_directory() {
        let home = || Some(PathBuf::from("/home/me"));
        let with = |ours: &'static str, perls: &'static str| {
            let variable = move |name: &str| {
                let value = match name {
                    "AEMP_RC" => ours,
                    "PERL_ANYEVENT_MP_RC" => perls,
                    _ => "/home/me",
                };
                (value != "unset").then(|| OsString::from(value))
            };
            locate(variable, home()).unwrap()
        };
        let [ours, perls] = VARIABLES.map(Origin::Variable);
        assert_eq!(with("/ours", "/perls"), (PathBuf::from("/ours"), ours));
        assert_eq!(with("unset", "/perls"), (PathBuf::from("/perls"), perls));
        assert_eq!(with("", "/perls"), (PathBuf::from("/perls"), perls));
        let usual = PathBuf::from("/home/me/.perl-anyevent-mp");
        assert_eq!(with("unset", "unset"), (usual.clone(), Origin::Home));
        assert_eq!(locate(|_| None, home()), Some((usual, Origin::Users)));
        assert_eq!(locate(|_| None, None), None);
    }

    #[test]
    fn a_file_that_is_not_there_is_told_with_what_has_named_it() {
        let path = Path::new("/home/me/x");
        for (origin, text) in [
            (Origin::Given, "there is no /home/me/x"),
            (Origin::Home, "there is no /home/me/x"),
            (
                Origin::Variable("AEMP_RC"),
                "AEMP_RC names /home/me/x, which does not exist",
            ),
            (Origin::Users, "HOME is not set, and there is no /home/me/x"),
        ] {
            assert_eq!(origin.no_file(path), text);
        }
    }
}
