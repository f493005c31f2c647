//! Sorts the numbers of the request.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::number::Number;

/// Numbers whose reader says which element is none.
#[derive(Debug)]
pub(crate) struct Numbers(Vec<Number>);

impl Numbers {
    /// Equal numbers keep their order, so `1` and `1.0` come out as they went in.
    pub(crate) fn sorted(self) -> Vec<Number> {
        let Self(mut numbers) = self;
        numbers.sort();
        numbers
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(NumbersVisitor)
    }
}

struct NumbersVisitor;

impl<'de> Visitor<'de> for NumbersVisitor {
    type Value = Numbers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Numbers, A::Error> {
        let mut numbers = Vec::new();
        loop {
            let index = numbers.len();
            match seq.next_element() {
                Ok(Some(number)) => numbers.push(number),
                Ok(None) => return Ok(Numbers(numbers)),
                Err(error) => {
                    return Err(A::Error::custom(format_args!("element {index}: {error}")));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_element_that_is_no_number_is_named() {
        for (text, reason) in [
            (
                r#"[1, "two"]"#,
                "element 1: invalid type: string \"two\", expected a number at line 1 column 9",
            ),
            (
                "[1,\n2, [3]]",
                "element 2: invalid type: sequence, expected a number at line 2 column 4",
            ),
            (
                "[null]",
                "element 0: invalid type: null, expected a number at line 1 column 5",
            ),
            (
                "[1, 2",
                "element 2: EOF while parsing a list at line 1 column 5",
            ),
            (
                r#"{"a": 1}"#,
                "invalid type: map, expected an array of numbers at line 1 column 0",
            ),
        ] {
            let error = serde_json::from_str::<Numbers>(text).expect_err(text);
            assert_eq!(error.to_string(), reason, "{text}");
        }
    }
}
