//! JSON numbers in their exact order, whole ones and others mixed.

use std::{cmp::Ordering, fmt};

use serde::{
    Serialize, Serializer,
    de::{Deserialize, Deserializer, Visitor},
};

/// A JSON number: exact from -2^63 to 2^64-1 if it is whole, else the nearest double.
///
/// A number equals another if they are the same point of the number line, so `1` equals `1.0`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Negative(i64),
    Natural(u64),
    // Never NaN and never infinite: JSON has neither.
    Double(f64),
}

impl Number {
    /// The value, if it is kept as a whole number.
    fn whole(self) -> Result<i128, f64> {
        match self {
            Self::Negative(n) => Ok(n.into()),
            Self::Natural(n) => Ok(n.into()),
            Self::Double(x) => Err(x),
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.whole(), other.whole()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Ok(a), Err(b)) => compare(a, b),
            (Err(a), Ok(b)) => compare(b, a).reverse(),
            // The two zeros are the same point, which `total_cmp` would deny.
            (Err(a), Err(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        }
    }
}

/// Compares without rounding the whole number to a double, which would make 2^53 and 2^53+1 equal.
fn compare(whole: i128, double: f64) -> Ordering {
    // A double beyond the range of `i128` becomes its nearest end, which is beyond any 64-bit number.
    let floor = double.floor();
    match whole.cmp(&(floor as i128)) {
        Ordering::Equal if double > floor => Ordering::Less,
        order => order,
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Negative(n) => serializer.serialize_i64(n),
            Self::Natural(n) => serializer.serialize_u64(n),
            Self::Double(x) => serializer.serialize_f64(x),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_i64<E>(self, n: i64) -> Result<Number, E> {
        Ok(Number::Negative(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Number, E> {
        Ok(Number::Natural(n))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Number, E> {
        Ok(Number::Double(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(text: &str) -> String {
        let mut numbers: Vec<Number> = serde_json::from_str(text).expect(text);
        numbers.sort();
        serde_json::to_string(&numbers).expect("JSON")
    }

    #[test]
    fn order_is_that_of_the_number_line() {
        for (given, expected) in [
            ("[]", "[]"),
            ("[3,-1,2.5,-1.5,2]", "[-1.5,-1,2,2.5,3]"),
            (
                "[18446744073709551615,18446744073709551614,-9223372036854775808]",
                "[-9223372036854775808,18446744073709551614,18446744073709551615]",
            ),
            (
                "[9007199254740993,9007199254740992.0,9007199254740991]",
                "[9007199254740991,9007199254740992.0,9007199254740993]",
            ),
            (
                "[1e300,18446744073709551615,-1e300,0.5,-0.5,0]",
                "[-1e+300,-0.5,0,0.5,18446744073709551615,1e+300]",
            ),
        ] {
            assert_eq!(sorted(given), expected, "{given}");
        }
    }

    #[test]
    fn equal_numbers_keep_their_order() {
        assert_eq!(sorted("[1.0,0,1,-0.0,1.0]"), "[0,-0.0,1.0,1,1.0]");
    }
}
