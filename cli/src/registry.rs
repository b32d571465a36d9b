//! `Registry`: the services that an `aemp` command has.

use aemp::traits::Outcome;
use aemp::{LocalNode, NodeBuilder, Text};
use std::fmt;

/// Services by name, for configurations to name. A service is a function that a starting node calls with itself and the
/// arguments that the configuration gives.
#[derive(Default)]
pub struct Registry {
    names: Vec<Text>,
    add: Vec<Box<dyn FnOnce(NodeBuilder) -> NodeBuilder>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.names).finish()
    }
}

impl Registry {
    /// With the services that are built in: `aemp::echo`, `aemp::global`, `aemp::log`, `aemp::tap`.
    pub fn new() -> Self {
        crate::services::built_in(Self::default())
    }

    /// Adds a service; see [`NodeBuilder::service`](aemp::NodeBuilder::service).
    pub fn service<A, R, F>(mut self, name: impl Into<Text>, run: F) -> Self
    where
        A: serde::de::DeserializeOwned + 'static,
        R: Outcome + 'static,
        F: Fn(&LocalNode, A) -> R + Send + Sync + 'static,
    {
        let name = name.into();
        self.names.push(name.clone());
        self.add
            .push(Box::new(move |builder| builder.service(name, run)));
        self
    }

    /// The names of all services.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(Text::as_str)
    }

    /// Gives all services to a node that is about to start.
    pub fn fill(self, builder: NodeBuilder) -> NodeBuilder {
        self.add
            .into_iter()
            .fold(builder, |builder, add| add(builder))
    }
}
