//! Filling a builder from a configuration, which is the first step of starting a node (protocol.md section 9).

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use super::LocalNode;
use super::builder::{Builder, SecretSource};
use crate::config::Config;
use crate::entropy::Entropy;
use crate::error::StartError;
use crate::handshake::AuthMethod;
use crate::port::Outcome;
use crate::profile::{Key, Profile, ProfileSource, Service, Sources, Warning, nearest};
use crate::{Map, Message, Reason, Text, Value};

const NO_TLS: &str = "this version has no TLS, so that the node would talk in plain text; \
    take cert out, or use a version that has it";
const NO_POLICY: &str = "this version cannot keep peers from calling the functions that a node offers; \
    take secure out and offer none, or use a version that can";
const ONLY_TLS: &str = "all of its methods need TLS, which this version does not have, so that nobody could connect; \
    add hmac_sha3_512";

type Run = Arc<dyn Fn(&LocalNode, Message) -> Result<(), Reason> + Send + Sync>;

/// What a builder was told about its configuration.
#[derive(Default)]
pub(super) struct Configured {
    source: Option<Arc<dyn ProfileSource>>,
    /// `Some(None)`: the profile of the host's name.
    name: Option<Option<String>>,
    /// By key of protocol.md section 9, `force` and `norc` among them.
    values: Vec<(Text, Value)>,
    registry: HashMap<Text, Run>,
    /// What to run at start.
    services: Vec<Service>,
    /// What the configuration asks for and cannot have.
    lacking: Option<(Key, &'static str)>,
    warnings: Vec<Warning>,
}

impl Builder {
    /// Where [`profile`](Self::profile) finds the configuration. `aemp::node()` has the file with the feature `profile`.
    pub fn profiles(mut self, source: impl ProfileSource + 'static) -> Self {
        self.configured.source = Some(Arc::new(source));
        self
    }

    /// Configures the node by the profile called `name`, as AnyEvent::MP's `configure` does: the built-in defaults,
    /// what this builder was told, the file's global keys, the profile's parents, the profile; the last that has
    /// a key counts. With the value `force` the builder's count most, with `norc` the file is not read. Both are given by
    /// [`value`](Self::value).
    ///
    /// Settings made by [`configure`](Self::configure) are the builder's where they differ from the defaults. Without a
    /// profile that says otherwise the ID is the name, `/` and a random word, and the node listens on `*`.
    ///
    /// Starting then takes these steps: the configuration is gathered, every address is bound, what
    /// [`on_start`](Self::on_start) and the services do at once is done, and then connections are accepted and
    /// the seeds are connected to.
    ///
    /// ```no_run
    /// # async fn example(file: impl aemp_core::profile::ProfileSource + 'static) -> aemp_core::Result<()> {
    /// let node = aemp_core::LocalNode::builder().profiles(file).profile("seed").start().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "configure")]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.configured.name = Some(Some(name.into()));
        self
    }

    /// The same with the host's name as the profile's.
    pub fn host_profile(mut self) -> Self {
        self.configured.name = Some(None);
        self
    }

    /// Gives the value of a key of protocol.md section 9, as a program does there: the profile wins unless there is also
    /// `value("force", true)`. With `value("norc", true)` the file is not read. A wrong key or value is an error when
    /// the node starts.
    ///
    /// ```
    /// let builder = aemp_core::LocalNode::builder().value("monitor_timeout", 10).value("seeds", "192.0.2.1:4040");
    /// ```
    pub fn value(mut self, key: impl Into<Text>, value: impl Into<Value>) -> Self {
        self.configured.values.push((key.into(), value.into()));
        self
    }

    /// Registers a function that a configuration can name in `services`. It gets the node and the arguments, and runs
    /// once every address is bound and nobody has connected yet. It must not block; its error is one of
    /// [`start`](Self::start).
    ///
    /// ```
    /// use aemp_core::{LocalNode, reason, routes};
    /// let builder = LocalNode::builder()
    ///     .service("app::greeter", |node, (greeting,): (String,)| {
    ///         let greeter = routes().on("greet", move |_cx, (name,): (String,)| println!("{greeting}, {name}"));
    ///         let greeter = node.port_named("greeter", greeter);
    ///         greeter.map(drop).ok_or(reason!["name_in_use", "greeter"])
    ///     })
    ///     .value("services", vec![vec!["app::greeter".into(), "hello".into()].into()]);
    /// ```
    pub fn service<A, R, F>(mut self, name: impl Into<Text>, run: F) -> Self
    where
        A: DeserializeOwned,
        R: Outcome,
        F: Fn(&LocalNode, A) -> R + Send + Sync + 'static,
    {
        let run: Run = Arc::new(move |node, arguments| run(node, arguments.parse()?).into_result());
        self.configured.registry.insert(name.into(), run);
        self
    }

