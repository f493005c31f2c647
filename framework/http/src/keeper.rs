//! Keeps what was learned in a file, so that a restart begins warm.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use offload_core::{
    profile::{Loaded, Profile, ProfileError},
    routes::RouteTable,
};

use crate::error::BuildError;

/// How often what was learned is written while the process runs.
const INTERVAL: Duration = Duration::from_secs(30);

/// The file, and the thread that writes it from time to time for as long as this lives.
pub(crate) struct Keeper(Arc<Kept>);

struct Kept {
    path: PathBuf,
    table: RouteTable,
    /// What the file was last given.
    saved: Mutex<Option<Profile>>,
    ended: Mutex<bool>,
    end: Condvar,
}

impl Keeper {
    /// Loads the file into `table`, if there is one, and starts the thread.
    pub(crate) fn open(path: PathBuf, table: &RouteTable) -> Result<Self, BuildError> {
        load(&path, table).map_err(|error| BuildError::Profile(Box::new(error)))?;
        let kept = Arc::new(Kept {
            path,
            table: table.clone(),
            saved: Mutex::default(),
            ended: Mutex::new(false),
            end: Condvar::new(),
        });
        let theirs = Arc::clone(&kept);
        thread::Builder::new()
            .name("offload-profile".into())
            .spawn(move || theirs.save_now_and_then())
            .map_err(|error| BuildError::Profile(Box::new(error)))?;
        Ok(Self(kept))
    }

    /// Writes what was learned, if that is not what the file has.
    pub(crate) fn save(&self) -> Result<(), ProfileError> {
        self.0.save()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        *self.0.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.end.notify_all();
    }
}

impl Kept {
    fn save(&self) -> Result<(), ProfileError> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that the last to write has the newest.
        let profile = self.table.snapshot();
        if saved.as_ref() != Some(&profile) {
            profile.save(&self.path)?;
            *saved = Some(profile);
        }
        Ok(())
    }

    fn save_now_and_then(&self) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let waited = self.end.wait_timeout(ended, INTERVAL);
            let (now, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if *now {
                return;
            }
            if !timeout.timed_out() {
                ended = now;
                continue;
            }
            drop(now); // Whoever ends the plugin does not wait for a disk.
            if let Err(error) = self.save() {
                tracing::warn!(target: "offload", %error, "the profile could not be saved");
            }
            ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn load(path: &Path, table: &RouteTable) -> Result<(), ProfileError> {
    match Profile::load(path)? {
        Loaded::Missing => {}
        Loaded::Profile(profile) => {
            table.restore(&profile);
        }
        Loaded::SetAside { moved_to, why } => tracing::warn!(
            target: "offload",
            file = %path.display(),
            moved_to = %moved_to.display(),
            why = %why,
            "the profile could not be used and was set aside: what routes cost is learned anew",
        ),
        Loaded::LeftInPlace { why, error } => tracing::warn!(
            target: "offload",
            file = %path.display(),
            why = %why,
            %error,
            "the profile could not be used and could not be set aside: the next save replaces it",
        ),
    }
    Ok(())
}
