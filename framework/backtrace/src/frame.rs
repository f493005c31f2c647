//! What a backtrace says: the functions that a thread was in, innermost first.

use std::fmt;

/// Where a thread was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backtrace {
    pub(crate) waits_in: Option<String>,
    pub(crate) frames: Vec<Frame>,
}

impl Backtrace {
    /// What the thread waits in, if it waits: a system call, as a rule. `None` if it runs.
    #[must_use]
    pub fn waits_in(&self) -> Option<&str> {
        self.waits_in.as_deref()
    }

    /// The functions, innermost first, with those that the compiler inlined, at most 64.
    ///
    /// A stack that goes deeper than could be read ends early.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// What it waits in, if it waits, and then the functions, as lines of text.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let waits = self.waits_in.iter().map(|call| format!("waits in {call}"));
        let frames = self.frames.iter().map(ToString::to_string);
        waits.chain(frames).collect()
    }
}

impl fmt::Display for Backtrace {
    /// One line for each frame.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

/// One function of a backtrace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub(crate) function: String,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
}

impl Frame {
    /// The path of the function, or its place in the file that it was loaded from if that names no functions.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.function
    }

    /// The source file, from its crate's folder on, if the program was built with line tables.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The line in the file, counted from 1.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.line
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        if let Some(file) = &self.file {
            write!(f, " at {file}")?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_as_much_as_is_known() {
        let frame = |file: Option<&str>, line| Frame {
            function: "app::burn".into(),
            file: file.map(Into::into),
            line,
        };
        assert_eq!(frame(None, None).to_string(), "app::burn");
        assert_eq!(
            frame(Some("src/a.rs"), None).to_string(),
            "app::burn at src/a.rs"
        );
        assert_eq!(
            frame(Some("src/a.rs"), Some(7)).to_string(),
            "app::burn at src/a.rs:7"
        );
        let backtrace = Backtrace {
            waits_in: Some("futex".into()),
            frames: vec![frame(Some("src/a.rs"), Some(7)), frame(None, None)],
        };
        assert_eq!(
            backtrace.to_string(),
            "waits in futex\napp::burn at src/a.rs:7\napp::burn"
        );
        assert_eq!(backtrace.waits_in(), Some("futex"));
        let parts = |frame: &Frame| (frame.function().len(), frame.file().is_some(), frame.line());
        let parts: Vec<_> = backtrace.frames().iter().map(parts).collect();
        assert_eq!(parts, [(9, true, Some(7)), (9, false, None)]);
    }
}
