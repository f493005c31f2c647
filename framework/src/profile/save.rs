//! Writes a profile so that its file is always either the old one or the new one, whole.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use super::{
    Profile, ProfileError,
    format::{self, MAX_BYTES},
};

/// How many names are tried for the temporary file; files of killed processes may be in the way.
const ATTEMPTS: u32 = 100;

impl Profile {
    /// Writes the profile to a file.
    ///
    /// It is written to a temporary file in the same folder, flushed to the disk and then renamed, so a reader, or a
    /// machine that loses power, finds the old file or the new one. It blocks on the disk: not for an event loop.
    ///
    /// # Errors
    ///
    /// A [`ProfileError`] with the path in it. What the file held before is left as it was.
    pub fn save(&self, path: &Path) -> Result<(), ProfileError> {
        let bytes = format::write(self);
        if bytes.len() > MAX_BYTES {
            return Err(ProfileError::TooLarge {
                path: path.to_owned(),
                bytes: bytes.len(),
            });
        }
        replace(path, &bytes).map_err(|source| ProfileError::Write {
            path: path.to_owned(),
            source,
        })
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, temporary) = Temporary::beside(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    temporary.rename(path)?;
    sync_folder(path)
}

/// A file that is removed unless it is renamed.
struct Temporary(Option<PathBuf>);

impl Temporary {
    fn beside(path: &Path) -> io::Result<(File, Self)> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
        for _ in 0..ATTEMPTS {
            let mut own = OsString::from(".");
            own.push(name);
            let number = NEXT.fetch_add(1, Relaxed);
            own.push(format!(".{}-{number}.tmp", std::process::id()));
            let own = path.with_file_name(own);
            match OpenOptions::new().write(true).create_new(true).open(&own) {
                Ok(file) => return Ok((file, Self(Some(own)))),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "all names for a temporary file are taken",
        ))
    }

    fn rename(mut self, to: &Path) -> io::Result<()> {
        if let Some(own) = &self.0 {
            fs::rename(own, to)?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(own) = self.0.take() {
            // What failed before is the error worth telling.
            let _ = fs::remove_file(own);
        }
    }
}

/// Makes the rename itself last.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Elsewhere a folder can't be opened as a file.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
