//! Reads a profile, and gets what is no profile out of the way.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    Damage, Profile, ProfileError,
    format::{self, MAX_BYTES},
};

/// How many damaged files are kept; a further one takes the place of the last.
const MOST_SET_ASIDE: u32 = 10;

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
    /// A file that is no profile, or not one of this version, is renamed to its own name with `.damaged` behind it (or
    /// `.damaged.1` and so on up to `.damaged.9` if that is taken) and told in the result. It blocks on the disk: not
    /// for an event loop.
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
                let path = path.to_owned();
                return Err(ProfileError::Read { path, source });
            }
        };
        Ok(match format::read(&bytes) {
            Ok(profile) => Loaded::Profile(profile),
            Err(why) => match set_aside(path) {
                Ok(moved_to) => Loaded::SetAside { moved_to, why },
                Err(error) => Loaded::LeftInPlace { why, error },
            },
        })
    }
}

/// At most one byte more than a profile may have.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for its other end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path)?.take(MAX_BYTES as u64 + 1);
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let named = |number: u32| {
        let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
        name.push(".damaged");
        if number > 0 {
            name.push(format!(".{number}"));
        }
        path.with_file_name(name)
    };
    let last = MOST_SET_ASIDE - 1;
    // A link that leads nowhere takes a name as well.
    let number = (0..last)
        .find(|number| fs::symlink_metadata(named(*number)).is_err())
        .unwrap_or(last);
    let to = named(number);
    fs::rename(path, &to)?;
    Ok(to)
}
