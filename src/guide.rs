//! The programs of docs/guide, run as tests of the documentation.

#[doc = include_str!("../docs/guide/1-ports.md")]
mod ports {}
#[doc = include_str!("../docs/guide/2-nodes.md")]
mod nodes {}
#[doc = include_str!("../docs/guide/3-failure.md")]
mod failure {}
#[doc = include_str!("../docs/guide/4-network.md")]
mod network {}
#[doc = include_str!("../docs/guide/5-production.md")]
mod production {}
#[doc = include_str!("../docs/guide/6-coming-back.md")]
mod coming_back {}
