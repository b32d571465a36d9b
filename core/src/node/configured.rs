//! Fills a builder from a configuration, the first step of starting a node (protocol.md section 9), and prepares the
//! services that the configuration names. The source of the configuration defines its contents and their precedence.

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use super::LocalNode;
use super::builder::NodeBuilder;
use crate::entropy::Entropy;
use crate::error::StartError;
use crate::nearest;
use crate::port::Outcome;
use crate::settings::{Asked, ConfigSource, Fill, ProfileName, Unsupported};
use crate::{Message, Reason, Text, Value};

type Run = Arc<dyn Fn(&LocalNode, Message) -> Result<(), Reason> + Send + Sync>;

/// The settings of a builder about its configuration.
#[derive(Default)]
pub(super) struct Configured {
    source: Option<Arc<dyn ConfigSource>>,
    profile: Option<ProfileName>,
    values: Vec<(Text, Value)>,
    registry: HashMap<Text, Run>,
}

impl NodeBuilder {
    /// Sets the source from which [`profile`](Self::profile) loads the configuration. With the feature `profile`,
    /// `aemp::node()` uses the configuration file. Pass a `ProfileSource` of the crate `aemp-profile` as
    /// `Profiles(source)`.
    pub fn profiles(mut self, source: impl ConfigSource + 'static) -> Self {
        self.configured.source = Some(Arc::new(source));
        self
    }

    /// Configures the node by the profile called `name`, as AnyEvent::MP's `configure` does. Layers, from lowest to
    /// highest precedence: the built-in defaults, the settings of this builder, the file's global keys, the profile's
    /// parents, the profile. With the value `force` the builder's settings have the highest precedence; with `norc` the
    /// file is not read. Both are set by [`value`](Self::value).
    ///
    /// Settings made by [`configure`](Self::configure) count as the builder's if they differ from the defaults. Unless
    /// the profile sets them, the ID is the name, `/` and a random word, and the node listens on `*`; on loopback only where
    /// neither a secret nor a certificate guards it. A profile that the file does not have is an error, unless `norc` is on.
    ///
    /// The node then starts in these steps: it loads the configuration, binds every address, runs
    /// [`on_start`](Self::on_start) and the services, and then accepts connections and connects to the seeds.
    ///
    /// ```no_run
    /// # async fn example(file: impl aemp::settings::ConfigSource + 'static) -> aemp::Result<()> {
    /// let node = aemp::LocalNode::builder().profiles(file).profile("seed").start().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "configure")]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.configured.profile = Some(ProfileName::Named(name.into()));
        self
    }

    /// Configures the node by the profile that has the name of the host; see [`profile`](Self::profile).
    pub fn host_profile(mut self) -> Self {
        self.configured.profile = Some(ProfileName::Host);
        self
    }

    /// Sets a key of [protocol.md section 9]. The profile takes precedence unless `value("force", true)` is also set. With
    /// `value("norc", true)` the file is not read. A wrong key or value is an error when the node starts. Any value is an
    /// error without a source of [`profiles`](Self::profiles), because the source defines the keys.
    ///
    /// ```
    /// let builder = aemp::LocalNode::builder().value("monitor_timeout", 10).value("seeds", "192.0.2.1:4040");
    /// ```
    ///
    /// [protocol.md section 9]: crate::protocol#9-configuration
    pub fn value(mut self, key: impl Into<Text>, value: impl Into<Value>) -> Self {
        self.configured.values.push((key.into(), value.into()));
        self
    }

    /// Registers a function that a configuration can name in `services`. It receives the node and the arguments, and runs
    /// after all addresses are bound and before the first connection is accepted. It must not block. Its error is
    /// returned by [`start`](Self::start).
    ///
    /// ```
    /// use aemp::{LocalNode, routes};
    /// let builder = LocalNode::builder()
    ///     .service("app::greeter", |node, (greeting,): (String,)| {
    ///         let greeter = routes().on("greet", move |_cx, (name,): (String,)| println!("{greeting}, {name}"));
    ///         node.port_of_named("greeter", greeter).map(drop)
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

    /// Replaces all settings by those of `profile`. Settings made later replace these.
    ///
    /// If the profile needs a feature that this version does not have, the node does not start.
    pub fn fill(mut self, profile: impl Fill) -> Self {
        profile.fill(&mut self.settings);
        self
    }

    /// Step 1: loads the configuration.
    pub(super) async fn load_configuration(
        mut self,
        runtime: &Handle,
        entropy: &Entropy,
    ) -> Result<Self, StartError> {
        let profile = self.configured.profile.take();
        let values = std::mem::take(&mut self.configured.values);
        if profile.is_none() && values.is_empty() {
            return Ok(self);
        }
        let source = self.configured.source.take();
        let source = source.ok_or(StartError::NoProfiles)?;
        let asked = Asked {
            profile,
            values,
            word: entropy.alphanumeric::<12>(),
        };
        let mut settings = std::mem::take(&mut self.settings);
        let configure = move || source.configure(&asked, &mut settings).map(|()| settings);
        self.settings = match runtime.spawn_blocking(configure).await {
            Ok(settings) => settings?,
            Err(failed) => return Err(StartError::ReadProfile(failed.into())),
        };
        Ok(self)
    }

    /// Logs the warnings of the configuration. Fails if it needs an unsupported feature.
    pub(super) fn check_configuration(&self) -> Result<(), StartError> {
        for warning in &self.settings.warnings {
            tracing::warn!(target: "aemp::node", "{warning}");
        }
        self.check_support()
    }

    /// Fails if the configuration needs an unsupported feature.
    pub(super) fn check_support(&self) -> Result<(), StartError> {
        match self.settings.unsupported {
            None => Ok(()),
            Some(Unsupported { key, why }) => Err(StartError::Unsupported { key, why }),
        }
    }

    /// The services to run. Fails if one is not registered.
    pub(super) fn services(&mut self) -> Result<Vec<Prepared>, StartError> {
        let services = std::mem::take(&mut self.settings.services);
        let registry = &self.configured.registry;
        let prepared = services.into_iter().map(|service| {
            let Some(run) = registry.get(&service.name) else {
                let known = registry.keys().map(Text::as_str);
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
