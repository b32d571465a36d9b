//! `delprofile NAME`: a whole profile goes.

use super::{Description, Takes};
use crate::arguments::text;
use crate::show;

pub(super) const DEL_PROFILE: Description = Description {
    name: "delprofile",
    arguments: "NAME",
    about: "Take a whole profile away",
    examples: &["delprofile seed"],
    takes: Takes::Exactly(1),
    prepare: |_, arguments| {
        let name = text(&arguments, 0, "a profile's name")?;
        Ok(Some(Box::new(move |context| {
            context.file.try_update(|document| {
                if document.remove_profile(&name) {
                    Ok(())
                } else {
                    Err(show::no_profile(document, &name))
                }
            })
        })))
    },
};
