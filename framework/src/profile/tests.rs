//! Profiles on a real disk.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use super::{Damage, KeptRoute, KeptVerdict, Loaded, Profile, ProfileError, format::MAX_BYTES};
use crate::{
    cost::SizeBucket,
    placement::{Placement, Rules},
};

/// An own folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        let name = format!("offload-core-profile-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("profile.json")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn profile(routes: usize) -> Profile {
    let routes = (0..routes).map(|number| KeptRoute {
        app: 0,
        method: "GET".to_owned(),
        pattern: format!("/{number}"),
        verdicts: SizeBucket::all()
            .map(|body_size| KeptVerdict {
                body_size,
                placement: Placement::Lane,
                relapses: 1,
            })
            .collect(),
    });
    Profile::new(Rules::default().budget, routes.collect())
}

fn loaded(path: &Path) -> Profile {
    match Profile::load(path).unwrap() {
        Loaded::Profile(profile) => profile,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_first_start_finds_nothing() {
    let folder = Folder::new();
    assert!(matches!(Profile::load(&folder.file()), Ok(Loaded::Missing)));
    let deeper = folder.0.join("no such folder/profile.json");
    assert!(matches!(Profile::load(&deeper), Ok(Loaded::Missing)));
}

#[test]
fn what_was_saved_is_loaded_and_nothing_else_is_left_behind() {
    let folder = Folder::new();
    for routes in [3, 0, 500] {
        profile(routes).save(&folder.file()).unwrap();
        assert_eq!(loaded(&folder.file()), profile(routes));
    }
    assert_eq!(folder.names(), ["profile.json"]);
}

#[test]
fn a_damaged_file_is_set_aside_under_a_free_name_and_a_new_one_can_be_saved() {
    let folder = Folder::new();
    for round in 0..13_u32 {
        let text = format!("not json {round}");
        fs::write(folder.file(), &text).unwrap();
        let Ok(Loaded::SetAside { moved_to, why }) = Profile::load(&folder.file()) else {
            panic!("round {round}");
        };
        assert!(matches!(why, Damage::NotJson { .. }));
        assert_eq!(fs::read_to_string(moved_to).unwrap(), text);
        assert!(matches!(Profile::load(&folder.file()), Ok(Loaded::Missing)));
    }
    assert_eq!(folder.names().len(), 10, "{:?}", folder.names());
    let first = fs::read_to_string(folder.0.join("profile.json.damaged"));
    assert_eq!(first.unwrap(), "not json 0");
    let last = fs::read_to_string(folder.0.join("profile.json.damaged.9"));
    assert_eq!(last.unwrap(), "not json 12");
    profile(1).save(&folder.file()).unwrap();
    assert_eq!(loaded(&folder.file()), profile(1));
}

#[test]
fn foreign_later_and_oversized_files_are_set_aside() {
    let folder = Folder::new();
    let why = |content: &[u8]| {
        fs::write(folder.file(), content).unwrap();
        match Profile::load(&folder.file()).unwrap() {
            Loaded::SetAside { why, .. } => why,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        why(b"{\"name\":\"left-pad\",\"version\":\"1.0.0\"}"),
        Damage::Foreign
    );
    assert_eq!(
        why(b"{\"format\":\"offload-profile\",\"version\":2}"),
        Damage::Version {
            found: 2,
            expected: 1
        }
    );
    assert_eq!(why(&vec![b'['; MAX_BYTES + 1]), Damage::Oversized);
    // So deep that a parser without a limit would overflow its stack.
    assert!(matches!(
        why("[".repeat(1 << 20).as_bytes()),
        Damage::Foreign | Damage::NotJson { .. }
    ));
}

#[test]
fn a_damaged_file_that_cannot_be_renamed_is_ignored() {
    let folder = Folder::new();
    fs::create_dir(folder.0.join("profile.json.damaged")).unwrap();
    for number in 1..10 {
        fs::create_dir(folder.0.join(format!("profile.json.damaged.{number}"))).unwrap();
    }
    fs::write(folder.file(), "not json").unwrap();
    let found = Profile::load(&folder.file()).unwrap();
    assert!(matches!(found, Loaded::LeftInPlace { .. }), "{found:?}");
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), "not json");
}

#[test]
fn a_folder_that_takes_no_file_is_an_error_with_the_path_in_it() {
    let folder = Folder::new();
    fs::write(folder.0.join("file"), "").unwrap();
    for place in ["file/profile.json", "no such folder/profile.json"] {
        let path = folder.0.join(place);
        let error = profile(1).save(&path).unwrap_err();
        assert!(matches!(error, ProfileError::Write { .. }));
        assert!(error.to_string().contains(place), "{error}");
        assert!(error.source().is_some());
    }
    assert!(profile(1).save(Path::new("/")).is_err());
}

#[test]
fn a_save_that_fails_leaves_no_trace() {
    let folder = Folder::new();
    fs::create_dir(folder.file()).unwrap();
    let error = profile(1).save(&folder.file()).unwrap_err();
    assert!(matches!(error, ProfileError::Write { .. }));
    assert_eq!(folder.names(), ["profile.json"]);
    let error = Profile::load(&folder.file()).unwrap_err();
    assert!(matches!(error, ProfileError::Read { .. }));
    assert!(error.to_string().contains("profile.json"), "{error}");
}

#[test]
fn more_than_can_be_loaded_is_not_saved() {
    let folder = Folder::new();
    profile(1).save(&folder.file()).unwrap();
    let error = profile(15_000).save(&folder.file()).unwrap_err();
    assert!(matches!(error, ProfileError::TooLarge { .. }), "{error}");
    assert_eq!(loaded(&folder.file()), profile(1));
    assert_eq!(folder.names(), ["profile.json"]);
}
