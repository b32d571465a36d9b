//! `showprofile NAME`: what a profile itself says.

use aemp::profile::Scope;

use super::{Description, Takes};
use crate::arguments::text;
use crate::show;

pub(super) const SHOW_PROFILE: Description = Description {
    name: "showprofile",
    arguments: "NAME",
    about: "Show a profile's own keys as JSON, without what it inherits",
    examples: &["showprofile seed", "--reveal showprofile seed"],
    takes: Takes::Exactly(1),
    prepare: |line, arguments| {
        let name = text(&arguments, 0, "a profile's name")?;
        line.check_profile(Some(&name))?;
        Ok(Some(Box::new(move |context| {
            let document = context.file.read()?;
            let Some(keys) = document.keys(Scope::Profile(&name)) else {
                return Err(show::no_profile(&document, &name));
            };
            show::print_json(&show::veiled_map(keys, context.options.reveal))
        })))
    },
};
