//! `Line`: what one command line's commands know of it.

use aemp::Value;
use aemp::profile::{ConfigFile, Document, Scope};
use aemp::profile::{Key, Place, Sources};

use crate::failure::Failure;
use crate::layers::effective;
use crate::options::Options;

/// What the commands of a line share while it is read.
pub(crate) struct Line<'a> {
    pub(crate) options: &'a Options,
    /// The profile that the commands are about. `None`: the global keys.
    pub(crate) profile: Option<String>,
    /// Whether a command that is about it has still to come.
    pub(crate) open: bool,
    draft: Option<Draft>,
}

/// The configuration as the commands that were read so far will leave it. A line that cannot be done as a whole is found
/// out here, before anything of it is done.
struct Draft {
    file: ConfigFile,
    document: Document,
    /// Whether the file is one that can be rewritten.
    is_to_change: bool,
}

impl<'a> Line<'a> {
    pub(crate) fn new(options: &'a Options) -> Self {
        Self {
            options,
            profile: None,
            open: false,
            draft: None,
        }
    }

    /// The draft, read from the file when it is first asked for.
    pub(crate) fn draft(&mut self) -> Result<&mut Document, Failure> {
        Ok(&mut self.whole_draft()?.document)
    }

    /// The draft, to be changed.
    pub(crate) fn draft_to_change(&mut self) -> Result<&mut Document, Failure> {
        let draft = self.whole_draft()?;
        if !draft.is_to_change {
            draft.file.read_for_update()?;
            draft.is_to_change = true;
        }
        Ok(&mut draft.document)
    }

    fn whole_draft(&mut self) -> Result<&mut Draft, Failure> {
        let draft = match self.draft.take() {
            Some(draft) => draft,
            None => {
                let file = ConfigFile::find()?;
                let document = file.read()?;
                Draft {
                    file,
                    document,
                    is_to_change: false,
                }
            }
        };
        Ok(self.draft.insert(draft))
    }

    /// The value of `key` that holds for the profile that the commands are about, or in the global keys.
    pub(crate) fn effective(&mut self, key: Key) -> Result<Option<Value>, Failure> {
        let profile = self.profile.clone();
        effective(self.draft()?, profile.as_deref(), key)
    }

    /// Checks that there is a profile with this name, if one is named.
    pub(crate) fn check_profile(&mut self, name: Option<&str>) -> Result<(), Failure> {
        let Some(name) = name else { return Ok(()) };
        let Draft { file, document, .. } = self.whole_draft()?;
        if document.keys(Scope::Profile(name)).is_some() {
            return Ok(());
        }
        // A file of another version is named as such, and a file that there is not.
        let (content, no_file) = (document.to_value(), file.no_file());
        let mut sources = Sources::new("", "");
        sources.name = Some(name);
        sources.file = Some(&content);
        sources.no_file = no_file.as_deref();
        sources.values()?;
        Ok(())
    }

    /// Where the commands change keys.
    pub(crate) fn place(&self) -> Place {
        let name = self.profile.clone();
        name.map_or(Place::Global, Place::Profile)
    }
}

/// The part of the file that a profile's name, or none, stands for.
pub(crate) fn scope(profile: Option<&str>) -> Scope<'_> {
    profile.map_or(Scope::Global, Scope::Profile)
}
