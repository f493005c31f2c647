//! The text of a profile: JSON with a name and a version, read strictly and within bounds.

use serde::Deserialize;

use super::{FORMAT, KeptRoute, Profile, VERSION};

/// No file is read or written that is longer.
pub(super) const MAX_BYTES: usize = 16 << 20;
const MAX_ROUTES: usize = 100_000;
const MAX_METHOD: usize = 64;
const MAX_PATTERN: usize = 4096;

/// Why the content of a file was not used, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damage(String);

/// What every version has, and nothing that a later one may drop.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u64,
}

impl Profile {
    /// The text, without routes whose names no file may hold.
    pub(super) fn to_text(&self) -> Vec<u8> {
        let mut kept = self.clone();
        kept.routes.retain(KeptRoute::fits);
        kept.routes.truncate(MAX_ROUTES);
        let mut bytes = serde_json::to_vec_pretty(&kept)
            .expect("numbers, strings and lists of them always make a json text");
        bytes.push(b'\n');
        bytes
    }

    /// Reads what [`to_text`](Self::to_text) wrote: all of it or nothing.
    pub(super) fn from_text(bytes: &[u8]) -> Result<Self, Damage> {
        if bytes.len() > MAX_BYTES {
            return Err(Damage(format!("it has more than {MAX_BYTES} bytes")));
        }
        let Header { format, version } = serde_json::from_slice(bytes).map_err(|error| {
            let what = if error.is_data() { FOREIGN } else { CUT_OFF };
            Damage(format!("{what}: {error}"))
        })?;
        if format != FORMAT {
            return Err(Damage(format!("{FOREIGN}: its format is {format:?}")));
        }
        if version != VERSION {
            let text = format!("it has version {version}, this program reads {VERSION}");
            return Err(Damage(text));
        }
        let mut profile: Self = serde_json::from_slice(bytes)
            .map_err(|error| Damage(format!("it is a profile with errors: {error}")))?;
        profile.sort();
        if !profile.is_sound() {
            return Err(Damage(
                "it has more or longer names than any, or one of them twice".to_owned(),
            ));
        }
        Ok(profile)
    }

    fn is_sound(&self) -> bool {
        let routes = &self.routes;
        routes.len() <= MAX_ROUTES
            && routes.is_sorted_by(|a, b| a.name() < b.name())
            && routes.iter().all(|route| {
                let verdicts = &route.verdicts;
                route.fits() && verdicts.is_sorted_by(|a, b| a.body_size < b.body_size)
            })
    }
}

const FOREIGN: &str = "it is no offload profile";
const CUT_OFF: &str = "it is no complete json text";

