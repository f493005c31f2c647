//! Profiles on a real disk.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use super::{KeptRoute, KeptVerdict, Loaded, Profile, text::MAX_BYTES};
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
fn a_damaged_file_is_set_aside_and_a_new_one_can_be_saved() {
    let folder = Folder::new();
    for round in 0..3_u32 {
        let text = format!("not json {round}");
        fs::write(folder.file(), &text).unwrap();
        let Ok(Loaded::SetAside { moved_to, why }) = Profile::load(&folder.file()) else {
            panic!("round {round}");
        };
        assert!(why.to_string().contains("json"), "{why}");
        assert_eq!(fs::read_to_string(moved_to).unwrap(), text);
        assert!(matches!(Profile::load(&folder.file()), Ok(Loaded::Missing)));
    }
    assert_eq!(folder.names(), ["profile.json.damaged"]);
    profile(1).save(&folder.file()).unwrap();
    assert_eq!(loaded(&folder.file()), profile(1));
}

#[test]
fn foreign_later_and_oversized_files_are_set_aside() {
    let folder = Folder::new();
    let deep = "[".repeat(1 << 20);
    let table: [(&[u8], &str); 4] = [
        (
            b"{\"name\":\"left-pad\",\"version\":\"1.0.0\"}",
            "no offload profile",
        ),
        (
            b"{\"format\":\"offload-profile\",\"version\":2}",
            "it has version 2, this program reads 1",
        ),
        (&vec![b'['; MAX_BYTES + 1], "more than 16777216 bytes"),
        // So deep that a parser without a limit would overflow its stack.
        (deep.as_bytes(), "it is no"),
    ];
    for (content, words) in table {
        fs::write(folder.file(), content).unwrap();
        match Profile::load(&folder.file()).unwrap() {
            Loaded::SetAside { why, .. } => assert!(why.to_string().contains(words), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_damaged_file_that_cannot_be_renamed_is_ignored() {
    let folder = Folder::new();
    fs::create_dir(folder.0.join("profile.json.damaged")).unwrap();
    fs::write(folder.file(), "not json").unwrap();
    let found = Profile::load(&folder.file()).unwrap();
    assert!(matches!(found, Loaded::LeftInPlace { .. }), "{found:?}");
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), "not json");
}

#[test]
fn files_of_killed_processes_are_not_in_the_way() {
    let folder = Folder::new();
    for number in 0..3 {
        let name = format!(".profile.json.{}-{number}.tmp", std::process::id());
        fs::write(folder.0.join(name), "cut o").unwrap();
    }
    profile(1).save(&folder.file()).unwrap();
    assert_eq!(loaded(&folder.file()), profile(1));
    assert_eq!(folder.names().len(), 4);
}

#[test]
fn a_folder_that_takes_no_file_is_an_error_with_the_path_in_it() {
    let folder = Folder::new();
    fs::write(folder.0.join("file"), "").unwrap();
    for place in ["file/profile.json", "no such folder/profile.json"] {
        let path = folder.0.join(place);
        let error = profile(1).save(&path).unwrap_err();
        assert!(error.to_string().contains("cannot be written"), "{error}");
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
    assert!(error.to_string().contains("cannot be written"), "{error}");
    assert_eq!(folder.names(), ["profile.json"]);
    let error = Profile::load(&folder.file()).unwrap_err();
    let words = "profile.json cannot be read";
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn more_than_can_be_loaded_is_not_saved() {
    let folder = Folder::new();
    profile(1).save(&folder.file()).unwrap();
    let error = profile(15_000).save(&folder.file()).unwrap_err();
    let source = error.source().expect("the cause").to_string();
    assert!(source.contains("more than 16777216"), "{source}");
    assert_eq!(loaded(&folder.file()), profile(1));
    assert_eq!(folder.names(), ["profile.json"]);
}
