//! Keeps what was learned in a file, so that a restart begins warm.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use offload_core::{
    placement::Rules,
    profile::{Loaded, Profile, ProfileError},
    routes::RouteTable,
};

use crate::{
    blocking,
    builder::OffloadBuilder,
    error::BuildError,
    offload::{Core, Offload},
};

/// How often what was learned is written while the process runs.
const INTERVAL: Duration = Duration::from_secs(30);

/// The file, and what it was last given.
pub(crate) struct ProfileFile {
    path: PathBuf,
    saved: Mutex<Option<Profile>>,
}

impl Offload {
    /// Writes what was learned to the profile file now. Does nothing without one.
    ///
    /// It writes to a disk: call it where blocking is fine, such as after the server has ended.
    ///
    /// # Errors
    ///
    /// A [`ProfileError`] that names the file. What the file held before is left as it was.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let offload = actix_offload::Offload::builder().profile("offload.json").build()?;
    /// // … serve …
    /// offload.save_profile()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save_profile(&self) -> Result<(), ProfileError> {
        self.core.save_profile()
    }
}

impl Core {
    fn save_profile(&self) -> Result<(), ProfileError> {
        let Some(file) = &self.profile else {
            return Ok(());
        };
        let profile = self.table.snapshot();
        let mut saved = file.saved.lock().unwrap_or_else(PoisonError::into_inner);
        if saved.as_ref() != Some(&profile) {
            profile.save(&file.path)?;
            *saved = Some(profile);
        }
        Ok(())
    }
}

/// The table that the settings describe, still empty.
pub(crate) fn table(settings: &OffloadBuilder) -> RouteTable {
    RouteTable::new(Rules {
        budget: settings.budget,
        policy: settings.policy,
        unknown: settings.unknown,
        ..Rules::default()
    })
}

/// Loads the profile, if there is one, into `table`.
pub(crate) fn open(
    settings: &OffloadBuilder,
    table: &RouteTable,
) -> Result<Option<ProfileFile>, BuildError> {
    let Some(path) = settings.profile.clone() else {
        return Ok(None);
    };
    load(&path, table).map_err(|error| BuildError::Profile(Box::new(error)))?;
    Ok(Some(ProfileFile {
        path,
        saved: Mutex::new(None),
    }))
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

/// Saves from time to time for as long as the process runs.
pub(crate) fn save_now_and_then(core: &Arc<Core>) {
    let (Some(_), Some(handle)) = (&core.profile, &core.handle) else {
        return;
    };
    let weak = Arc::downgrade(core);
    handle.spawn(async move {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let Some(core) = weak.upgrade() else { return };
            let error = match blocking::run(move || core.save_profile()).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(undone) => undone.to_string(),
            };
            tracing::warn!(target: "offload", error, "the profile could not be saved");
        }
    });
}
