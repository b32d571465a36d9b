//! `Query`: a query to the directory.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aemp_proto::directory::{QueryKind, is_known_family};

use super::{Directory, DirectoryRole};
use crate::error::{DirectoryError, Stopped};
use crate::node::Inner;
use crate::{Text, Value};

/// A query to the directory, sent when it is awaited; created by [`Directory::family`] and similar methods.
///
/// It is answered once a global node can answer it, and sent again if that node is lost before. Without
/// [`within`](Self::within) it fails after `monitor_timeout`.
///
/// # Cancel safety
/// Dropping the future cancels the query.
///
/// ```no_run
/// # async fn example(node: aemp::LocalNode) -> Result<(), aemp::directory::DirectoryError> {
/// use std::time::Duration;
///
/// let prices = node.directory().family("prices").within(Duration::from_secs(2)).await?;
/// for (article, price) in prices {
///     println!("{article}: {price}");
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a question is asked when it is awaited"]
pub struct Query<T> {
    node: Arc<Inner>,
    query: QueryKind,
    family: Text,
    limit: Duration,
    read: Read<T>,
}

impl<T> fmt::Debug for Query<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("family", &self.family)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

type Read<T> = fn(Value) -> T;

impl<T: Send + 'static> Query<T> {
    pub(super) fn new(node: &Arc<Inner>, query: QueryKind, family: &str, read: Read<T>) -> Self {
        Self {
            node: node.clone(),
            query,
            family: family.into(),
            limit: node.config.monitor_timeout,
            read,
        }
    }

    /// Fails after `limit` with [`DirectoryError::TimedOut`].
    #[doc(alias = "timeout")]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    async fn run(self) -> Result<T, DirectoryError> {
        let Self {
            node,
            query,
            family,
            limit,
            read,
        } = self;
        if !is_known_family(&family) {
            return Err(DirectoryError::Family {
                family: family.to_string(),
            });
        }
        let (id, answer) = node.directory.ask(&node, query, family.clone());
        let guard = QueryGuard { node: &node, id };
        let outcome = node.within(limit, answer).await;
        drop(guard);
        match outcome {
            Some(Ok(answer)) => Ok(read(answer)),
            Some(Err(_)) => Err(Stopped.into()),
            None => {
                let why = match Directory::new(node.clone()).role() {
                    DirectoryRole::Client(master) => format!("{master} did not answer"),
                    DirectoryRole::Global => {
                        String::from("other global nodes have not told yet what they hold")
                    }
                    _ => String::from("none of the seeds is connected"),
                };
                Err(DirectoryError::TimedOut { family, limit, why })
            }
        }
    }
}

/// Converts the answer to [`QueryKind::Family`].
pub(super) fn pairs(answer: Value) -> BTreeMap<Text, Value> {
    let Value::Map(map) = answer else {
        return BTreeMap::new();
    };
    let pairs = map.into_iter();
    pairs
        .filter_map(|(key, value)| Some((text(key)?, value)))
        .collect()
}

/// Converts the answer to [`QueryKind::Keys`].
pub(super) fn keys(answer: Value) -> Vec<Text> {
    values(answer).into_iter().filter_map(text).collect()
}

/// Converts the answer to [`QueryKind::Values`].
pub(super) fn values(answer: Value) -> Vec<Value> {
    match answer {
        Value::Array(items) => items.into_vec(),
        _ => Vec::new(),
    }
}

fn text(value: Value) -> Option<Text> {
    match value {
        Value::Text(text) => Some(text),
        Value::Integer(n) => Some(n.to_string().into()),
        _ => None,
    }
}

/// Cancels the query when dropped, if it is not answered.
struct QueryGuard<'a> {
    node: &'a Arc<Inner>,
    id: u64,
}

impl Drop for QueryGuard<'_> {
    fn drop(&mut self) {
        self.node.directory.cancel_query(self.node, self.id);
    }
}

impl<T: Send + 'static> IntoFuture for Query<T> {
    type Output = Result<T, DirectoryError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