impl KeptRoute {
    fn fits(&self) -> bool {
        self.method.len() <= MAX_METHOD && self.pattern.len() <= MAX_PATTERN
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{cost::SizeBucket, placement::Placement, profile::KeptVerdict};

    fn profile() -> Profile {
        let verdict = |index: usize, placement, relapses| KeptVerdict {
            body_size: SizeBucket::all().nth(index).unwrap(),
            placement,
            relapses,
        };
        let route = |app, method: &str, pattern: &str, verdicts| KeptRoute {
            app,
            method: method.to_owned(),
            pattern: pattern.to_owned(),
            verdicts,
        };
        let routes = vec![
            route(
                70_000,
                "POST",
                "/sort \"quoted\" \u{e4}\n",
                vec![
                    verdict(1, Placement::Loop, 2),
                    verdict(7, Placement::Lane, 9),
                ],
            ),
            route(0, "GET", "/", vec![verdict(0, Placement::Loop, 0)]),
        ];
        Profile::new(Duration::from_micros(100), routes)
    }

    fn read(bytes: &[u8]) -> Result<Profile, String> {
        Profile::from_text(bytes).map_err(|damage| damage.to_string())
    }

    /// Asserts that it is damaged in this way.
    #[track_caller]
    fn assert_damaged(read: Result<Profile, String>, words: &str) {
        let why = read.expect_err("refused");
        assert!(why.contains(words), "{why}");
    }

    fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Result<Profile, String> {
        let mut value: serde_json::Value = serde_json::from_slice(&profile().to_text()).unwrap();
        change(&mut value);
        read(&serde_json::to_vec(&value).unwrap())
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(read(&profile().to_text()), Ok(profile()));
        assert_eq!(changed(|_| ()), Ok(profile()));
        let empty = Profile::new(Duration::from_millis(1), Vec::new());
        assert_eq!(read(&empty.to_text()), Ok(empty));
    }

    #[test]
    fn a_text_that_is_cut_off_anywhere_is_refused() {
        let bytes = profile().to_text();
        // The last byte is the line's end, which nothing depends on.
        for length in 0..bytes.len() - 1 {
            assert_damaged(read(&bytes[..length]), CUT_OFF);
        }
        assert_eq!(read(&bytes[..bytes.len() - 1]), Ok(profile()));
    }

    #[test]
    fn foreign_texts_are_told_from_damaged_ones() {
        for text in ["{}", "[]", "17", "null", r#"{"format":1,"version":1}"#] {
            assert_damaged(read(text.as_bytes()), FOREIGN);
        }
        assert_damaged(changed(|value| value["format"] = "another".into()), FOREIGN);
        for text in ["", "\u{0}", "profile", "{\"format\":", "\u{feff}{}"] {
            assert_damaged(read(text.as_bytes()), CUT_OFF);
        }
        let mut doubled = profile().to_text();
        doubled.extend(profile().to_text());
        assert_damaged(read(&doubled), CUT_OFF);
    }

    #[test]
    fn another_version_is_named_even_if_its_content_is_unknown() {
        for found in [0, 2, u64::MAX] {
            let text = format!(r#"{{"format":"offload-profile","version":{found},"new":[]}}"#);
            let words = format!("it has version {found}, this program reads 1");
            assert_damaged(read(text.as_bytes()), &words);
        }
    }

    #[test]
    fn content_must_be_that_of_a_profile() {
        type Change = fn(&mut serde_json::Value);
        let changes: [Change; 6] = [
            |value| value["budget_ns"] = (-1).into(),
            |value| value["extra"] = 1.into(),
            |value| value["routes"][0]["app"] = (1_u64 << 32).into(),
            |value| value["routes"][0]["verdicts"][0]["body_size"] = "<=2KiB".into(),
            |value| value["routes"][0]["verdicts"][0]["placement"] = "moon".into(),
            |value| value["routes"][0]["verdicts"][0]["relapses"] = 256.into(),
        ];
        for change in changes {
            assert_damaged(changed(change), "a profile with errors");
        }
    }

    #[test]
    fn names_and_numbers_are_bounded() {
        let long = |value: &mut serde_json::Value| {
            value["routes"][0]["pattern"] = "x".repeat(MAX_PATTERN + 1).into();
        };
        assert_damaged(changed(long), "more or longer");
        let twice = |value: &mut serde_json::Value| {
            value["routes"][1] = value["routes"][0].clone();
        };
        assert_damaged(changed(twice), "twice");
        let size_twice = |value: &mut serde_json::Value| {
            value["routes"][1]["verdicts"][1] = value["routes"][1]["verdicts"][0].clone();
        };
        assert_damaged(changed(size_twice), "twice");
        let many = |value: &mut serde_json::Value| {
            value["routes"] = (0..=MAX_ROUTES)
                .map(|_| serde_json::json!({"app": 0, "method": "", "pattern": "", "verdicts": []}))
                .collect();
        };
        assert_damaged(changed(many), "more or longer");
        let oversized = vec![b' '; MAX_BYTES + 1];
        assert_damaged(read(&oversized), "more than 16777216 bytes");
    }

    #[test]
    fn what_could_not_be_read_is_not_written() {
        let mut long = profile();
        long.routes[0].pattern = "x".repeat(MAX_PATTERN + 1);
        let read = read(&long.to_text()).unwrap();
        assert_eq!(read.routes, long.routes[1..]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read(&bytes).is_err());
        }

        #[test]
        fn a_changed_byte_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = profile().to_text();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(read) = read(&bytes) {
                prop_assert_eq!(read.routes.len(), 2, "all or nothing");
            }
        }
    }
}
