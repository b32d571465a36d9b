#![cfg_attr(not(doctest), doc = include_str!("../protocol.md"))]
#![cfg_attr(doctest, doc = "The page, whose blocks are no programs.")]
