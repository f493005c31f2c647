//! Reads the text that derived `Debug` writes: exactly the expected words, and skips whole values.

/// Why an app's patterns could not be enumerated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnumerateError {
    /// The app has too many resources for this.
    #[error("the description of the resource map is longer than {limit} bytes")]
    TooLong {
        /// In bytes.
        limit: usize,
    },
    /// Scopes are nested too deeply.
    #[error("scopes are nested more than {limit} deep")]
    TooDeep {
        /// In scopes.
        limit: usize,
    },
    /// actix-web writes something else than the known versions.
    #[error("expected {wanted} at byte {at} of the description of the resource map")]
    Unexpected {
        /// Where, in bytes from the start.
        at: usize,
        /// What the known versions write there.
        wanted: &'static str,
    },
}

/// A position in the text. All methods advance past what they read.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn unexpected(&self, wanted: &'static str) -> EnumerateError {
        EnumerateError::Unexpected {
            at: self.at,
            wanted,
        }
    }

    /// Reads `words` if they come next.
    pub(super) fn eat(&mut self, words: &str) -> bool {
        let found = self.rest().starts_with(words);
        if found {
            self.at += words.len();
        }
        found
    }

    pub(super) fn expect(&mut self, words: &'static str) -> Result<(), EnumerateError> {
        if self.eat(words) {
            Ok(())
        } else {
            Err(self.unexpected(words))
        }
    }

    pub(super) fn expect_end(&self) -> Result<(), EnumerateError> {
        if self.rest().is_empty() {
            Ok(())
        } else {
            Err(self.unexpected("the end"))
        }
    }

    pub(super) fn boolean(&mut self) -> Result<bool, EnumerateError> {
        if self.eat("true") {
            Ok(true)
        } else if self.eat("false") {
            Ok(false)
        } else {
            Err(self.unexpected("a boolean"))
        }
    }

    /// Reads the items of a list whose opening bracket has been read, and its closing one.
    pub(super) fn items<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, EnumerateError>,
    ) -> Result<Vec<T>, EnumerateError> {
        let mut items = Vec::new();
        if self.eat("]") {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.eat("]") {
                return Ok(items);
            }
            self.expect(", ")?;
        }
    }

    /// Reads a string in quotes and undoes its escapes.
    pub(super) fn string(&mut self) -> Result<String, EnumerateError> {
        self.expect("\"")?;
        let mut string = String::new();
        loop {
            let plain = self
                .rest()
                .find(['"', '\\'])
                .ok_or_else(|| self.unexpected("a closing quote"))?;
            string.push_str(&self.rest()[..plain]);
            self.at += plain;
            if self.eat("\"") {
                return Ok(string);
            }
            string.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, EnumerateError> {
        let start = self.at;
        self.expect("\\")?;
        let short = "\"\\'nrt0".chars().zip("\"\\'\n\r\t\0".chars());
        for (written, meant) in short {
            if self.eat(written.encode_utf8(&mut [0; 4])) {
                return Ok(meant);
            }
        }
        if self.eat("u{")
            && let Some(close) = self.rest().find('}')
            && let Ok(code) = u32::from_str_radix(&self.rest()[..close], 16)
            && let Some(meant) = char::from_u32(code)
        {
            self.at += close + 1;
            return Ok(meant);
        }
        self.at = start;
        Err(self.unexpected("a known escape"))
    }

    /// Reads any one value, up to the comma or the bracket behind it.
    pub(super) fn skip_value(&mut self) -> Result<(), EnumerateError> {
        let start = self.at;
        let mut open = Vec::new();
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.string()?;
                    continue;
                }
                // Single characters are not written anywhere, and might hold a bracket.
                b'\'' => return Err(self.unexpected("no character in quotes")),
                b'(' => open.push(b')'),
                b'[' => open.push(b']'),
                b'{' => open.push(b'}'),
                b',' if open.is_empty() => break,
                b' ' if open.is_empty() && bytes.get(self.at + 1) == Some(&b'}') => break,
                b')' | b']' | b'}' if open.is_empty() => break,
                b')' | b']' | b'}' if open.pop() != Some(byte) => {
                    return Err(self.unexpected("brackets in pairs"));
                }
                _ => {}
            }
            self.at += 1;
        }
        if self.at == start || !open.is_empty() {
            return Err(self.unexpected("a value"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back_as_they_were() {
        for original in [
            "",
            "/a/{id:\\d+}",
            "\"'\\",
            "\n\r\t\0\u{7f}\u{301}é",
            "{[(,)]}",
        ] {
            let text = format!("{original:?}, next");
            let mut reader = Reader::new(&text);
            assert_eq!(reader.string().as_deref(), Ok(original));
            assert!(reader.eat(", next"));
        }
    }

    #[test]
    fn whole_values_are_skipped() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "only written by Debug")]
        struct Sample {
            words: Vec<&'static str>,
            cell: std::cell::RefCell<std::rc::Weak<u8>>,
            map: std::collections::BTreeMap<&'static str, Option<(i8, f32)>>,
        }
        let sample = Sample {
            words: vec!["}", "\"]", "\\"],
            cell: std::cell::RefCell::default(),
            map: [("a,b", Some((-1, 0.5))), ("c", None)].into(),
        };
        for end in [", x", " }", "]", ")"] {
            let text = format!("{sample:?}{end}");
            let mut reader = Reader::new(&text);
            assert_eq!(reader.skip_value(), Ok(()));
            assert_eq!(reader.rest(), end);
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        for text in ["", ", x", "(]", "(", "[\"a]", "'a'", "\"\\", "\"é\\"] {
            assert!(Reader::new(text).skip_value().is_err(), "{text}");
        }
        for text in [
            "",
            "a",
            "\"a",
            "\"\\x\"",
            "\"\\u{110000}\"",
            "\"\\u{1",
            "\"\\",
        ] {
            assert!(Reader::new(text).string().is_err(), "{text}");
        }
    }
}
