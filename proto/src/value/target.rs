//! `Target`: the receiver of the serializer's tokens. One target writes a codec's bytes, another builds values.

use serde::ser::{self, Serialize};

use super::Integer;
use super::serializer::Place;

/// Receives a message token by token.
pub(crate) trait Target: Sized {
    type Error: ser::Error;
    /// The result for one value: the value itself, or nothing where bytes were written.
    type Built;
    /// The result for a message: its elements, or nothing where bytes were written.
    type Message;
    /// The state of an array that has begun.
    type Items;
    /// The state of a map that has begun.
    type Pairs;
    /// Whether tags and simple values are accepted.
    const RARE: bool;

    /// The number of levels that may nest, the message's array included.
    fn limit(&self) -> usize;
    /// The error for a value that nests deeper.
    fn too_deep(&self) -> Self::Error;
    // Where an error occurred. A target whose errors have no place leaves these as they are.
    /// Adds to `error` the index of the message's element in which it occurred.
    fn in_element(error: Self::Error, _at: usize) -> Self::Error {
        error
    }
    /// Adds to `error` the index in an array at which it occurred.
    fn in_item(error: Self::Error, _at: usize) -> Self::Error {
        error
    }
    /// Adds to `error` the key in whose value it occurred.
    fn in_value(error: Self::Error, _key: &Self::Built) -> Self::Error {
        error
    }
    /// Adds to `error` the name of the variant in whose content it occurred.
    fn in_field(error: Self::Error, _name: &'static str) -> Self::Error {
        error
    }

    /// Begins a message of one element. The next value is that element.
    fn one(&mut self);
    /// The message whose only element is this.
    fn message_of(element: Self::Built) -> Self::Message;
    fn scalar(&mut self, scalar: Plain<'_>) -> Result<Self::Built, Self::Error>;
    fn text(&mut self, text: &str) -> Result<Self::Built, Self::Error>;
    /// The name of a variant, as a text.
    #[inline(always)]
    fn name(&mut self, name: &'static str) -> Result<Self::Built, Self::Error> {
        self.text(name)
    }
    /// The simple value with this number; `in_some`: as the content of a `Some`, where `undefined` would be read as `None`.
    fn simple(&mut self, number: Self::Built, in_some: bool) -> Result<Self::Built, Self::Error>;

    /// Begins an array of `len` elements, or of an unknown number.
    fn array(&mut self, form: Form, len: Option<usize>) -> Self::Items;
    fn push(items: &mut Self::Items, item: Self::Built);
    /// The number of elements pushed so far.
    fn count(items: &Self::Items) -> usize;
    /// Ends the array that is the message.
    fn end_message(&mut self, items: Self::Items) -> Result<Self::Message, Self::Error>;
    /// Ends any other array, which began with `form`.
    fn end_array(&mut self, items: Self::Items, form: Form) -> Result<Self::Built, Self::Error>;

    /// Begins a map of `len` pairs, or of an unknown number.
    fn map(&mut self, form: Form, len: Option<usize>) -> Self::Pairs;
    /// The name of a field or a variant, as a key.
    fn key(&mut self, name: &'static str) -> Self::Built;
    /// Any other key of a map whose keys and values are `depth` levels deep.
    #[inline]
    fn any_key<S>(&mut self, key: &S, depth: usize) -> Result<Self::Built, Self::Error>
    where
        S: Serialize + ?Sized,
    {
        key.serialize(Place::key(self, depth))
    }
    fn add(pairs: &mut Self::Pairs, key: Self::Built, value: Self::Built);
    /// Ends the map that is the second and last element of the message, after this name.
    fn end_named(
        &mut self,
        name: &'static str,
        pairs: Self::Pairs,
    ) -> Result<Self::Message, Self::Error>;
    /// Ends any other map, which began with `form`.
    fn end_map(&mut self, pairs: Self::Pairs, form: Form) -> Result<Self::Built, Self::Error>;
}

/// A value without parts.
#[derive(Clone, Copy)]
pub(crate) enum Plain<'a> {
    Null,
    Bool(bool),
    Integer(Integer),
    Float(f64),
    Bytes(&'a [u8]),
}

/// Where an array or a map stands.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// An element, a key or a value like any other.
    Plain,
    /// The array is the message.
    Message,
    /// The content of the variant with this name: the value of a map of one pair whose key is the name.
    Variant(&'static str),
    /// The content of the variant with this name, which is the message: its second and last element, after the name.
    AfterName(&'static str),
    /// An array of a tag and its value.
    Tagged,
}
