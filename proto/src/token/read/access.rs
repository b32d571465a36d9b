//! How types take what a [`Reader`] finds: the elements of an array one by one, the pairs of a map, and names that may be
//! looked at again.

use serde::de::{self, DeserializeSeed};

use super::{Left, Reader, Seq, Token, stray_end, untagged};
use crate::value::de::no_name;
use crate::value::{Countable, Names, ParseError};

impl<'de> Countable<'de> for Seq<'_, '_> {
    fn up_to_two(&self) -> usize {
        if let Some(len) = self.left.known() {
            return len.min(2);
        }
        let (mut reader, mut left) = (*self.reader, self.left);
        let mut count = 0;
        while count < 2 {
            match left.next(&mut reader) {
                Ok(None) => break,
                // An element that cannot be read counts: reading it gives the error.
                Err(_) => return 2,
                Ok(Some(token)) => match reader.skip(token) {
                    Ok(()) => count += 1,
                    Err(_) => return 2,
                },
            }
        }
        count
    }
    #[inline(always)]
    fn next_name_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ParseError> {
        match self.left.next(self.reader)? {
            Some(token) => self.reader.name(token, seed).map(Some),
            None => Ok(None),
        }
    }
}

impl Names for Seq<'_, '_> {
    /// The position of the name.
    type Mark = usize;
    #[inline]
    fn mark(&self) -> usize {
        self.reader.at
    }
    fn is_one_of(&self, at: &usize, names: &[&str]) -> bool {
        self.reader.is_one_of(*at, names)
    }
}

impl Names for &mut Pairs<'_, '_> {
    type Mark = usize;
    #[inline]
    fn mark(&self) -> usize {
        self.reader.at
    }
    fn is_one_of(&self, at: &usize, names: &[&str]) -> bool {
        self.reader.is_one_of(*at, names)
    }
}

impl Reader<'_> {
    /// Parses the value that begins with `token` as the name of a variant or a field. An integer is none.
    #[inline(always)]
    fn name<'de, T: DeserializeSeed<'de>>(
        &mut self,
        token: Token,
        seed: T,
    ) -> Result<T::Value, ParseError> {
        match self.integer(token) {
            Some(n) => Err(no_name(n)),
            None => seed.deserialize(self.item(token)),
        }
    }

    /// Whether the text at `at`, which was read before, is one of `names`.
    #[cold]
    fn is_one_of(&self, at: usize, names: &[&str]) -> bool {
        let mut reader = *self;
        reader.at = at;
        let mut text = || {
            let token = Left(1).next(&mut reader)?;
            let token = untagged(&mut reader, token.ok_or_else(stray_end)?)?;
            reader.scalar_text(token)
        };
        text().is_ok_and(|text| text.is_some_and(|text| names.contains(&&*text)))
    }
}

impl<'de> de::SeqAccess<'de> for Seq<'_, '_> {
    type Error = ParseError;
    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ParseError> {
        match self.left.next(self.reader)? {
            Some(token) => seed.deserialize(self.reader.item(token)).map(Some),
            None => Ok(None),
        }
    }
    fn size_hint(&self) -> Option<usize> {
        self.left.known()
    }
}

/// The pairs of a map.
pub(in crate::token) struct Pairs<'r, 'a> {
    pub(in crate::token) reader: &'r mut Reader<'a>,
    pub(in crate::token) left: Left,
    /// Whether the keys are names of fields or variants, for which serde takes an integer as an index.
    pub(in crate::token) are_names: bool,
}

impl<'de> de::MapAccess<'de> for Pairs<'_, '_> {
    type Error = ParseError;
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ParseError> {
        match self.left.next(self.reader)? {
            Some(token) if self.are_names => self.reader.name(token, seed).map(Some),
            Some(token) => seed.deserialize(self.reader.item(token)).map(Some),
            None => Ok(None),
        }
    }
    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, ParseError> {
        let token = self.reader.token()?;
        seed.deserialize(self.reader.item(token))
    }
    fn size_hint(&self) -> Option<usize> {
        self.left.known()
    }
}
