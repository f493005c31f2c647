//! Where the browser is, and what to do where there is none.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
};

const DRIVERS: [&str; 1] = ["chromedriver"];
const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// The programs that the tests need.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) driver: PathBuf,
    pub(crate) browser: PathBuf,
}

impl Programs {
    /// Finds them, or says in one line that the test is skipped.
    ///
    /// # Panics
    ///
    /// Panics if they are missing where `OFFLOAD_BROWSER=required`.
    pub(crate) fn find() -> Option<Self> {
        let driver = program("OFFLOAD_CHROMEDRIVER", &DRIVERS);
        let browser = program("OFFLOAD_CHROMIUM", &BROWSERS);
        if let (Some(driver), Some(browser)) = (driver, browser) {
            return Some(Self { driver, browser });
        }
        let required = env::var("OFFLOAD_BROWSER").is_ok_and(|value| value == "required");
        assert!(
            !required,
            "no chromedriver/chromium, but OFFLOAD_BROWSER=required"
        );
        // Not by `eprintln`: what a test prints that passes is shown to nobody. In one piece, as lines of others come between.
        let said = b"SKIPPED: no chromedriver/chromium in PATH, nor in OFFLOAD_CHROMEDRIVER and OFFLOAD_CHROMIUM\n";
        let _nobody_reads_it = io::stderr().write_all(said);
        None
    }
}

fn program(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(named) = env::var_os(variable) {
        return Some(PathBuf::from(named)).filter(|path| path.is_file());
    }
    let folders = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&folders).collect();
    let files = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| file(folder, name)));
    files.into_iter().find(|path| path.is_file())
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{}", env::consts::EXE_SUFFIX))
}
