//! Lists: of fields, which a type has a number of, and of items.

use std::collections::{BTreeSet, BinaryHeap, HashSet, LinkedList, VecDeque};
use std::sync::atomic::AtomicU8;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Matrix;

#[derive(Serialize, Deserialize, PartialEq)]
struct Pair(i64, String);

#[derive(Serialize, Deserialize, PartialEq)]
struct None_();

#[derive(Serialize, Deserialize, PartialEq)]
struct New<T>(T);

#[derive(Serialize, Deserialize, PartialEq)]
struct Skips(i64, #[serde(skip)] u8, String);

#[derive(Serialize, Deserialize, PartialEq)]
struct Defaults(i64, #[serde(default)] u8);

pub(super) fn all(m: &mut Matrix) {
    m.fields("tuple of one", (7,));
    m.fields("tuple of two", (7, "x".to_owned()));
    m.fields("tuple of options", (Some(1), None::<u8>));
    m.fields("tuple of units", ((), ()));
    m.fields("tuple of tuples", ((1, 2), (3, 4)));
    m.fields("tuple of a tuple", ((1, 2),));
    m.fields("tuple of a tuple of one", ((1,),));
    m.fields("tuple of a Vec", (vec![1, 2],));
    m.fields("tuple of an empty Vec", (Vec::<u8>::new(),));
    m.fields("tuple of a None", (None::<u8>,));
    m.fields("tuple of 12", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
    m.fields(
        "tuple of mixed",
        (true, -1, 0.5, 'c', ByteBuf::from(*b"\x01"), ()),
    );
    m.fields("array of 0", [0u8; 0]);
    m.fields("array of 1", [5]);
    m.fields("array of 3", [1, 2, 3]);
    m.fields("array of arrays", [[1, 2], [3, 4]]);
    m.fields("array of Vecs", [vec![1], vec![]]);
    m.fields("tuple struct", Pair(1, "p".into()));
    m.fields("tuple struct of none", None_());
    m.fields("tuple struct that skips", Skips(1, 0, "s".into()));
    m.fields("tuple struct with a default", Defaults(1, 2));
    m.fields("newtype of a tuple", New((1, 2)));
    m.fields("newtype of a tuple of one", New((1,)));
    m.fields("newtype of a tuple struct", New(Pair(1, "p".into())));
    m.fields("newtype of a unit", New(()));
    m.fields("Box of a tuple", Box::new((1, 2)));
    m.same("newtype of a Vec", New(vec![1, 2]));
    m.same("Vec", vec![1, 2, 3]);
    m.same("Vec empty", Vec::<i64>::new());
    m.same("Vec of one", vec![5]);
    m.same("Vec of one None", vec![None::<i64>]);
    m.same("Vec of one Vec", vec![vec![5]]);
    m.same("Vec of empty Vecs", vec![Vec::<u8>::new(), vec![]]);
    m.same("Vec of bytes", vec![0u8, 255]);
    m.same("Vec of texts", vec!["a".to_owned(), "b".to_owned()]);
    m.same("Vec of one text", vec!["tag".to_owned()]);
    m.same(
        "Vec of tuples",
        vec![(1, "a".to_owned()), (2, "b".to_owned())],
    );
    m.same("Vec of one tuple", vec![(1, 2)]);
    m.same("Vec of tuples of one", vec![(1,), (2,)]);
    m.same("Vec of units", vec![(), ()]);
    m.same("Vec of options", vec![Some(1), None]);
    m.same("Vec of Some(vec)", vec![Some(vec![1]), None]);
    m.same("Vec of Some(None)", vec![Some(None::<u8>)]);
    m.same("Vec of bools", vec![true, false]);
    m.same("Vec of floats", vec![1.0, 0.5]);
    m.same("VecDeque", VecDeque::from([1, 2]));
    m.same("LinkedList", LinkedList::from([1, 2]));
    m.same("BTreeSet", BTreeSet::from([1, 2]));
    m.same("HashSet", HashSet::from([1, 2]));
    m.one("BinaryHeap", &BinaryHeap::from([1]), &vec![1]);
    m.same("Box<[T]>", Box::<[i64]>::from([1, 2]));
    m.one("slice", &[1, 2].as_slice(), &vec![1, 2]);
    m.one("atomic", &AtomicU8::new(7), &7u8);
    m.same("Some of a Vec", Some(vec![1]));
    m.same("Some of an empty Vec", Some(Vec::<u8>::new()));
    m.same("Some of a Vec of one None", Some(vec![None::<u8>]));
    m.same("Some of a tuple", Some((1, 2)));
    m.same("Some of a tuple of one", Some((1,)));
    m.same("Some of a tuple of a None", Some((None::<u8>,)));
    m.same("Some of an array of 0", Some([0u8; 0]));
    m.same("Some of a tuple struct", Some(Pair(1, "p".into())));
    m.same("None of a tuple", None::<(u8, u8)>);
    m.same("None of a Vec", None::<Vec<u8>>);
    m.same(
        "nested ten deep",
        vec![vec![vec![vec![vec![vec![vec![vec![vec![vec![1]]]]]]]]]],
    );
}
