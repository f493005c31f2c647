//! The bounds of what clients may ask for, checked one named field at a time.

use serde_json::Value;

use crate::errors::AppError;

/// How much of a wrong value an error repeats, in characters.
const REPEATED: usize = 40;

/// A whole number in a query string.
#[derive(Debug)]
pub(crate) struct WholeNumber {
    pub(crate) field: &'static str,
    pub(crate) default: u64,
    pub(crate) max: u64,
}

impl WholeNumber {
    /// The number that was given as text, or the default.
    pub(crate) fn read(&self, given: Option<&str>) -> Result<u64, AppError> {
        let Some(text) = given else {
            return Ok(self.default);
        };
        let number = text.parse().ok().filter(|number| *number <= self.max);
        number.ok_or_else(|| AppError::Number {
            field: self.field,
            min: 0,
            max: self.max,
            given: text.chars().take(REPEATED).collect(),
        })
    }
}

/// A string in a JSON object.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) field: &'static str,
    pub(crate) min: usize,
    pub(crate) max: usize,
}

impl Text {
    /// The text that was given, if it was one. An absent field is `null`.
    pub(crate) fn read<'v>(&self, given: &'v Value) -> Result<&'v str, AppError> {
        let field = self.field;
        let text = given.as_str().ok_or(AppError::NotText { field })?;
        if (self.min..=self.max).contains(&text.len()) {
            return Ok(text);
        }
        Err(AppError::TextLength {
            field,
            min: self.min,
            max: self.max,
            given: text.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_stay_within_their_bounds() {
        let ms = WholeNumber {
            field: "ms",
            default: 7,
            max: 100,
        };
        let read = |text| ms.read(text).map_err(|error| error.to_string());
        assert_eq!(read(None), Ok(7));
        assert_eq!(read(Some("0")), Ok(0));
        assert_eq!(read(Some("100")), Ok(100));
        for wrong in ["101", "-1", "", "1.5", "ten", "1000000000000000000000000"] {
            let said = read(Some(wrong)).expect_err(wrong);
            assert_eq!(
                said,
                format!("must be a whole number from 0 to 100, not `{wrong}`")
            );
        }
        assert!(read(Some(&"9".repeat(1000))).expect_err("absurd").len() < 100);
    }

    #[test]
    fn texts_stay_within_their_bounds() {
        let password = Text {
            field: "password",
            min: 1,
            max: 4,
        };
        assert_eq!(password.read(&json!("abcd")).ok(), Some("abcd"));
        for wrong in [
            json!(null),
            json!(5),
            json!(["a"]),
            json!(""),
            json!("abcde"),
        ] {
            assert!(password.read(&wrong).is_err(), "{wrong}");
        }
    }
}
