//! `Context`: what commands work with while they run.

use aemp::profile::ConfigFile;
use aemp::profile::{Key, Profile};
use aemp::{Map, Value};
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::layers::Layers;
use crate::network::{self, Session};
use crate::options::Options;
use crate::registry::Registry;

/// As whom a command joins a network (protocol.md section 10).
pub(crate) const NODE_ID: &str = "aemp/%n/%u";

/// The configuration file, the options and the services that this program has.
pub(crate) struct Context {
    pub(crate) options: Options,
    pub(crate) file: ConfigFile,
    pub(crate) registry: Registry,
    /// What the network commands of one line share.
    joined: Option<Joined>,
}

struct Joined {
    profile: Option<String>,
    runtime: Runtime,
    session: Session,
}

impl Context {
    pub(crate) fn new(options: Options, registry: Registry) -> Result<Self, Failure> {
        Ok(Self {
            options,
            file: ConfigFile::find()?,
            registry,
            joined: None,
        })
    }

    /// Does `work` as a node of the network of `profile`, which is joined for that: as `aemp/%n/%u`, listening nowhere
    /// (protocol.md section 10).
    pub(crate) fn in_network<T>(
        &mut self,
        profile: Option<&str>,
        work: impl AsyncFnOnce(&Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let joined = match self.joined.take() {
            Some(joined) if joined.profile.as_deref() == profile => joined,
            _ => self.join(profile)?,
        };
        let outcome = joined.runtime.block_on(work(&joined.session));
        self.joined = Some(joined);
        outcome
    }

    /// What network work runs on.
    pub(crate) fn runtime(&self) -> Result<Runtime, Failure> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        Ok(builder.enable_all().build()?)
    }

    fn join(&self, profile: Option<&str>) -> Result<Joined, Failure> {
        let layers = Layers::read(&self.file)?;
        // Whom the network is reached through, without the values below.
        let listening = layers.sources(profile, &Map::new()).resolve()?;
        let seeds = ways_in(&listening);
        let nothing = || Value::from(Vec::new());
        let values: Map = [
            (Key::NodeId.name(), Value::from(NODE_ID)),
            (Key::Binds.name(), nothing()),
            (Key::Services.name(), nothing()),
            (Key::Advertise.name(), nothing()),
        ]
        .into_iter()
        .collect();
        let mut sources = layers.sources(profile, &values);
        sources.force = true;
        let mut own = sources.resolve()?;
        own.seeds = seeds;
        if own.seeds.is_empty() {
            let what = match self.file.no_file() {
                Some(why) => format!("no configuration file was found: {why}"),
                None => format!("profile {:?} has no seeds", own.name),
            };
            return Err(Failure::Failed(format!(
                "{what}; so there is no network to join; \"aemp addseed HOST:4040\" adds a seed"
            )));
        }
        let runtime = self.runtime()?;
        let limit = self.options.timeout;
        // A command is behind the same translation as the node of its profile, and publishes nothing.
        let builder = aemp::node()
            .fill(own)
            .configure(|config| config.own_addresses = listening.own_addresses());
        let session = runtime.block_on(network::join(builder, limit))?;
        Ok(Joined {
            profile: profile.map(str::to_owned),
            runtime,
            session,
        })
    }
}

/// The seeds of a profile; of one without any, which is a seed itself, where it listens at a port that is known.
fn ways_in(profile: &Profile) -> Vec<String> {
    if !profile.seeds.is_empty() {
        return profile.seeds.clone();
    }
    let here = |bind: &String| match bind.strip_prefix("*:") {
        // A port alone is at this machine's own name (protocol.md section 1).
        Some(port) => port.to_owned(),
        None => bind.clone(),
    };
    let is_chosen = |bind: &&String| *bind == "*" || bind.ends_with(":*") || bind.ends_with(":0");
    let known = profile.binds.iter().filter(|bind| !is_chosen(bind));
    known.map(here).collect()
}
