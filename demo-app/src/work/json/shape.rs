//! The shape of a JSON text, found without keeping what is in it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// How deep a JSON value is nested, and how many values it has, itself included.
///
/// Parsing into a tree would take up to a hundred times the text's size in memory, which is more
/// than a server can give to a stranger. This takes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) depth: usize,
    pub(crate) values: u64,
}

impl Shape {
    const SCALAR: Self = Self {
        depth: 0,
        values: 1,
    };

    const EMPTY_CONTAINER: Self = Self {
        depth: 1,
        values: 1,
    };

    fn take_in(&mut self, child: Self) {
        self.depth = self.depth.max(child.depth + 1);
        self.values += child.values;
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::SCALAR)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::SCALAR)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::SCALAR)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::SCALAR)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::SCALAR)
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::SCALAR)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        let mut shape = Shape::EMPTY_CONTAINER;
        while let Some(child) = seq.next_element()? {
            shape.take_in(child);
        }
        Ok(shape)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut shape = Shape::EMPTY_CONTAINER;
        while let Some((Key, child)) = map.next_entry()? {
            shape.take_in(child);
        }
        Ok(shape)
    }
}

/// A name in an object, read and forgotten.
struct Key;

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, _: &str) -> Result<Key, E> {
        Ok(Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_follow_the_table() {
        let deepest = "[".repeat(127) + &"]".repeat(127);
        for (text, depth, values) in [
            ("null", 0, 1),
            (r#""a \n b""#, 0, 1),
            ("-1.5e3", 0, 1),
            ("[]", 1, 1),
            ("{}", 1, 1),
            ("[1, true, null, -2, 0.5, \"x\"]", 1, 7),
            (r#"{"a": 1, "a": {"b": [[]]}}"#, 4, 5),
            (&deepest, 127, 127),
        ] {
            let shape: Shape = serde_json::from_str(text).expect(text);
            assert_eq!(shape, Shape { depth, values }, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_an_error_with_its_place() {
        let too_deep = "[".repeat(128) + &"]".repeat(128);
        for (text, reason) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{\n\"a\": 1,\n}", "trailing comma at line 3 column 1"),
            ("[1] 2", "trailing characters at line 1 column 5"),
            ("1e999", "number out of range at line 1 column 5"),
            (&too_deep, "recursion limit exceeded at line 1 column 128"),
        ] {
            let error = serde_json::from_str::<Shape>(text).expect_err(text);
            assert_eq!(error.to_string(), reason);
        }
    }
}
