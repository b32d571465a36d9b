//! The options that hold for the whole command line. Everything else on it is words, which `chain` reads.

use std::ffi::OsString;
use std::path::PathBuf;

use std::time::Duration;

use clap::{Arg, ArgAction, Command, value_parser};

/// A command line, its options apart from its words.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Data is printed as JSON.
    pub(crate) json: bool,
    /// Secrets are printed as they are.
    pub(crate) reveal: bool,
    /// Where `setsecret` finds the secret.
    pub(crate) secret_file: Option<PathBuf>,
    /// What is shown is followed as it changes.
    pub(crate) watch: bool,
    /// How long an answer from the network may take.
    pub(crate) timeout: Duration,
    /// What cannot be taken back is done all the same.
    pub(crate) yes: bool,
    /// A secret or a certificate that is there is replaced by one that is made.
    pub(crate) force: bool,
    /// `health` asks only whether the node is live.
    pub(crate) live: bool,
    /// `dot` draws.
    pub(crate) svg: bool,
    /// Into which file `tap` records.
    pub(crate) record: Option<PathBuf>,
    /// How many messages in a second `tap` shows.
    pub(crate) rate: Option<u32>,
    /// How many bytes of each.
    pub(crate) size: Option<u32>,
    /// Help is asked for.
    pub(crate) help: bool,
    /// The words, in order.
    pub(crate) words: Vec<String>,
}

impl Options {
    /// The options that are given and are for few commands, and those commands.
    pub(crate) fn of_few_commands(
        &self,
    ) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
        let given: [(bool, &str, &'static [&str]); _] = [
            (self.watch, "--watch", &["directory"]),
            (self.yes, "--yes", &["restart"]),
            (self.force, "--force", &["gensecret", "gencert"]),
            (self.live, "--live", &["health"]),
            (self.svg, "--svg", &["dot"]),
            (self.record.is_some(), "--record", &["tap"]),
            (self.rate.is_some(), "--rate", &["tap"]),
            (self.size.is_some(), "--size", &["tap"]),
        ];
        let given = given.into_iter().filter(|(given, ..)| *given);
        given.map(|(_, option, commands)| (option, commands))
    }

    /// Reads a command line, the program's name in front.
    pub(crate) fn read(line: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut found = command().try_get_matches_from(line)?;
        Ok(Self {
            json: found.get_flag("json"),
            reveal: found.get_flag("reveal"),
            secret_file: found.remove_one("secret-file"),
            watch: found.get_flag("watch"),
            timeout: found.remove_one("timeout").unwrap_or(TIMEOUT),
            yes: found.get_flag("yes"),
            force: found.get_flag("force"),
            live: found.get_flag("live"),
            svg: found.get_flag("svg"),
            record: found.remove_one("record"),
            rate: found.remove_one("rate"),
            size: found.remove_one("size"),
            help: found.get_flag("help"),
            words: found.remove_many("words").into_iter().flatten().collect(),
        })
    }
}

/// How long an answer from the network may take, if nothing else is said (protocol.md section 10).
const TIMEOUT: Duration = Duration::from_secs(5);

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| String::from("a number of seconds over 0 belongs here, such as 2.5"))
}

fn count(text: &str) -> Result<u32, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| String::from("a number from 1 to 4294967295 belongs here, such as 100"))
}

/// The command line as clap sees it.
pub(crate) fn command() -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .help(help)
            .action(ArgAction::SetTrue)
            .global(true)
    };
    let limit = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name(value)
            .help(help)
            .value_parser(count)
            .global(true)
    };
    Command::new("aemp")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Configures nodes that speak AEMP, the protocol of AnyEvent::MP")
        .override_usage("aemp [OPTIONS] COMMAND ARGS [COMMAND ARGS ...]")
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .arg(flag("json", "Print data as JSON"))
        .arg(flag("watch", "Let directory show changes as they come, until it is interrupted"))
        .arg(flag("yes", "Let restart end an AnyEvent::MP node that nothing starts again"))
        .arg(flag("force", "Let gensecret and gencert replace what is there"))
        .arg(flag("live", "Let health ask only whether the node is live"))
        .arg(flag("svg", "Let dot draw a picture"))
        .arg(flag("reveal", "Show secrets and keys instead of ***"))
        .arg(
            Arg::new("secret-file")
                .long("secret-file")
                .value_name("FILE")
                .help("Let setsecret take the secret from the first line of FILE (- is the standard input)")
                .value_parser(value_parser!(PathBuf))
                .global(true),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("SECONDS")
                .help("Wait so long for an answer from the network [default: 5]")
                .value_parser(seconds)
                .global(true),
        )
        .arg(
            Arg::new("record")
                .long("record")
                .value_name("FILE")
                .help("Let tap write what it sees into FILE, for a test to replay")
                .value_parser(value_parser!(PathBuf))
                .global(true),
        )
        .arg(limit("rate", "MESSAGES", "Let tap show so many messages in a second at most [default: what the node allows]"))
        .arg(limit("size", "BYTES", "Let tap show so many bytes of a message at most [default: what the node allows]"))
        .arg(flag("help", "Show help, for a COMMAND that stands before it too").short('h'))
        .arg(
            Arg::new("words")
                .value_name("COMMAND ARGS")
                .num_args(0..)
                .allow_negative_numbers(true)
                .hide(true),
        )
}
