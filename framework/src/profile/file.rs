//! Reads and writes the file of a profile, so that it is always either the old one or the new one, whole.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
};

use super::{Damage, Profile, text::MAX_BYTES};

/// How many names are tried for the temporary file; files of killed processes may be in the way.
const ATTEMPTS: u32 = 100;

/// The file system would not do what a profile needs. What the file held before is left as it was.
#[derive(Debug, thiserror::Error)]
#[error("the profile {} cannot be {done}", path.display())]
pub struct ProfileError {
    path: PathBuf,
    done: &'static str,
    source: io::Error,
}

/// What was found where a profile should be.
#[derive(Debug)]
pub enum Loaded {
    /// Nothing, as on a first start.
    Missing,
    /// A profile.
    Profile(Profile),
    /// Something else, which was renamed, so that it can be looked at and is not overwritten.
    SetAside {
        /// Where it is now.
        moved_to: PathBuf,
        /// What is wrong with it.
        why: Damage,
    },
    /// Something else, which is still there because it could not be renamed. It was ignored, and saving a profile would
    /// replace it.
    LeftInPlace {
        /// What is wrong with it.
        why: Damage,
        /// Why it could not be renamed.
        error: io::Error,
    },
}

impl Profile {
    /// Reads the profile in a file.
    ///
    /// A file that is no profile, or not one of this version, is renamed to its own name with `.damaged` behind it, in place of an
    /// earlier one, and told in the result. It blocks on the disk: not for an event loop.
    ///
    /// # Errors
    ///
    /// A [`ProfileError`] with the path in it if there is a file, but the system would not let it be read, or if the
    /// path is that of a folder or a device.
    pub fn load(path: &Path) -> Result<Loaded, ProfileError> {
        let bytes = match read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Missing),
            Err(source) => {
                let (path, done) = (path.to_owned(), "read");
                return Err(ProfileError { path, done, source });
            }
        };
        Ok(match Self::from_text(&bytes) {
            Ok(profile) => Loaded::Profile(profile),
            Err(why) => match set_aside(path) {
                Ok(moved_to) => Loaded::SetAside { moved_to, why },
                Err(error) => Loaded::LeftInPlace { why, error },
            },
        })
    }

    /// Writes the profile to a file.
    ///
    /// It is written to a temporary file in the same folder, flushed to the disk and then renamed, so a reader, or a
    /// machine that loses power, finds the old file or the new one. It blocks on the disk: not for an event loop.
    ///
    /// # Errors
    ///
    /// A [`ProfileError`] with the path in it if the file system would not take it, or if it is longer than a profile may be. What the
    /// file held before is left as it was.
    pub fn save(&self, path: &Path) -> Result<(), ProfileError> {
        replace(path, &self.to_text()).map_err(|source| {
            let (path, done) = (path.to_owned(), "written");
            ProfileError { path, done, source }
        })
    }
}

/// At most one byte more than a profile may have.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for its other end.
    if !fs::metadata(path)?.is_file() {
        let what = "it is not a regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path)?.take(MAX_BYTES as u64 + 1);
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".damaged");
    let to = path.with_file_name(name);
    fs::rename(path, &to)?;
    Ok(to)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() > MAX_BYTES {
        let what = format!("it would have {} bytes, more than {MAX_BYTES}", bytes.len());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    let (mut file, temporary) = beside(path)?;
    let flushed = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    let renamed = flushed.and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        // What failed before is the error worth telling.
        let _ = fs::remove_file(temporary);
        return renamed;
    }
    sync_folder(path)
}

/// A new file in the same folder.
fn beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut number = 0;
    loop {
        let own = format!(".{}.{}-{number}.tmp", name.display(), process::id());
        let own = path.with_file_name(own);
        number += 1;
        match File::create_new(&own) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < ATTEMPTS => {}
            made => return Ok((made?, own)),
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
