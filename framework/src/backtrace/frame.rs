//! What a backtrace says: the functions that a thread was in, innermost first.

use std::fmt;

/// Where a thread was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backtrace {
    waits_in: Option<String>,
    frames: Vec<Frame>,
}

impl Backtrace {
    /// Of a thread that waits in this, or of one that runs.
    #[cfg_attr(
        not(all(
            feature = "stall-backtrace",
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        )),
        expect(dead_code, reason = "nobody makes one where none can be taken")
    )]
    pub(in crate::backtrace) fn new(waits_in: Option<String>, frames: Vec<Frame>) -> Self {
        Self { waits_in, frames }
    }

    /// What it waits in, if it waits; then the functions, innermost first, with those that the compiler inlined, at most 64.
    ///
    /// A stack that goes deeper than could be read ends early.
    pub(crate) fn lines(&self) -> Vec<String> {
        let waits = self.waits_in.iter().map(|call| format!("waits in {call}"));
        let frames = self.frames.iter().map(ToString::to_string);
        waits.chain(frames).collect()
    }
}

#[cfg(all(test, not(loom)))]
impl Backtrace {
    /// What the thread waits in: a system call, as a rule.
    pub(crate) fn waits_in(&self) -> Option<&str> {
        self.waits_in.as_deref()
    }

    /// The functions.
    pub(crate) fn frames(&self) -> &[Frame] {
        &self.frames
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
pub(crate) struct Frame {
    pub(in crate::backtrace) function: String,
    pub(in crate::backtrace) file: Option<String>,
    pub(in crate::backtrace) line: Option<u32>,
}

#[cfg(all(test, not(loom)))]
impl Frame {
    /// The path of the function, or its place in the file that it was loaded from if that names no functions.
    pub(crate) fn function(&self) -> &str {
        &self.function
    }

    /// The source file, from its crate's folder on, if the program was built with line tables.
    pub(crate) fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The line in the file, counted from 1.
    pub(crate) fn line(&self) -> Option<u32> {
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

#[cfg(all(test, not(loom)))]
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
