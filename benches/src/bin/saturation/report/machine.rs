//! The machine that a run was made on, as far as it explains figures.

use std::{fs, num::NonZero, thread};

use serde::Serialize;

/// What a reader has to know to compare.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    architecture: &'static str,
    memory_mib: Option<u64>,
}

impl Machine {
    /// This one; what the system does not tell is empty.
    pub(crate) fn this() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            cores: thread::available_parallelism().map_or(1, NonZero::get),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            architecture: std::env::consts::ARCH,
            memory_mib: field(&read("/proc/meminfo"), "MemTotal")
                .and_then(|size| size.split_whitespace().next()?.parse::<u64>().ok())
                .map(|kib| kib / 1024),
        }
    }
}

/// What follows the colon of the first line that begins with `name`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_names() {
        let text = "processor\t: 0\nmodel name\t: A fast one\nmodel name\t: another\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A fast one"));
        assert_eq!(field(text, "MemTotal"), None);
    }
}