    /// Takes all settings from `profile`, in the place of those there are. Those that are made later count.
    ///
    /// What a profile asks for and this version does not have is an error when the node starts.
    pub fn fill(mut self, profile: Profile) -> Self {
        self.id = Some(profile.node_id.to_string());
        self.binds = profile.binds;
        self.seeds = profile.seeds;
        self.secret = profile.secret.map(SecretSource::Checked);
        self.chosen = profile
            .framing_format
            .map(|names| names.iter().map(Text::to_string).collect());
        let config = &mut self.config;
        config.monitor_timeout = profile.monitor_timeout;
        config.connect_interval = profile.connect_interval;
        config.cleartext = profile.auth_accept.contains(&AuthMethod::Cleartext);
        config.auth_offer = profile.auth_offer;
        config.auth_accept = profile.auth_accept;
        config.nodelay = profile.nodelay;
        config.min_secret = profile.min_secret;
        config.hung_check = profile.hung_check;
        self.configured.services = profile.services;
        // Nothing protects less than the configuration says.
        self.configured.lacking = if profile.cert.is_some() {
            Some((Key::Cert, NO_TLS))
        } else if profile.secure {
            Some((Key::Secure, NO_POLICY))
        } else if self
            .config
            .auth_accept
            .iter()
            .all(|method| method.needs_tls())
        {
            Some((Key::AuthAccept, ONLY_TLS))
        } else {
            None
        };
        self.configured.warnings = profile.warnings;
        self
    }

    /// Step 1: the configuration that holds.
    pub(super) async fn gather(
        mut self,
        runtime: &Handle,
        entropy: &Entropy,
    ) -> Result<Self, StartError> {
        let wished = self.configured.name.take();
        let mut values = std::mem::take(&mut self.configured.values);
        if wished.is_none() && values.is_empty() {
            return Ok(self);
        }
        if wished.is_some() && self.configured.source.is_none() {
            return Err(StartError::NoProfiles);
        }
        let force = take_flag(&mut values, "force")?;
        let norc = take_flag(&mut values, "norc")? || wished.is_none();
        let (file, host) = read(self.configured.source.clone(), runtime, norc).await?;
        let mut program = self.as_values(wished.is_some());
        program.extend(values);
        let program: Map = program.into_iter().collect();
        let word = entropy.word::<12>();
        let mut sources = Sources::new(&host, &word);
        let name = wished.flatten();
        sources.name = name.as_deref();
        sources.file = Some(&file);
        sources.program = Some(&program);
        sources.force = force;
        sources.norc = norc;
        let profile = sources.resolve()?;
        // A profile that the program itself filled in may lack what no value here says again.
        let before = self.configured.lacking.take();
        let mut warnings = std::mem::take(&mut self.configured.warnings);
        let mut filled = self.fill(profile);
        filled.configured.lacking = filled.configured.lacking.or(before);
        warnings.append(&mut filled.configured.warnings);
        filled.configured.warnings = warnings;
        Ok(filled)
    }

    /// That the node can do what its configuration asks for; says what is odd in it.
    pub(super) fn look_at_configuration(&self) -> Result<(), StartError> {
        for warning in &self.configured.warnings {
            tracing::warn!(target: "aemp::node", "{warning}");
        }
        match self.configured.lacking {
            None => Ok(()),
            Some((key, why)) => Err(StartError::Unsupported {
                key: key.name(),
                why,
            }),
        }
    }

