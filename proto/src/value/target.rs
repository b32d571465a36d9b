//! `Target`: what receives a message from the serializer, token by token: the bytes of a codec, or values in the making.

use serde::ser::{self, Serialize};

use super::Integer;
use super::serializer::Place;

/// What receives a message token by token.
pub(crate) trait Target: Sized {
    type Error: ser::Error;
    /// What a value becomes.
    type Built;
    /// An array on its way, and a map.
    type Items;
    type Pairs;
    /// Whether it takes tags and simple values.
    const RARE: bool;

    /// How many levels may nest, that of the message included.
    fn limit(&self) -> usize;
    /// The error of what nests deeper.
    fn too_deep(&self) -> Self::Error;
    /// `error` of the message's element `at`.
    fn in_element(error: Self::Error, at: usize) -> Self::Error;

    /// Begins a message of one element, which is what follows.
    fn one(&mut self);
    fn scalar(&mut self, scalar: Plain<'_>) -> Result<Self::Built, Self::Error>;
    /// The name of a variant as a text.
    #[inline(always)]
    fn name(&mut self, name: &'static str) -> Result<Self::Built, Self::Error> {
        self.scalar(Plain::Text(name))
    }
    /// Makes a simple value of its number.
    fn simple(&mut self, number: Self::Built) -> Result<Self::Built, Self::Error>;

    /// Begins an array of so many elements, or of as many as will come.
    fn array(&mut self, form: Form, len: Option<usize>) -> Self::Items;
    fn push(items: &mut Self::Items, item: Self::Built);
    /// How many elements have come.
    fn count(items: &Self::Items) -> usize;
    /// Ends the array that began with `form`.
    fn end_array(&mut self, items: Self::Items, form: Form) -> Result<Self::Built, Self::Error>;

    /// Begins a map of so many pairs, or of as many as will come.
    fn map(&mut self, form: Form, len: Option<usize>) -> Self::Pairs;
    /// The name of a field or a variant as a key.
    fn key(&mut self, name: &'static str) -> Self::Built;
    /// Any other key, of a map whose parts are so deep.
    #[inline]
    fn any_key<S>(&mut self, key: &S, depth: usize) -> Result<Self::Built, Self::Error>
    where
        S: Serialize + ?Sized,
    {
        key.serialize(Place::inner(self, depth))
    }
    fn add(pairs: &mut Self::Pairs, key: Self::Built, value: Self::Built);
    /// Ends the map that began with `form`.
    fn end_map(&mut self, pairs: Self::Pairs, form: Form) -> Result<Self::Built, Self::Error>;
}

/// What has no parts.
#[derive(Clone, Copy)]
pub(crate) enum Plain<'a> {
    Null,
    Bool(bool),
    Integer(Integer),
    Float(f64),
    Bytes(&'a [u8]),
    Text(&'a str),
}

/// What an array or a map stands for.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    Plain,
    /// The message, an array. Its end is not said.
    Message,
    /// The content of the variant of this name: the value of a map of one pair, whose key is the name.
    Variant(&'static str),
    /// The same as the message: its second and last element, behind the name.
    AfterName(&'static str),
    /// A tag and its value, as an array.
    Tagged,
}
