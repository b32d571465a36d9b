//! `Functions`: the registry of what a node offers by name: ports that others may spawn here, and functions that they may
//! call.

use std::sync::{Arc, PoisonError, RwLock};

use aemp_proto::map::HashMap;
use serde::de::DeserializeOwned;

use super::LocalNode;
use crate::guard;
use crate::port::{Outcome, Port, ShardPort};
use crate::{Message, Reason, Text};

type Init = Arc<dyn Fn(&LocalNode, Message) -> Result<Box<dyn ShardPort>, Reason> + Send + Sync>;
type Function = Arc<dyn Fn(&LocalNode, Message) -> Result<(), Reason> + Send + Sync>;

/// The registry of one node. Read-write locks, since each request looks up a name and the names rarely change.
#[derive(Default)]
pub(crate) struct Functions {
    spawnable: RwLock<HashMap<Text, Init>>,
    callable: RwLock<HashMap<Text, Function>>,
}

impl Functions {
    pub(super) fn offer<A, P, F>(&self, name: Text, make: F)
    where
        A: DeserializeOwned,
        P: Port + 'static,
        F: Fn(&LocalNode, A) -> P + Send + Sync + 'static,
    {
        let init: Init = Arc::new(move |node, arguments| {
            Ok(Box::new(make(node, arguments.parse()?)) as Box<dyn ShardPort>)
        });
        let mut spawnable = self
            .spawnable
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let replaced = spawnable.insert(name, init);
        // The replaced function is user code: drop it without the lock.
        drop(spawnable);
        guard::dispose(replaced);
    }

    pub(super) fn function<A, R, F>(&self, name: Text, run: F)
    where
        A: DeserializeOwned,
        R: Outcome,
        F: Fn(&LocalNode, A) -> R + Send + Sync + 'static,
    {
        let function: Function =
            Arc::new(move |node, arguments| run(node, arguments.parse()?).into_result());
        let mut callable = self
            .callable
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let replaced = callable.insert(name, function);
        drop(callable);
        guard::dispose(replaced);
    }

    pub(super) fn init(&self, name: &str) -> Option<Init> {
        self.spawnable
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    pub(super) fn callable(&self, name: &str) -> Option<Function> {
        self.callable
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }
}

impl Drop for Functions {
    fn drop(&mut self) {
        let spawnable = self.spawnable.get_mut();
        guard::dispose_all(spawnable.unwrap_or_else(PoisonError::into_inner).drain());
        let callable = self.callable.get_mut();
        guard::dispose_all(callable.unwrap_or_else(PoisonError::into_inner).drain());
    }
}
