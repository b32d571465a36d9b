//! The commands by name. One that is no key's is a file of this folder, with a [`Description`] in [`TABLE`].

mod cal;
mod completions;
mod del_profile;
mod directory;
mod doctor;
mod dot;
mod eval;
mod explain;
mod gen_cert;
mod gen_secret;
mod generate;
mod health;
pub(crate) mod help;
mod list;
mod man;
mod mon;
mod profile;
mod ps;
mod restart;
mod run;
mod set;
mod shell;
mod show_config;
mod show_profile;
mod snd;
mod tap;
mod top;
mod trace;

use aemp::Value;
use aemp::profile::{Document, Scope};
use aemp::profile::{Key, nearest as nearest_of};

use crate::context::Context;
use crate::failure::Failure;
use crate::line::{Line, scope};
use crate::network::{self, Session};
use crate::options::Options;
use crate::output;

/// What one command does, once the whole line is understood.
pub(crate) type Step = Box<dyn FnOnce(&mut Context) -> Result<(), Failure>>;

/// How many words a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// So many.
    Exactly(usize),
    /// So many, or fewer where the line ends.
    AtMost(usize),
    /// All that follow.
    Rest,
}

/// A command.
pub(crate) struct Description {
    pub(crate) name: &'static str,
    /// Its arguments, for people.
    pub(crate) arguments: &'static str,
    /// What it does, in one line.
    pub(crate) about: &'static str,
    /// Whole command lines, without the program's name.
    pub(crate) examples: &'static [&'static str],
    pub(crate) takes: Takes,
    /// Checks the arguments. `None` where there is nothing to be done later.
    pub(crate) prepare: fn(&mut Line<'_>, Vec<Value>) -> Result<Option<Step>, Failure>,
}

/// All commands but those of keys, in the order of the help.
pub(crate) const TABLE: &[&Description] = &[
    &profile::PROFILE,
    &show_config::SHOW_CONFIG,
    &show_profile::SHOW_PROFILE,
    &del_profile::DEL_PROFILE,
    &gen_secret::GEN_SECRET,
    &gen_cert::GEN_CERT,
    &list::ADD_SEED,
    &list::DEL_SEED,
    &list::ADD_BIND,
    &list::DEL_BIND,
    &list::ADD_ADVERTISE,
    &list::DEL_ADVERTISE,
    &list::ADD_SERVICE,
    &list::DEL_SERVICE,
    &run::RUN,
    &health::HEALTH,
    &snd::SND,
    &cal::CAL,
    &mon::MON,
    &eval::EVAL,
    &trace::TRACE,
    &restart::RESTART,
    &ps::PS,
    &top::TOP,
    &tap::TAP,
    &dot::DOT,
    &directory::DIRECTORY,
    &shell::SHELL,
    &explain::EXPLAIN,
    &doctor::DOCTOR,
    &completions::COMPLETIONS,
    &man::MAN,
    &help::HELP,
];

/// A command that was found by its name.
#[derive(Clone, Copy)]
pub(crate) enum Command {
    /// One of the table.
    Described(&'static Description),
    /// `setKEY`, or `KEY` alone.
    Set(Key),
    /// `delKEY`.
    Delete(Key),
}

/// The command of that name.
pub(crate) fn find(name: &str) -> Option<Command> {
    let described = TABLE.iter().find(|command| command.name == name);
    let key = |prefix| name.strip_prefix(prefix).and_then(Key::from_name);
    described
        .map(|command| Command::Described(command))
        .or_else(|| key("set").map(Command::Set))
        .or_else(|| key("del").map(Command::Delete))
        .or_else(|| key("").map(Command::Set))
}

/// The name that `name` most probably was meant to be.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let keys = || Key::ALL.into_iter();
    let table = TABLE.iter().map(|command| command.name);
    let names = table
        .chain(keys().map(Key::name))
        .chain(keys().map(set::set_name))
        .chain(keys().map(set::delete_name));
    nearest_of(name, names)
}

impl Command {
    pub(crate) fn takes(self) -> Takes {
        match self {
            Self::Described(command) => command.takes,
            // Its value may come from where no list of processes shows it.
            Self::Set(key) if set::takes_secret(key) => Takes::AtMost(1),
            Self::Set(_) => Takes::Exactly(1),
            Self::Delete(_) => Takes::Exactly(0),
        }
    }

    pub(crate) fn arguments(self) -> &'static str {
        match self {
            Self::Described(command) => command.arguments,
            Self::Set(key) => set::arguments(key),
            Self::Delete(_) => "",
        }
    }

    pub(crate) fn prepare(
        self,
        line: &mut Line<'_>,
        arguments: Vec<Value>,
    ) -> Result<Option<Step>, Failure> {
        match self {
            Self::Described(command) => (command.prepare)(line, arguments),
            Self::Set(key) => set::set(line, key, arguments).map(Some),
            Self::Delete(key) => set::delete(line, key).map(Some),
        }
    }

    /// Whether options give all that it takes, so that the words that follow are the next command's.
    pub(crate) fn has_all(self, options: &Options) -> bool {
        matches!(self, Self::Set(key) if set::takes_secret(key)) && options.secret_file.is_some()
    }
}

/// Changes the keys that the line's commands are about: the draft at once, and the file when the line is done. `change`
/// returns what the user is to be told of it.
pub(crate) fn change(
    line: &mut Line<'_>,
    change: impl Fn(&mut Document, Scope<'_>) -> Result<Option<String>, Failure> + 'static,
) -> Result<Step, Failure> {
    let profile = line.profile.clone();
    change(line.draft_to_change()?, scope(profile.as_deref()))?;
    Ok(Box::new(move |context| {
        let scope = scope(profile.as_deref());
        let told = context
            .file
            .try_update(|document| change(document, scope))?;
        if let Some(told) = told {
            output::hint(&told);
        }
        Ok(())
    }))
}

/// A step that does `work` in the network of the line's profile, and hands what came of it to `then`.
fn in_network<T>(
    line: &mut Line<'_>,
    work: impl AsyncFnOnce(&Session) -> Result<T, network::Failure> + 'static,
    then: impl FnOnce(&Context, T) -> Result<(), Failure> + 'static,
) -> Result<Option<Step>, Failure> {
    let profile = line.profile.clone();
    line.check_profile(profile.as_deref())?;
    Ok(Some(Box::new(move |context| {
        let done =
            context.in_network(profile.as_deref(), async |session| Ok(work(session).await?))?;
        then(context, done)
    })))
}
