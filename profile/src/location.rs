//! The location of the configuration file.

use std::ffi::OsString;
use std::path::PathBuf;

/// Its name in the home directory, the same as in AnyEvent::MP.
const NAME: &str = ".perl-anyevent-mp";

/// Environment variables with its path. The first one that is set and not empty counts.
const VARIABLES: [&str; 2] = ["AEMP_RC", "PERL_ANYEVENT_MP_RC"];

/// The path, from the environment variables and the home directory.
pub(crate) fn locate(
    variable: impl Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
) -> Option<PathBuf> {
    let named = VARIABLES.iter().filter_map(|name| variable(name));
    let mut named = named.filter(|path| !path.is_empty()).map(PathBuf::from);
    named
        .next()
        .or_else(|| Some(home.filter(|home| !home.as_os_str().is_empty())?.join(NAME)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_variable_comes_before_perls_and_both_before_the_home_directory() {
        let home = || Some(PathBuf::from("/home/me"));
        let with = |ours: &'static str, perls: &'static str| {
            let variable = move |name: &str| {
                let value = if name == "AEMP_RC" { ours } else { perls };
                (value != "unset").then(|| OsString::from(value))
            };
            locate(variable, home()).unwrap()
        };
        assert_eq!(with("/ours", "/perls"), PathBuf::from("/ours"));
        assert_eq!(with("unset", "/perls"), PathBuf::from("/perls"));
        assert_eq!(with("", "/perls"), PathBuf::from("/perls"));
        let usual = PathBuf::from("/home/me/.perl-anyevent-mp");
        assert_eq!(with("unset", "unset"), usual);
        assert_eq!(locate(|_| None, None), None);
    }
}
