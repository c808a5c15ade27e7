//! Values of a dialect file that may be written in more than one way.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};

use super::file::{TestFile, TestTable};

/// One value or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Many<T>(pub Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Many(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for One<T> {
            type Value = Many<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value or a list of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Many<T>, E> {
                T::deserialize(de::value::StrDeserializer::new(text)).map(|one| Many(vec![one]))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Many<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| Many(vec![one]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Many<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = list.next_element()? {
                    all.push(one);
                }
                Ok(Many(all))
            }
        }
        deserializer.deserialize_any(One(PhantomData))
    }
}

impl<'de> Deserialize<'de> for TestFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = TestFile;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a text, a list of texts, or a table of tests (is, not, prefix, word, modulo, remainder, blank, zero, digits)",
                )
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<TestFile, E> {
                Ok(TestFile(TestTable { is: Some(Many(vec![text.to_owned()])), ..TestTable::default() }))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<TestFile, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = list.next_element()? {
                    all.push(one);
                }
                Ok(TestFile(TestTable { is: Some(Many(all)), ..TestTable::default() }))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TestFile, A::Error> {
                TestTable::deserialize(MapAccessDeserializer::new(map)).map(TestFile)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
