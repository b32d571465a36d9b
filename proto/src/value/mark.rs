//! The representation, in serde's data model, of values that it lacks. CBOR tags use ciborium's convention, so that
//! `ciborium::tag::Required` and its siblings work in user types in both directions; simple values extend it.

/// The name of the enum that represents a tagged value, or a value without a tag where a tag is possible.
pub(crate) const TAG: &str = "@@TAG@@";
/// Its tuple variant (tag, value).
pub(crate) const TAGGED: &str = "@@TAGGED@@";
/// Its newtype variant of the value alone.
pub(crate) const UNTAGGED: &str = "@@UNTAGGED@@";
/// Our extension: a newtype variant of the number of a simple value.
pub(crate) const SIMPLE: &str = "@@SIMPLE@@";
/// Whether this is the name of one of these variants. serde makes a key of it where it flattens an enum.
#[inline]
pub(crate) fn is_marker(text: &str) -> bool {
    text.starts_with("@@") && VARIANTS.contains(&text)
}

/// The variants, for deserializers.
pub(crate) const VARIANTS: &[&str] = &[UNTAGGED, TAGGED, SIMPLE];
