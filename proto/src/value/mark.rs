//! How values that serde's data model lacks pass through it: CBOR tags by ciborium's convention, so that
//! `ciborium::tag::Required` and its siblings work in user types both ways, and simple values beside them.

/// The enum that stands for a tagged value, or for one without a tag where a tag may be.
pub(crate) const TAG: &str = "@@TAG@@";
/// Its tuple variant (tag, value).
pub(crate) const TAGGED: &str = "@@TAGGED@@";
/// Its newtype variant of the value alone.
pub(crate) const UNTAGGED: &str = "@@UNTAGGED@@";
/// Our addition to it: a newtype variant of a simple value's number.
pub(crate) const SIMPLE: &str = "@@SIMPLE@@";
/// The variants, for deserializers.
pub(crate) const VARIANTS: &[&str] = &[UNTAGGED, TAGGED, SIMPLE];