    /// What this builder was told, as values of a configuration.
    fn as_values(&self, wished: bool) -> Vec<(Text, Value)> {
        let mut values: Vec<(Text, Value)> = Vec::new();
        let mut give = |key: Key, value: Value| values.push((Text::from_static(key.name()), value));
        let list = |texts: &[String]| -> Value {
            let texts = texts.iter().map(|text| Value::from(text.as_str()));
            texts.collect::<Vec<_>>().into()
        };
        match &self.id {
            Some(id) => give(Key::NodeId, id.as_str().into()),
            // Without a profile a node is what it would be without values.
            None if !wished => give(Key::NodeId, "anon/%u".into()),
            None => {}
        }
        if !self.binds.is_empty() || !wished {
            give(Key::Binds, list(&self.binds));
        }
        if !self.seeds.is_empty() {
            give(Key::Seeds, list(&self.seeds));
        }
        if let Some(secret) = &self.secret {
            give(Key::Secret, secret.as_text().into());
        }
        if !self.configured.services.is_empty() {
            let services = self.configured.services.iter().map(|service| {
                let name = Value::from(service.name.clone());
                let parts = [name].into_iter().chain(service.arguments.iter().cloned());
                Value::from(parts.collect::<Vec<_>>())
            });
            give(Key::Services, services.collect::<Vec<_>>().into());
        }
        if let Some(chosen) = &self.chosen {
            give(Key::FramingFormat, list(chosen));
        }
        let (config, default) = (&self.config, Config::default());
        let methods = |methods: &[AuthMethod]| -> Value {
            let names = methods.iter().map(|method| Value::from(method.name()));
            names.collect::<Vec<_>>().into()
        };
        if config.monitor_timeout != default.monitor_timeout {
            let seconds = config.monitor_timeout.as_secs_f64();
            give(Key::MonitorTimeout, seconds.into());
        }
        if config.connect_interval != default.connect_interval {
            let seconds = config.connect_interval.as_secs_f64();
            give(Key::ConnectInterval, seconds.into());
        }
        if config.auth_offer != default.auth_offer {
            give(Key::AuthOffer, methods(&config.auth_offer));
        }
        if config.auth_accept != default.auth_accept || config.cleartext {
            let mut accepted = config.auth_accept.clone();
            accepted.retain(|method| *method != AuthMethod::Cleartext);
            accepted.extend(config.cleartext.then_some(AuthMethod::Cleartext));
            give(Key::AuthAccept, methods(&accepted));
        }
        if config.nodelay != default.nodelay {
            give(Key::Nodelay, config.nodelay.into());
        }
        if config.min_secret != default.min_secret {
            give(Key::MinSecret, (config.min_secret as u64).into());
        }
        if config.hung_check != default.hung_check {
            give(Key::HungCheck, config.hung_check.into());
        }
        values
    }
}

/// A service that is about to run.
pub(super) struct Prepared {
    name: Text,
    run: Run,
    arguments: Message,
}

impl Prepared {
    pub(super) fn run(self, node: &LocalNode) -> Result<(), StartError> {
        (self.run)(node, self.arguments).map_err(|reason| StartError::Service {
            name: self.name.to_string(),
            reason,
        })
    }
}

impl Configured {
    /// The services to run, all of which are known.
    pub(super) fn services(&mut self) -> Result<Vec<Prepared>, StartError> {
        let services = std::mem::take(&mut self.services);
        let prepared = services.into_iter().map(|service| {
            let Some(run) = self.registry.get(&service.name) else {
                let known = self.registry.keys().map(Text::as_str);
                return Err(StartError::UnknownService {
                    nearest: nearest(&service.name, known).map(str::to_owned),
                    name: service.name.to_string(),
                });
            };
            Ok(Prepared {
                run: run.clone(),
                name: service.name,
                arguments: service.arguments.into_iter().collect(),
            })
        });
        prepared.collect()
    }
}

/// The file, unless it is left out, and the host's name.
async fn read(
    source: Option<Arc<dyn ProfileSource>>,
    runtime: &Handle,
    norc: bool,
) -> Result<(Value, String), StartError> {
    let no_file = || Value::from(Map::new());
    let Some(source) = source else {
        // No ID is made of it then.
        return Ok((no_file(), "localhost".to_owned()));
    };
    let read = move || {
        let file = if norc { no_file() } else { source.load()? };
        Ok((file, source.host_name()?))
    };
    match runtime.spawn_blocking(read).await {
        Ok(read) => read.map_err(StartError::ReadProfile),
        Err(failed) => Err(StartError::ReadProfile(failed.into())),
    }
}

/// Takes all values of `name`, which is no key of a file, out of `values`; the last counts.
fn take_flag(values: &mut Vec<(Text, Value)>, name: &'static str) -> Result<bool, StartError> {
    let given: Vec<_> = values.extract_if(.., |(key, _)| *key == name).collect();
    match given.last() {
        None => Ok(false),
        // They have no row in the table of keys, and take what any flag takes.
        Some((_, value)) => Ok(Key::pseudo_flag(name, value)?),
    }
}
