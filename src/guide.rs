//! The guide, from `docs/guide`: its chapters are modules of the documentation, and their programs are run as tests of it.
//!
//! [ports]: self::ports
//! [nodes]: self::nodes
//! [failure]: self::failure
//! [network]: self::network
//! [production]: self::production
//! [coming-back]: self::coming_back
//! [looking-inside]: self::looking_inside
#![doc = include_str!("../docs/guide/README.md")]

/// A chapter. The first definition of a link counts: here the ones of this documentation, in the repository its files.
macro_rules! chapter {
    ($name:ident, $file:literal) => {
        #[doc = "[ports]: self::ports"]
        #[doc = "[nodes]: self::nodes"]
        #[doc = "[failure]: self::failure"]
        #[doc = "[network]: self::network"]
        #[doc = "[production]: self::production"]
        #[doc = "[coming-back]: self::coming_back"]
        #[doc = "[looking-inside]: self::looking_inside"]
        #[doc = "[guarantee.md]: https://docs.rs/crate/aemp/latest/source/docs/guarantee.md"]
        #[doc = "[network.md]: https://docs.rs/crate/aemp/latest/source/docs/network.md"]
        #[doc = "[operating.md]: https://docs.rs/crate/aemp/latest/source/docs/operating.md"]
        #[doc = "[operating.md#tls]: https://docs.rs/crate/aemp/latest/source/docs/operating.md"]
        #[doc = "[operating.md#policy]: https://docs.rs/crate/aemp/latest/source/docs/operating.md"]
        #[doc = "[deploying.md]: https://docs.rs/crate/aemp/latest/source/docs/deploying.md"]
        #[doc = "[observing.md]: https://docs.rs/crate/aemp/latest/source/docs/observing.md"]
        #[doc = "[from-perl.md]: https://docs.rs/crate/aemp/latest/source/docs/from-perl.md"]
        #[doc = "[SECURITY.md]: https://docs.rs/crate/aemp/latest/source/SECURITY.md"]
        #[doc = ""]
        #[doc = include_str!(concat!("../docs/guide/", $file))]
        pub mod $name {}
    };
}

chapter!(ports, "1-ports.md");
chapter!(nodes, "2-nodes.md");
chapter!(failure, "3-failure.md");
chapter!(network, "4-network.md");
chapter!(production, "5-production.md");
chapter!(coming_back, "6-coming-back.md");
chapter!(looking_inside, "7-looking-inside.md");
