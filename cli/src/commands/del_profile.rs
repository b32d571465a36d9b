//! `delprofile NAME`: a whole profile goes.

use super::{Description, Takes, change};
use crate::arguments::text;
use crate::show;

pub(super) const DEL_PROFILE: Description = Description {
    name: "delprofile",
    arguments: "NAME",
    about: "Take a whole profile away",
    examples: &["delprofile seed"],
    takes: Takes::Exactly(1),
    prepare: |line, arguments| {
        let name = text(&arguments, 0, "a profile's name")?;
        line.check_profile(Some(&name))?;
        let step = change(line, move |document, _| {
            match document.remove_profile(&name) {
                true => Ok(None),
                false => Err(show::no_profile(document, &name)),
            }
        })?;
        Ok(Some(step))
    },
};
