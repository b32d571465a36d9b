//! `profile NAME COMMAND...`: what follows is about that profile.

use super::{Description, Takes};
use crate::arguments::text;

pub(super) const PROFILE: Description = Description {
    name: "profile",
    arguments: "NAME COMMAND...",
    about: "Let the commands that follow change that profile only",
    examples: &[
        "profile seed binds '*:4040' nodeid seed",
        "profile worker parent common addseed 192.0.2.1:4040",
    ],
    takes: Takes::Exactly(1),
    prepare: |line, arguments| {
        line.profile = Some(text(&arguments, 0, "a profile's name")?.to_string());
        line.open = true;
        Ok(None)
    },
};
